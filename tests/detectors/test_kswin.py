"""KSWIN decides as River's does where nothing is drawn, and as often where something is."""

import numpy as np
import pytest
from river import drift
from scipy.stats import ks_2samp

from detectors.base import FloatArray
from detectors.kswin import KSWIN, _sample, critical_distance
from detectors.two_samples import distance as apart
from detectors.two_samples import p_value
from tests.drifting import disagreements, fed, referred, statistics

SETTINGS = [
    KSWIN(window_size=60),
    KSWIN(window_size=40, stat_size=20, alpha=0.05),
    KSWIN(window_size=100, stat_size=50, alpha=1e-4),
    KSWIN(window_size=20, stat_size=10),
]


def river(test: KSWIN) -> drift.KSWIN:
    return drift.KSWIN(alpha=test.alpha, window_size=test.window_size, stat_size=test.stat_size, seed=test.seed)


def test_it_decides_as_rivers_does_where_all_older_readings_are_compared() -> None:
    wrong, decisions = disagreements(SETTINGS, river, range(100))
    assert wrong == []
    assert decisions > 100


@pytest.mark.slow
def test_it_decides_as_rivers_does_on_ten_thousand_random_streams() -> None:
    wrong, decisions = disagreements(SETTINGS, river, range(10_000))
    assert wrong == []
    assert decisions > 10_000


def shifted(count: int) -> list[FloatArray]:
    """Streams whose level rises by 0.6 standard deviations when the window is just full."""
    values = np.random.default_rng(4).normal(size=(count, 130))
    values[:, 100:] += 0.6
    return list(values)


def found(streams: list[FloatArray]) -> tuple[int, int]:
    """In how many of the streams River's KSWIN decides, and ours."""
    theirs = sum(bool(referred(drift.KSWIN(seed=i), values).any()) for i, values in enumerate(streams))
    ours = sum(bool((statistic >= 1).any()) for statistic in statistics(KSWIN(), streams))
    return theirs, ours


@pytest.mark.parametrize("count", [150, pytest.param(3000, marks=pytest.mark.slow)])
def test_it_decides_as_often_as_rivers_does_where_older_readings_are_drawn(count: int) -> None:
    theirs, ours = found(shifted(count))
    share = (theirs + ours) / (2 * count)
    assert 0.2 < share < 0.95
    assert abs(theirs - ours) < 3 * np.sqrt(2 * count * share * (1 - share))


@pytest.mark.parametrize("size", [5, 10, 30, 77])
def test_the_p_value_is_scipys(size: int) -> None:
    first = np.arange(size)
    for distance in range(2, size + 1):
        expected = ks_2samp(first, first + distance, method="exact").pvalue
        np.testing.assert_allclose(p_value(size=size, distance=distance), expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("size", "alpha", "expected"),
    [(30, 0.005, 14), (30, 1e-20, 31), (5, 0.005, 6), (5, 0.01, 5), (1000, 0.05, 101)],
)
def test_the_critical_distance_is_significant_and_above_a_tenth(size: int, alpha: float, expected: int) -> None:
    assert critical_distance(size=size, alpha=alpha) == expected


def test_the_distance_is_scipys_with_ties_and_without() -> None:
    rng = np.random.default_rng(5)
    for size in (1, 7, 30):
        for a, b in (rng.normal(size=(2, size)), rng.integers(0, 4, (2, size)).astype(float)):
            expected = round(ks_2samp(a, b).statistic * size)
            assert apart(np.sort(a), np.sort(b)) == expected


def test_every_older_reading_is_as_likely_in_the_sample_and_none_is_in_it_twice() -> None:
    window, sample, counts = np.arange(100.0), np.empty(30), np.zeros(100)
    for step in range(7000):
        _sample(window, 95, 70, 1, step, sample)
        assert len(set(sample.tolist())) == 30
        counts[sample.astype(int)] += 1
    older = (95 + np.arange(70)) % 100
    assert counts.sum() == counts[older].sum() == 7000 * 30
    deviation = (counts[older] - 3000) / np.sqrt(7000 * 3 / 7 * 4 / 7)
    assert abs(deviation).max() < 4.5
    assert (deviation**2).sum() < 120


def test_another_seed_draws_another_sample() -> None:
    x = np.random.default_rng(6).normal(size=400)
    one, same, other = (fed(KSWIN(seed=seed), KSWIN().init(1, (1,)), x).statistic for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other)[99:].mean() > 0.5


def test_the_window_is_forgotten_after_a_drift() -> None:
    test = KSWIN()
    statistic = fed(test, test.init(1, (1,)), np.repeat([0.0, 5.0, 9.0], [120, 100, 120])).statistic
    first = int(np.flatnonzero(statistic >= 1)[0])
    assert first == 120 + critical_distance(size=30, alpha=0.005) - 1
    assert np.isnan(statistic[first + 1 : first + 100]).all()
    assert np.isfinite(statistic[first + 100])
