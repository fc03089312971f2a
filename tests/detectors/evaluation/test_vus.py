"""VUS holds the published values; the period is found as in TSB-AD."""

import numpy as np
import pytest

from detectors.base import FloatArray, IntArray
from detectors.evaluation.vus import period, range_auc_pr, range_auc_roc, vus_pr, vus_roc
from tests.detectors.evaluation.examples import continuous, random


@pytest.mark.parametrize(
    ("window", "roc", "pr"),
    [(10, 0.9244634756, 0.7593069858), (20, 0.9540465662, 0.8447517005), (100, 0.9866139816, 0.9494842977)],
)
def test_the_volumes_are_the_published_ones(window: int, roc: float, pr: float) -> None:
    scores, labels = continuous()
    assert vus_roc(scores, labels, window=window) == pytest.approx(roc, abs=1e-9)
    assert vus_pr(scores, labels, window=window) == pytest.approx(pr, abs=1e-9)


def plain(scores: FloatArray, labels: IntArray, window: int) -> tuple[float, float]:
    """Both areas at one window, one threshold and one row at a time."""
    n, rows = len(scores), labels.tolist()
    firsts = [x for x in range(n) if rows[x] and (x == 0 or not rows[x - 1])]
    lasts = [x for x in range(n) if rows[x] and (x == n - 1 or not rows[x + 1])]
    weight, group = labels.astype(float), np.zeros(n, np.int64)
    for k, (first, last) in enumerate(zip(firsts, lasts, strict=True), start=1):
        wide = range(max(first - window // 2, 0), min(last + window // 2, n - 1) + 1)
        shared = {int(group[x]) for x in wide} - {0}
        for x in wide:
            group[x] = min(shared, default=k)
            r = max(first - x, x - last, 0)
            weight[x] += float(np.sqrt(1 - r / window)) if r else 0.0
    weight = np.minimum(weight, 1)
    found = set(group.tolist()) - {0}
    areas, before, order = [0.0, 0.0], (0.0, 0.0), np.sort(scores)[::-1]
    for i in np.linspace(0, n - 1, 250).astype(int):
        on = scores >= order[i]
        true = weight[on].sum()
        positives = (2 * labels.sum() + weight[on & (labels == 0)].sum()) / 2
        recall = min(true / positives, 1) * len(found & set(group[on].tolist())) / len(found)
        false = (on.sum() - true) / (n - positives)
        areas[0] += (recall - before[0]) * true / on.sum()
        areas[1] += (false - before[1]) * (recall + before[0]) / 2
        before = (recall, false)
    return areas[0], areas[1] + (1 - before[1]) * (1 + before[0]) / 2


@pytest.mark.parametrize("seed", range(20))
def test_areas_equal_the_loop_over_thresholds(seed: int) -> None:
    scores, labels = random(seed)
    pr, roc = plain(scores, labels, seed)
    assert range_auc_pr(scores, labels, window=seed) == pytest.approx(pr, abs=1e-12)
    assert range_auc_roc(scores, labels, window=seed) == pytest.approx(roc, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_a_perfect_score_gives_one_and_a_rising_transform_changes_nothing(seed: int) -> None:
    scores, labels = random(seed)
    assert vus_pr(labels.astype(float), labels, window=0) == pytest.approx(1)
    assert vus_roc(labels.astype(float), labels, window=0) == pytest.approx(1)
    assert vus_pr(np.exp(scores), labels, window=30) == vus_pr(scores, labels, window=30)
    assert vus_roc(np.exp(scores), labels, window=30) == vus_roc(scores, labels, window=30)


def test_rows_without_verdict_or_label_are_taken_out() -> None:
    scores, labels = continuous()
    more, known = np.append(scores, [np.nan, 9.0]), np.append(labels, [1, -1])
    assert vus_pr(more, known, window=20) == vus_pr(scores, labels, window=20)


def test_without_an_event_there_is_no_value_and_a_window_has_rows() -> None:
    scores, none = np.arange(4.0), np.zeros(4, np.int64)
    assert np.isnan([vus_pr(scores, none, window=2), vus_roc(scores, none, window=2)]).all()
    assert np.isnan(vus_roc(scores, none + 1, window=0))
    with pytest.raises(ValueError, match="window must be at least 0 rows; got -1"):
        vus_pr(scores, none, window=-1)


def test_the_period_of_a_wave_is_its_length_and_noise_without_one_gets_the_default() -> None:
    t = np.arange(5000)
    wave = np.sin(2 * np.pi * t / 48)
    assert period(wave) == 48
    wave[100:110] = np.nan
    assert period(wave) in (47, 48, 49)
    assert period(np.sin(2 * np.pi * t / 350)) == 125
    assert period(t.astype(float)) == period(np.ones(50)) == period(np.full(3, np.nan)) == 125
