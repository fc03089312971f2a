"""What Mahalanobis promises: it equals plain NumPy, finds broken relations, and constant sensors do not explode."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import chi2, rankdata

from detectors.base import Batch, FloatArray, Scores
from detectors.mahalanobis import Mahalanobis

SKAB = Path("../shared/data/skab")


def fed(method: Mahalanobis, values: FloatArray) -> Scores:
    """Scores of the readings (rows, d) of one series."""
    n, d = values.shape
    return method.update(method.init(1, (d,)), Batch(np.zeros(n, np.int64), np.arange(n), values))


def related(n: int, d: int, seed: int = 0) -> FloatArray:
    """(n, d) one hidden signal seen by every sensor with a little noise."""
    rng = np.random.default_rng(seed)
    return np.ascontiguousarray(50.0 + rng.normal(size=(n, 1)) + 0.2 * rng.normal(size=(n, d)))


def inverse_root(cov: FloatArray, scale: FloatArray, method: Mahalanobis) -> FloatArray:
    d = len(scale)
    model = (1 - method.shrinkage) * cov / np.outer(scale, scale)
    np.fill_diagonal(model, 1.0)
    lengths, vectors = np.linalg.eigh(model)
    lengths, vectors = lengths[::-1].copy(), vectors[:, ::-1]
    kept = 1 + int(np.argmax(np.cumsum(lengths) >= method.share * d - 1e-9))
    lengths[kept:] = lengths[kept:].mean() if kept < d else 1.0
    root: FloatArray = (vectors / np.sqrt(np.maximum(lengths, method.shrinkage))) @ vectors.T
    return root


def naive(values: FloatArray, method: Mahalanobis) -> FloatArray:
    """Scores of one series by the definitions, a row at a time; every variable is there while warming up."""
    d = values.shape[1]
    seen, mean, cov, score = np.zeros(d), np.zeros(d), np.zeros((d, d)), np.full(len(values), np.nan)
    scale, root = np.full(d, np.nan), np.eye(d)
    alpha = 1 - 0.5 ** (1 / method.half_life)
    for i, row in enumerate(values):
        there = np.isfinite(row)
        away, widen = np.where(there, row - mean, 0.0), 1.0
        if i >= method.warm_up:
            if (i - method.warm_up) % method.refit == 0:
                scale = np.sqrt(np.diag(cov))
                root = inverse_root(cov, scale, method)
            inverse = root @ root
            z = (away / scale)[there]
            marginal = np.linalg.inv(np.linalg.inv(inverse)[np.ix_(there, there)])
            total, k = z @ marginal @ z, there.sum()
            spread = 2 / (9 * k)
            score[i] = (np.cbrt(total / k) - 1 + spread) / np.sqrt(spread)
            most = k * (1 - spread + method.clip * np.sqrt(spread)) ** 3
            away *= min(1.0, np.sqrt(most / total))
            widen = k / (k * chi2.cdf(most, k + 2) + most * chi2.sf(most, k))
        seen[there] += 1
        rate = np.maximum(alpha, 1 / seen)
        mean[there] += (rate * away)[there]
        a = np.maximum.outer(rate, rate)
        both = np.outer(there, there)
        cov[both] = ((1 - a) * (cov + a * widen * np.outer(away, away)))[both]
    return score


@pytest.mark.parametrize("seed", range(6))
def test_it_equals_plain_numpy_row_by_row(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = related(400, 5, seed) * 10.0 ** rng.integers(-3, 5, 5)
    values[300] *= 3.0
    values[120:][rng.random((280, 5)) < 0.1] = np.nan
    method = Mahalanobis(
        half_life=float(rng.integers(20, 300)),
        shrinkage=float(rng.uniform(0.01, 0.5)),
        share=float(rng.uniform(0.5, 1.0)),
        refit=int(rng.integers(1, 60)),
        clip=float(rng.uniform(0.1, 4.0)),
    )
    np.testing.assert_allclose(fed(method, values).score, naive(values, method), rtol=1e-7, atol=1e-7)


def test_a_broken_relation_is_found_that_no_single_variable_shows() -> None:
    values = related(600, 4)
    broken = values.copy()
    broken[500, 2] = 100.0 - broken[500, :2].mean() + 3.0 * np.sign(50.0 - broken[500, 0])
    assert abs(broken[500, 2] - values[:, 2].mean()) < np.abs(values[:, 2] - values[:, 2].mean()).max() + 1.5
    scores = fed(Mahalanobis(), broken)
    assert np.flatnonzero(scores.alarm).tolist() == [500]
    assert scores.contributions is not None
    assert scores.contributions[500].argmax() == 2


def test_contributions_sum_to_one() -> None:
    contributions = fed(Mahalanobis(), related(300, 4)).contributions
    assert contributions is not None
    assert np.isnan(contributions[:100]).all()
    np.testing.assert_allclose(contributions[100:].sum(axis=1), 1.0, rtol=1e-12)


def test_gaussian_rows_score_as_standard_normal_deviates_whatever_is_clipped() -> None:
    values = np.random.default_rng(0).normal(size=(20_000, 6))
    score = fed(Mahalanobis(), values).score[100:]
    assert abs(score.mean()) < 0.15
    assert abs(score.std() - 1.0) < 0.1


def test_constant_and_doubled_sensors_do_not_explode() -> None:
    values = related(600, 4)
    values[:, 1], values[:, 3] = 20.0, values[:, 0]
    values[400::7, 1] = 20.01
    scores = fed(Mahalanobis(), values)
    assert not scores.alarm.any()
    assert np.nanmax(scores.score) < 6.0


def test_a_constant_sensor_alarms_when_it_leaves_its_constant() -> None:
    values = np.column_stack([related(300, 2), np.zeros(300)])
    values[299, 2] = 5.0
    assert np.flatnonzero(fed(Mahalanobis(), values).alarm).tolist() == [299]


def test_a_lasting_fault_is_not_learned_at_once() -> None:
    values = related(800, 4)
    values[400:, 0] += 4.0
    assert fed(Mahalanobis(), values).alarm[400:430].all()


def test_missing_variables_are_expected_from_the_others_and_never_alarm_alone() -> None:
    values = related(600, 4)
    whole = values.copy()
    values[300:, 1] = np.nan
    scores = fed(Mahalanobis(shrinkage=0.01), values)
    assert not scores.alarm.any()
    assert scores.expected is not None
    assert scores.contributions is not None
    assert np.isnan(scores.contributions[300:, 1]).all()
    assert np.corrcoef(scores.expected[300:, 1], whole[300:, 1])[0, 1] > 0.9


def test_a_variable_that_comes_later_warms_up_by_itself() -> None:
    values = related(700, 3)
    values[:300, 2] = np.nan
    contributions = fed(Mahalanobis(), values).contributions
    assert contributions is not None
    assert np.isnan(contributions[:400, 2]).all()
    assert np.isfinite(contributions[450:, 2]).all()


def test_the_largest_floats_are_scored_without_overflow() -> None:
    values = related(400, 3)
    values[200:204] = [[1.7e308, -1.7e308, 1.0], [1e200, 5e-324, np.inf], [-1.7e308, 1e155, 1e160], [50.0, 1e-300, 1.0]]
    scores = fed(Mahalanobis(), values)
    assert np.isfinite(scores.score[100:]).all()
    assert scores.alarm[200:204].all()


def roc(labels: FloatArray, score: FloatArray) -> float:
    bad = labels > 0
    m = bad.sum()
    return float((rankdata(score)[bad].sum() - m * (m + 1) / 2) / (m * (~bad).sum()))


@pytest.mark.skipif(not SKAB.is_dir(), reason=f"{SKAB} is not here: the recordings are no part of the repository")
def test_it_ranks_the_faults_of_skab() -> None:
    areas = []
    for path in sorted(SKAB.glob("*.parquet")):
        if path.stem == "anomaly_free":
            continue
        table = pq.read_table(path)
        names = [name for name in table.schema.names if name != "timestamp" and not name.startswith("label")]
        values = np.ascontiguousarray(np.stack([table[name].to_numpy() for name in names], axis=1), dtype=np.float64)
        areas.append(roc(table["label"].to_numpy()[400:], fed(Mahalanobis(), values).score[400:]))
    assert len(areas) == 24
    assert np.mean(areas) > 0.72
