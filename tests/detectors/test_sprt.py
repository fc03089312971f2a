"""SPRT: the published constants, the simulated operating characteristic, and both ways to go on."""

from math import log
from typing import Any

import numpy as np
import pytest

from detectors.base import BoolArray, FloatArray, IntArray
from detectors.sprt import SPRT
from tests.drifting import fed

PAPER = SPRT(p_null=0.45, p_alt=0.50, alpha=0.05, beta=0.005, bin_threshold=0.5)
QUICK = SPRT(bin_threshold=0.5)


def bits(p: float, n: int, seed: int) -> FloatArray:
    """Scores of which a share p is above 0.5."""
    return (np.random.default_rng(seed).random(n) < p).astype(float)


def simulated(test: SPRT, p: float, runs: int) -> tuple[BoolArray, IntArray]:
    """Whether each run ended in a drift, and after how many scores; each run is a series, fed a score at a time."""
    state = test.init(runs, (1,))
    rng = np.random.default_rng(int(1000 * p))
    drift, length = np.zeros(runs, np.bool_), np.zeros(runs, np.int64)
    going = np.arange(runs)
    for t in range(1, 100_000):
        score = (rng.random(len(going)) < p).astype(float)
        statistic = fed(test, state, score, going).statistic
        ended = state.readings[going] == 0
        drift[going[ended]], length[going[ended]] = statistic[ended] >= 1, t
        going = going[~ended]
        if not going.size:
            return drift, length
    raise AssertionError("a test that ends at either boundary has not ended")


def test_the_published_constants() -> None:
    gain = log(0.50 / 0.45) - log(0.50 / 0.55)
    (lower,), (upper,) = PAPER.limits(np.zeros(1, np.int64))
    exact = {
        "A": (PAPER.upper, log(0.995 / 0.05), 2.990720),
        "B": (PAPER.lower, log(0.005 / 0.95), -5.247024),
        "of a one": (PAPER.gain - PAPER.fall, log(0.50 / 0.45), 0.1053605),
        "of a zero": (-PAPER.fall, log(0.50 / 0.55), -0.0953102),
        "D": (PAPER.gain, gain, 0.2006707),
        "slope": (PAPER.slope, log(0.55 / 0.50) / gain, 0.4749581),
        "upper intercept": (upper, log(0.995 / 0.05) / gain, 14.903620),
        "lower intercept": (lower, log(0.005 / 0.95) / gain, -26.147436),
    }
    for name, (ours, closed, published) in exact.items():
        digits = 7 if name in ("of a one", "of a zero", "D", "slope") else 6
        assert abs(ours - closed) < 1e-9, name
        assert round(ours, digits) == published, name


def test_an_unbroken_run_of_ones_is_a_drift_at_29_and_one_of_zeros_ends_the_test_at_56() -> None:
    ones = fed(PAPER, PAPER.init(1, (1,)), np.ones(60)).statistic
    assert (np.flatnonzero(ones >= 1) + 1).tolist() == [29, 58]
    state = PAPER.init(1, (1,))
    fed(PAPER, state, np.zeros(55))
    assert state.readings[0] == 55
    fed(PAPER, state, np.zeros(1))
    assert state.readings[0] == 0


PUBLISHED = [
    (PAPER, 0.20, 0.000, 96, 121),
    (PAPER, 0.40, 0.000, 349, 573),
    (PAPER, 0.45, 0.048, 975, 2073),
    (PAPER, 0.475, 0.636, 1612, 4345),
    (PAPER, 0.50, 0.994, 601, 1539),
    (PAPER, 0.60, 1.000, 122, 200),
    (PAPER, 0.80, 1.000, 47, 61),
    (PAPER, 0.90, 1.000, 36, 44),
    (PAPER, 1.00, 1.000, 29, 29),
    (QUICK, 0.05, 0.0003, 24, None),
    (QUICK, 0.30, None, 23, None),
    (QUICK, 0.50, None, 11, None),
    (QUICK, 0.80, None, 6, None),
]


@pytest.mark.parametrize(("test", "p", "share", "mean", "late"), PUBLISHED)
def test_the_operating_characteristic(test: SPRT, p: float, share: float | None, mean: int, late: int | None) -> None:
    runs = 4000
    drift, length = simulated(test, p, runs)
    if share is not None:
        error = np.sqrt(max(share * (1 - share), 1 / runs) / runs)
        assert abs(drift.mean() - share) < 4 * np.sqrt(2) * error + 0.0005
    assert abs(length.mean() - mean) < 4 * np.sqrt(2) * length.std() / np.sqrt(runs) + 0.5
    if late is not None:
        assert abs(np.quantile(length, 0.95) - late) <= max(0.08 * late, 1)


@pytest.mark.parametrize("test", [PAPER, QUICK])
def test_the_error_rates_are_the_nominal_ones_or_below(test: SPRT) -> None:
    runs = 4000 if test is PAPER else 40_000
    false, _ = simulated(test, test.p_null, runs)
    missed, _ = simulated(test, test.p_alt, runs)
    assert false.mean() <= 1.1 * test.alpha
    assert 1 - missed.mean() <= 1.1 * test.beta


def recursion(test: SPRT, score: FloatArray) -> list[int]:
    """Readings at which the paper's recursion decides for drift, one score at a time."""
    total, found = 0.0, []
    for t, x in enumerate(score.tolist()):
        one = x > (test.bin_threshold or 0.0)
        total += log(test.p_alt / test.p_null) if one else log((1 - test.p_alt) / (1 - test.p_null))
        if total > log((1 - test.beta) / test.alpha):
            found.append(t)
            total = 0.0
        elif test.restart_on_accept and total < log(test.beta / (1 - test.alpha)):
            total = 0.0
    return found


@pytest.mark.parametrize("restart", [True, False])
@pytest.mark.parametrize("p", [0.3, 0.5, 0.7])
def test_the_counts_decide_as_the_recursion_does(restart: bool, p: float) -> None:
    test = SPRT(p_null=0.4, p_alt=0.55, alpha=0.02, beta=0.03, restart_on_accept=restart, bin_threshold=0.5)
    score = bits(p, 5000, seed=3)
    found = np.flatnonzero(fed(test, test.init(1, (1,)), score).statistic >= 1).tolist()
    assert found == recursion(test, score)
    assert len(found) > 10 or p == 0.3


def delay(test: SPRT, healthy: int) -> int:
    """Records until a share of 0.9 is found after a healthy period, the median of 101 series."""
    runs = 101
    rng = np.random.default_rng(5)
    score = np.concatenate([rng.random((healthy, runs)) < 0.45, rng.random((2000, runs)) < 0.9]).astype(float)
    slots = np.tile(np.arange(runs), len(score))
    found = fed(test, test.init(runs, (1,)), score.ravel(), slots).statistic.reshape(score.shape) >= 1
    return int(np.median(found[healthy:].argmax(axis=0))) + 1


def test_the_literal_form_is_late_after_a_long_healthy_period_and_the_default_is_not() -> None:
    literal = SPRT(p_null=0.45, p_alt=0.50, alpha=0.05, beta=0.005, restart_on_accept=False, bin_threshold=0.5)
    assert delay(PAPER, 10_000) < 60
    assert 450 < delay(literal, 10_000) < 750
    assert delay(literal, 1000) < 150


def test_a_drift_that_begins_at_1000_is_found_soon_after_and_not_before() -> None:
    score = np.concatenate([bits(0.05, 1000, seed=6), bits(0.8, 30, seed=7)])
    first = int(np.flatnonzero(fed(QUICK, QUICK.init(1, (1,)), score).statistic >= 1)[0])
    assert 1000 <= first < 1015


@pytest.mark.parametrize(("p_null", "warm_up"), [(0.05, 200), (0.45, 37), (0.5, 201), (0.01, 5), (0.99, 20)])
def test_the_threshold_is_the_quantile_of_the_warm_up(p_null: float, warm_up: int) -> None:
    test = SPRT(p_null=p_null, p_alt=(1 + p_null) / 2, warm_up=warm_up)
    score = np.random.default_rng(8).exponential(size=warm_up + 1)
    state = test.init(1, (1,))
    statistic = fed(test, state, score).statistic
    np.testing.assert_allclose(state.threshold[0], np.quantile(score[:warm_up], 1 - p_null), rtol=1e-12)
    assert np.isnan(statistic[:warm_up]).all()
    assert np.isfinite(statistic[warm_up])


def test_a_given_threshold_needs_no_warm_up_and_holds_no_scores() -> None:
    state = QUICK.init(2, (1,))
    assert state.largest.shape == (2, 0)
    assert np.isfinite(fed(QUICK, state, np.zeros(1)).statistic).all()


def test_a_score_at_the_threshold_does_not_count() -> None:
    state = QUICK.init(1, (1,))
    fed(QUICK, state, np.array([0.5, 0.5, 0.6]))
    assert (state.readings[0], state.count[0]) == (3, 1)


def test_a_drift_carries_the_state_of_its_test() -> None:
    score = np.concatenate([np.zeros(56), [0.0], np.ones(40), [np.nan]])
    times = np.arange(len(score), dtype=np.int64) * 1000
    drift = fed(PAPER, PAPER.init(1, (1,)), score, times=times)
    (row,) = np.flatnonzero(drift.statistic >= 1)
    at: dict[str, Any] = drift.evidence.at(int(row))
    assert row == 56 + 30
    assert (at["started"], at["readings"], at["count"]) == (56_000, 31, 30)
    assert at["lower"] < at["count"] - 1 <= at["upper"] < at["count"]
    assert at["estimated"] == 30 / 31
    assert drift.evidence.at(0) == {}
    assert fed(PAPER, PAPER.init(1, (1,)), np.zeros(3)).evidence is None


def test_its_statistic_is_how_near_the_ratio_is_to_its_limit() -> None:
    score = bits(0.5, 300, seed=9)
    test = SPRT(p_null=0.45, p_alt=0.5, alpha=1e-6, beta=1e-6, bin_threshold=0.5)
    t, count = np.arange(1, 301), np.cumsum(score)
    expected = np.maximum(count * log(0.5 / 0.45) + (t - count) * log(0.5 / 0.55), 0.0) / log((1 - 1e-6) / 1e-6)
    statistic = fed(test, test.init(1, (1,)), score).statistic
    assert (expected < 1).all()
    np.testing.assert_allclose(statistic, expected, atol=1e-12)


def test_a_ratio_that_meets_its_limit_exactly_is_no_drift() -> None:
    """With p 1/3 and 2/3 a score moves S by ln 2, and alpha 0.1, beta 0.2 put A at 3 ln 2: three ones only reach it."""
    test = SPRT(p_null=1 / 3, p_alt=2 / 3, alpha=0.1, beta=0.2, bin_threshold=0.5)
    (_,), (limit,) = test.limits(np.array([3]))
    statistic = fed(test, test.init(1, (1,)), np.ones(4)).statistic
    assert limit == pytest.approx(3.0, abs=1e-12)
    assert (statistic[2] >= 1) == (limit < 3)
    assert statistic[3] >= 1
