"""SPRT: the published constants, the simulated operating characteristic, both ways to go on, and what it counts."""

from collections import deque
from math import log
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta

from detectors import table
from detectors.base import Batch, BoolArray, FloatArray, IntArray, Scores
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


def most(errors: BoolArray) -> float:
    """Upper 95 % limit of the share of errors (Clopper and Pearson)."""
    k, n = int(errors.sum()), len(errors)
    return float(beta.ppf(0.95, k + 1, n - k))


@pytest.mark.parametrize("test", [PAPER, QUICK])
def test_the_error_rates_are_at_most_a_fifth_above_the_nominal_ones(test: SPRT) -> None:
    false, _ = simulated(test, test.p_null, 4000 if test is PAPER else 40_000)
    found, _ = simulated(test, test.p_alt, 20_000)
    assert most(false) <= 1.2 * test.alpha
    assert most(~found) <= 1.2 * test.beta


@pytest.mark.parametrize("test", [PAPER, QUICK])
def test_false_drifts_come_no_more_often_than_promised(test: SPRT) -> None:
    series, rows = 200, 20_000
    score = bits(test.p_null, series * rows, seed=10)
    statistic = fed(test, test.init(series, (1,)), score, np.tile(np.arange(series), rows)).statistic
    drifts = int((statistic >= 1).sum())
    assert drifts > 10
    assert drifts + 1.645 * np.sqrt(drifts) <= 1.2 * test.false_drifts * len(score)
    assert drifts >= 0.1 * test.false_drifts * len(score)


def test_the_promise_is_alpha_times_the_tests_per_reading() -> None:
    assert round(1 / QUICK.false_drifts, -2) == 22_900
    literal = SPRT(restart_on_accept=False)
    assert literal.false_drifts == 0.0
    averages = SPRT(input="likelihood", window=10)
    assert averages.false_drifts == pytest.approx(QUICK.false_drifts / 10)


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


def autocorrelated(n: int, phi: float, seed: int) -> FloatArray:
    """Stationary scores whose high ones come in runs."""
    fresh = np.random.default_rng(seed).normal(size=n) * np.sqrt(1 - phi**2)
    score = fresh.copy()
    for t in range(1, n):
        score[t] += phi * score[t - 1]
    return abs(score)


def widening(test: SPRT, score: FloatArray) -> list[tuple[int, float]]:
    """Readings at which the recursion decides for drift while its upper limit gives way, and that limit."""
    total, wider, found = 0.0, 0.0, []
    for t, x in enumerate(score.tolist()):
        one = x > (test.bin_threshold or 0.0)
        total += log(test.p_alt / test.p_null) if one else log((1 - test.p_alt) / (1 - test.p_null))
        wider = max(wider - test.widen * test.false_drifts, 0.0)
        limit = test.upper * np.exp(wider)
        if total > limit:
            found.append((t, float(limit)))
            total, wider = 0.0, wider + test.widen
        elif total < test.lower:
            total = 0.0
    return found


@pytest.mark.parametrize("widen", [0.3, 1.0])
def test_a_limit_that_widens_does_so_at_a_drift_and_falls_back(widen: float) -> None:
    test = SPRT(p_null=0.2, p_alt=0.4, alpha=0.02, bin_threshold=1.2, widen=widen)
    score = autocorrelated(20_000, 0.9, seed=17)
    drift = fed(test, test.init(1, (1,)), score)
    expected = widening(test, score)
    assert np.flatnonzero(drift.statistic >= 1).tolist() == [t for t, _ in expected]
    assert len(expected) > 8
    for t, limit in expected:
        at = drift.evidence.at(t)
        assert at["upper"] == pytest.approx((limit + at["readings"] * test.fall) / test.gain)
        assert at["count"] > at["upper"]


@pytest.mark.parametrize("lasting", [False, True])
def test_a_limit_that_widens_keeps_the_promise_in_runs_of_high_scores_and_in_lasting_changes(lasting: bool) -> None:
    n = 200_000
    score = autocorrelated(n, 0.95, seed=18)
    score[n // 2 :] += 3.0 * lasting
    plain, test = SPRT(), SPRT(widen=1.0)
    state = test.init(1, (1,))
    drifts = int((fed(test, state, score).statistic >= 1).sum())
    wider = table.dump(state)["widened"][0]
    assert drifts <= test.false_drifts * n + wider / test.widen + 1e-9
    assert drifts < 25
    assert (fed(plain, plain.init(1, (1,)), score).statistic >= 1).sum() > 40 * drifts


def test_until_the_first_drift_a_limit_that_widens_is_no_other() -> None:
    score = np.concatenate([bits(0.05, 3000, seed=19), bits(0.8, 100, seed=20)])
    test = SPRT(bin_threshold=0.5, widen=1.0)
    one, other = (fed(t, t.init(1, (1,)), score).statistic for t in (QUICK, test))
    first = int(np.flatnonzero(one >= 1)[0])
    assert first > 3000
    np.testing.assert_array_equal(one[: first + 1], other[: first + 1])
    assert (other >= 1).sum() < (one >= 1).sum()


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


def judged(test: SPRT, state: Any, values: FloatArray, expected: FloatArray | None, score: Any = None) -> Any:
    """The Drift that the test finds in readings (n, d) of one series, of which these were expected."""
    n = len(values)
    score = np.ones(n) if score is None else score
    scores = Scores(score, np.full(n, np.inf), np.zeros(n, np.bool_), np.zeros(n, np.int64), expected)
    return test.update(state, Batch(np.zeros(n, np.int64), np.arange(n), values), scores)


def residual(test: SPRT, values: list[float], expected: list[float]) -> list[float]:
    """h of the paper at every reading of one variable: equations 3 and 4, as written."""
    recent: deque[float] = deque(maxlen=test.window)
    found = []
    for x, e in zip(values, expected, strict=True):
        h = np.nan
        if len(recent) >= 5:
            h = min(abs(e - x) / (test.k * max(float(np.std(list(recent))), 1e-6)), 1.0)
        found.append(h)
        recent.append(x)
    return found


def shifting(d: int = 1, n: int = 600, seed: int = 11) -> FloatArray:
    """(n, d) noise that shifts by 1.5 standard deviations halfway."""
    values = np.random.default_rng(seed).normal(size=(n, d))
    values[n // 2 :] += 1.5
    return values


PUBLISHED_RESIDUAL = SPRT(
    p_null=0.45, p_alt=0.50, alpha=0.05, beta=0.005, bin_threshold=0.65, input="residual", window=15
)


@pytest.mark.parametrize("k", [1.0, 2.0])
def test_a_residual_decides_as_the_papers_equations_do(k: float) -> None:
    test = SPRT(p_null=0.3, p_alt=0.5, alpha=0.01, beta=0.05, bin_threshold=0.6, input="residual", window=15, k=k)
    values = shifting()
    h = np.array(residual(test, values[:, 0].tolist(), [0.0] * len(values)))
    found = np.flatnonzero(judged(test, test.init(1, (1,)), values, np.zeros(values.shape)).statistic >= 1)
    expected = recursion(test, h[5:])
    assert found.tolist() == [5 + t for t in expected]
    assert len(expected) > 3


def test_of_a_normal_residual_half_are_above_the_published_threshold() -> None:
    """0.516 would be 0.65 standard deviations of the truth; the spread of 15 readings is a little below it."""
    state = PUBLISHED_RESIDUAL.init(1, (1,))
    values = np.random.default_rng(12).normal(size=(20_000, 1))
    h = np.array(residual(PUBLISHED_RESIDUAL, values[:, 0].tolist(), [0.0] * len(values)))[5:]
    assert 0.516 < (h > 0.65).mean() < 0.56
    drift = judged(PUBLISHED_RESIDUAL, state, values, np.zeros(values.shape))
    assert (drift.statistic >= 1).sum() > 20


def test_residuals_have_no_unit() -> None:
    test = SPRT(input="residual", warm_up=100)
    values = shifting()
    plain, small, large = (
        judged(test, test.init(1, (1,)), values * unit, np.zeros(values.shape)).statistic for unit in (1.0, 2e-30, 2e30)
    )
    assert (plain >= 1).any()
    np.testing.assert_array_equal(plain >= 1, small >= 1)
    np.testing.assert_array_equal(plain >= 1, large >= 1)


def test_readings_that_stand_still_and_are_expected_are_no_residual() -> None:
    test = SPRT(input="residual", bin_threshold=0.5)
    values = np.full((100, 1), 0.1)
    statistic = judged(test, test.init(1, (1,)), values, values * (1 + 1e-16)).statistic
    assert np.isnan(statistic[:5]).all()
    assert (statistic[5:] == 0).all()
    assert (judged(test, test.init(1, (1,)), values, values + 1e-3).statistic >= 1).any()


def test_the_warm_up_chooses_the_quantile_of_residuals_that_do_not_end_at_1() -> None:
    test = SPRT(input="residual", warm_up=100)
    values = np.random.default_rng(13).normal(size=(106, 1))
    state = test.init(1, (1,))
    statistic = judged(test, state, values, np.zeros(values.shape)).statistic
    ratios = [abs(values[t, 0]) / values[max(t - 25, 0) : t, 0].std() for t in range(5, 105)]
    np.testing.assert_allclose(state.threshold[0, 0], np.quantile(ratios, 0.95), rtol=1e-12)
    assert state.threshold[0, 0] > 1
    assert np.isnan(statistic[:105]).all()
    assert np.isfinite(statistic[105])


def test_a_residual_needs_an_expected_value() -> None:
    test = SPRT(input="residual")
    with pytest.raises(ValueError, match="needs a detector that says what it expected; take input = 'score'"):
        judged(test, test.init(1, (1,)), np.zeros((1, 1)), None)
    with pytest.raises(ValueError, match="needs a detector"):
        judged(test, test.init(0, (2,)), np.zeros((0, 2)), None)


def test_a_missing_variable_has_no_test_in_the_evidence() -> None:
    test = SPRT(bin_threshold=0.5, input="residual")
    expected = np.repeat(np.resize([1.0, -1.0], 40)[:, None], 2, axis=1)
    values = expected + np.repeat([0.0, 1.0], [20, 20])[:, None]
    values[20:, 1] = np.nan
    drift = judged(test, test.init(1, (2,)), values, expected)
    at = drift.evidence.at(int(np.flatnonzero(drift.statistic >= 1)[0]))
    assert at["drifted"] == [True, False]
    assert [at[name][1] for name in ("started", "readings", "count", "estimated")] == [0, 0, 0, 0.0]


def one_by_one(test: SPRT, values: FloatArray) -> dict[int, set[int]]:
    """Rows at which enough variables stand in drift, and which; every variable is tested alone."""
    alone = SPRT(
        p_null=test.p_null, p_alt=test.p_alt, alpha=test.alpha, beta=test.beta, bin_threshold=test.bin_threshold,
        input="residual", window=test.window,
    )  # fmt: skip
    d = values.shape[1]
    states = [alone.init(1, (1,)) for _ in range(d)]
    standing: set[int] = set()
    found = {}
    for row, reading in enumerate(values):
        for j in range(d):
            statistic = judged(alone, states[j], reading[None, j : j + 1].copy(), np.zeros((1, 1))).statistic[0]
            if statistic >= 1:
                standing.add(j)
            elif np.isfinite(statistic) and states[j].readings[0, 0] == 0:
                standing.discard(j)
        if len(standing) >= (1 if test.rule == "any" else d // 2 + 1):
            found[row] = standing
            standing = set()
    return found


@pytest.mark.parametrize("rule", ["any", "majority"])
@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_any_variable_or_more_than_half_of_them_make_a_drift(rule: Any, d: int) -> None:
    test = SPRT(p_null=0.3, p_alt=0.5, alpha=0.02, beta=0.05, bin_threshold=0.9, input="residual", window=15, rule=rule)
    values = shifting(d, n=400)
    values[np.random.default_rng(14).random(values.shape) < 0.1] = np.nan
    drift = judged(test, test.init(1, (d,)), values, np.zeros(values.shape))
    rows = np.flatnonzero(drift.statistic >= 1).tolist()
    expected = one_by_one(test, values)
    assert rows == list(expected)
    assert len(rows) > 3
    for row in rows:
        assert set(np.flatnonzero(drift.evidence.at(row)["drifted"]).tolist()) == expected[row]


def test_a_vote_keeps_the_state_of_its_test_until_a_majority_is_there() -> None:
    test = SPRT(bin_threshold=0.5, input="residual", rule="majority")
    noise = np.resize([1.0, -1.0], 60)
    expected = np.repeat(noise[:, None], 3, axis=1)
    values = expected.copy()
    values[20:, 0] += 1.0
    values[25:, 1] -= 1.0
    drift = judged(test, test.init(1, (3,)), values, expected)
    first = int(np.flatnonzero(drift.statistic >= 1)[0])
    at = drift.evidence.at(first)
    assert at["drifted"] == [True, True, False]
    assert at["started"][0] + at["readings"][0] < first
    assert at["started"][1] + at["readings"][1] == first + 1
    for j in (0, 1):
        assert at["lower"][j] < at["upper"][j] < at["count"][j]
        assert at["estimated"][j] == at["count"][j] / at["readings"][j]
    assert at["false_drifts"] == test.false_drifts


def test_a_vote_ends_when_the_variables_next_test_finds_no_drift() -> None:
    test = SPRT(bin_threshold=0.5, input="residual", rule="majority")
    expected = np.repeat(np.resize([1.0, -1.0], 200)[:, None], 3, axis=1)
    values = expected.copy()
    values[20:40, 0] += 1.0
    values[100:, 1] += 1.0
    assert not (judged(test, test.init(1, (3,)), values, expected).statistic >= 1).any()
    values[100:, 0] += 1.0
    assert (judged(test, test.init(1, (3,)), values, expected).statistic >= 1).any()


def test_averages_share_no_score_so_that_one_high_score_counts_once() -> None:
    test = SPRT(input="likelihood", window=10, warm_up=20)
    state = test.init(1, (1,))
    score = np.random.default_rng(15).random(400)
    score[203] = 50.0
    statistic = fed(test, state, score).statistic
    averages = score[:200].reshape(20, 10).mean(axis=1)
    np.testing.assert_allclose(state.threshold[0], np.quantile(averages, 0.95), rtol=1e-12)
    assert np.flatnonzero(np.isfinite(statistic)).tolist() == list(range(209, 400, 10))
    assert statistic[209] == pytest.approx((test.gain - test.fall) / test.upper)


def test_states_that_were_saved_before_there_was_a_choice_go_on() -> None:
    """Both what a snapshot compares: the parameters that shape state, and the form of the arrays."""
    names = ["largest", "seen", "threshold", "readings", "count", "started"]
    assert list(table.dump(SPRT().init(3, (2,)))) == names
    assert set(SPRT.__struct_fields__) - SPRT.tunes == {"p_null", "bin_threshold", "warm_up"}
    saved = table.dump(QUICK.init(3, (1,))) | {"threshold": np.full(3, 0.5)}
    went_on = fed(QUICK, table.load(QUICK.init(0, (1,)), saved), bits(0.8, 50, seed=16)).statistic
    np.testing.assert_array_equal(went_on, fed(QUICK, QUICK.init(1, (1,)), bits(0.8, 50, seed=16)).statistic)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SPRT(), SPRT(input="residual")),
        (SPRT(), SPRT(input="likelihood")),
        (SPRT(input="residual"), SPRT(input="likelihood")),
        (SPRT(input="residual"), SPRT(input="residual", window=30)),
        (SPRT(input="likelihood"), SPRT(input="likelihood", window=30)),
        (SPRT(), SPRT(widen=1.0)),
    ],
)
def test_a_state_of_another_input_or_window_is_refused(one: SPRT, other: SPRT) -> None:
    with pytest.raises(ValueError, match="saved"):
        table.load(other.init(0, (1,)), table.dump(one.init(2, (1,))))


def test_the_literal_form_cannot_widen() -> None:
    with pytest.raises(ValueError, match=r"SPRT\.widen must be 0 where restart_on_accept is false; got 1\.0"):
        SPRT(restart_on_accept=False, widen=1.0)


@pytest.mark.parametrize(
    "refused", [{"input": "residual", "bin_threshold": 1.0}, {"input": "likelihood", "bin_threshold": 0.5}]
)
def test_a_threshold_must_fit_what_is_counted(refused: Any) -> None:
    with pytest.raises(ValueError, match=r"^SPRT\.bin_threshold must .*; got"):
        SPRT(**refused)
