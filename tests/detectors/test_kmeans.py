"""What KMeans promises: several regimes and recurring shapes are normal, what lies between or beside them is not."""

import numpy as np
import pytest

from detectors.base import Batch, FloatArray, Scores
from detectors.kmeans import KMeans


def fed(method: KMeans, values: FloatArray) -> Scores:
    """Scores of the readings (rows, d) of one series."""
    n, d = values.shape
    return method.update(method.init(1, (d,)), Batch(np.zeros(n, np.int64), np.arange(n), values))


def regimes(n: int, seed: int = 0) -> FloatArray:
    """(n, 2) rows of two regimes far apart."""
    rng = np.random.default_rng(seed)
    return 30.0 * rng.integers(0, 2, (n, 1)) + rng.normal(size=(n, 2))


def naive(values: FloatArray, method: KMeans) -> FloatArray:
    """Scores of one series without missing readings by the definitions, a row at a time."""
    n, d = values.shape
    alpha, w = 1 - 0.5 ** (1 / method.half_life), method.window
    mean, var, usual = np.zeros(d), np.zeros(d), 0.0
    rows, score, centres, members = np.zeros((w, d)), np.full(n, np.nan), [], []
    half = method.warm_up // 2
    gap = (half - 16 - w) // method.clusters
    for i, row in enumerate(values):
        away = row - mean
        z = away / np.sqrt(var) if i > 1 else np.zeros(d)
        if i >= 16:
            away = away * np.minimum(1.0, method.clip / np.abs(z))
        a = max(alpha, 1 / (i + 1))
        mean, var = mean + a * away, (1 - a) * (var + a * away**2)
        rows = np.vstack([rows[1:], z])
        since = i - 16 - w
        if since < 0:
            continue
        point = rows.ravel()
        if since % gap == 0 and since // gap < method.clusters:
            centres.append(point.copy())
            members.append(1)
            continue
        squares = [((point - centre) ** 2).sum() for centre in centres]
        k = int(np.argmin(squares))
        shorten = 1.0
        if i >= method.warm_up:
            score[i] = np.sqrt(squares[k] / usual)
            shorten = min(1.0, method.clip / score[i])
        members[k] += 1
        centres[k] += shorten * max(alpha, 1 / members[k]) * (point - centres[k])
        if i >= half:
            usual += max(alpha, 1 / (i - half + 1)) * (squares[k] * shorten**2 - usual)
    return score


@pytest.mark.parametrize("seed", range(4))
def test_it_equals_plain_numpy_row_by_row(seed: int) -> None:
    rng = np.random.default_rng(seed)
    method = KMeans(
        clusters=int(rng.integers(1, 9)), window=int(rng.integers(1, 5)), half_life=float(rng.integers(20, 400))
    )
    values = regimes(400, seed)
    np.testing.assert_allclose(fed(method, values).score, naive(values, method), rtol=1e-8)


def test_a_row_between_two_regimes_is_found_and_the_regimes_are_not() -> None:
    values = regimes(800)
    values[700] = [15.0, 15.0]
    scores = fed(KMeans(clusters=4, window=1), values)
    assert np.flatnonzero(scores.alarm).tolist() == [700]


def test_a_broken_shape_is_found_that_leaves_no_range() -> None:
    rng = np.random.default_rng(0)
    wave = np.sin(np.arange(1000) * 2 * np.pi / 8) + 0.05 * rng.normal(size=1000)
    wave[800:808] = wave[800]
    scores = fed(KMeans(window=4), wave.reshape(-1, 1))
    assert np.nanargmax(scores.score) in range(800, 812)
    assert scores.alarm[800:812].any()


def test_contributions_sum_to_one_and_name_the_variable_at_fault() -> None:
    values = np.random.default_rng(1).normal(size=(300, 3))
    values[250, 1] += 50.0
    contributions = fed(KMeans(), values).contributions
    assert contributions is not None
    np.testing.assert_allclose(contributions[100:].sum(axis=1), 1.0, rtol=1e-9)
    assert contributions[250].argmax() == 1


def test_a_constant_sensor_does_not_explode() -> None:
    values = np.random.default_rng(2).normal(size=(400, 2))
    values[:, 1] = 20.0
    values[300:, 1] += np.where(np.arange(100) % 7 == 0, 0.01, 0.0)
    score = fed(KMeans(), values).score[100:]
    assert np.isfinite(score).all()
    assert not fed(KMeans(), np.full((300, 1), 20.0)).alarm.any()


def test_a_missing_variable_is_not_learned() -> None:
    values = np.random.default_rng(3).normal(size=(300, 2))
    values[200:, 1] = np.nan
    scores = fed(KMeans(), values)
    assert np.isfinite(scores.score[100:]).all()
    assert not scores.alarm.any()


def test_the_largest_floats_are_scored_without_overflow() -> None:
    values = np.random.default_rng(4).normal(size=(300, 2))
    values[200:203] = [[1.7e308, -1.7e308], [1e200, 5e-324], [-1.7e308, 1e160]]
    assert np.isfinite(fed(KMeans(), values).score[100:]).all()


def test_sparse_spikes_that_are_learned_clipped_do_not_let_the_scale_collapse() -> None:
    rng = np.random.default_rng(5)
    values = np.where(rng.random(60_000) < 0.02, rng.integers(5, 20, 60_000), 0).astype(float)[:, None]
    assert np.nanmax(fed(KMeans(), values).score) < 1e4
