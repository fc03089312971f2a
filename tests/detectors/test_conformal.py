"""Conformal: the budget is kept on every kind of stream, and each reading is judged as the plain form judges it."""

from math import log
from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter

from detectors.base import Batch, BoolArray, FloatArray, Scores
from detectors.conformal import DEEP, Conformal, ConformalState
from tests.reference_conformal import PlainConformal, control_of, level_at

READINGS, SERIES = 100_000, 3


def judged(method: Conformal, raw: FloatArray) -> tuple[Scores, ConformalState]:
    """Scores (rows, series), of a state that starts empty, row by row."""
    rows, series = raw.shape
    slots = np.tile(np.arange(series), rows)
    score, n = raw.ravel(), raw.size
    state = method.init(series, (1,))
    batch = Batch(slots, np.arange(n), score[:, None])
    given = Scores(score, np.ones(n), np.zeros(n, np.bool_), np.zeros(n, np.int64))
    said = method.update(state, batch, given)
    square = {name: getattr(said, name).reshape(rows, series) for name in ("score", "threshold", "alarm", "kind")}
    return Scores(**square), state


def of_one(method: Conformal, scores: list[float]) -> Scores:
    """The last dimension is dropped: one series."""
    said, _ = judged(method, np.array(scores)[:, None])
    return Scores(said.score[:, 0], said.threshold[:, 0], said.alarm[:, 0], said.kind[:, 0])


def episodes(alarm: BoolArray, quiet: int) -> int:
    """Episodes in (rows, series), counted after the fact."""
    gaps = [np.diff(np.flatnonzero(column)) for column in alarm.T if column.any()]
    return sum(1 + int((gap > quiet).sum()) for gap in gaps)


def kept(method: Conformal, raw: FloatArray) -> float:
    """The realised rate of episodes over the budget."""
    said, _ = judged(method, raw)
    verdicts = int(np.isfinite(said.threshold).sum())
    return episodes(said.alarm, method.quiet) / verdicts / method.budget


def noise(seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(READINGS, SERIES))


def independent() -> FloatArray:
    return np.abs(noise())


def autoregressive() -> FloatArray:
    return np.asarray(lfilter([1.0], [1.0, -0.9], noise(), axis=0))


def moving_average() -> FloatArray:
    """Mean squares of 64 readings, as a detector that looks at windows gives."""
    return np.asarray(lfilter(np.full(64, 1 / 64), [1.0], noise() ** 2, axis=0))


def drifting() -> FloatArray:
    """Level and spread double in 10,000 readings."""
    return np.abs(noise()) * (1 + np.arange(READINGS) / 10_000)[:, None]


def heavy_tailed() -> FloatArray:
    return np.abs(np.random.default_rng(0).standard_t(3, size=(READINGS, SERIES)))


def of_infinite_variance() -> FloatArray:
    return np.abs(np.random.default_rng(0).standard_cauchy(size=(READINGS, SERIES)))


@pytest.mark.parametrize(
    "stream", [independent, autoregressive, moving_average, drifting, heavy_tailed, of_infinite_variance]
)
def test_episodes_come_at_the_rate_of_the_budget(stream: Any) -> None:
    assert kept(Conformal(), stream()) == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize(
    ("stream", "parameters"),
    [(autoregressive, {"budget": 1e-2}), (moving_average, {"window": 100, "warm_up": 100})],
    ids=["autoregressive", "moving-average"],
)
def test_a_fixed_level_misses_the_budget_where_the_adaptive_one_keeps_it(stream: Any, parameters: Any) -> None:
    raw = stream()
    fixed = kept(Conformal(gain=1e-9, **parameters), raw)
    assert max(fixed, 1 / fixed) > 2
    assert kept(Conformal(**parameters), raw) == pytest.approx(1.0, abs=0.2)


def test_the_rate_is_as_far_from_the_budget_as_the_level_has_moved() -> None:
    raw = noise()[:20_000, :1]
    method = Conformal()
    said, state = judged(method, raw)
    verdicts = np.isfinite(said.threshold).sum()
    edge = -log(method.window + 1)
    moved = (control_of(log(method.budget), edge) - control_of(state.level[0], edge)) / (method.gain * verdicts)
    rate = episodes(said.alarm, method.quiet) / verdicts
    assert rate > 0
    assert rate - method.budget == pytest.approx(moved, rel=1e-6)


def test_a_heavy_tail_far_beyond_the_sample_costs_few_episodes() -> None:
    """Steps of the same size everywhere made 1.7 times as many as promised."""
    assert kept(Conformal(budget=2e-4), heavy_tailed()) == pytest.approx(1.0, abs=0.4)


@pytest.mark.parametrize("level", [-0.1, -6.2, -6.3, -40.0, -700.0])
def test_what_the_budget_moves_and_the_level_say_the_same(level: float) -> None:
    edge = -log(501)
    assert level_at(control_of(level, edge), edge) == pytest.approx(level, rel=1e-12)
    assert control_of(level, edge) >= level


def kinds_of_scores() -> dict[str, FloatArray]:
    rng = np.random.default_rng(5)
    normal = rng.normal(size=2000)
    return {
        "normal": normal,
        "negative": -np.abs(normal),
        "few-values": np.round(normal),
        "zeros": np.where(np.arange(2000) < 500, 0.0, np.round(normal)),
        "walk": np.cumsum(normal),
        "shifts": normal + 1e3 * (np.arange(2000) > 900) - 5e3 * (np.arange(2000) > 1500),
        "heavy": rng.standard_cauchy(size=2000) ** 3,
        "gaps-and-infinities": np.where(
            rng.random(2000) < 0.1, np.nan, np.where(rng.random(2000) < 0.02, np.inf, normal)
        ),
        "minus-infinity": np.where(rng.random(2000) < 0.02, -np.inf, normal),
    }


@pytest.mark.parametrize("name", kinds_of_scores())
@pytest.mark.parametrize(
    "method",
    [
        Conformal(),
        Conformal(window=21, warm_up=20, budget=0.05, quiet=3),
        Conformal(window=100, warm_up=50, budget=0.02, gain=0.1),
    ],
    ids=["defaults", "short", "in-sample"],
)
def test_each_reading_is_judged_as_by_the_plain_form(name: str, method: Conformal) -> None:
    raw = kinds_of_scores()[name]
    plain = PlainConformal(method)
    score, threshold, alarm = zip(*(plain.judge(x) for x in raw.tolist()), strict=True)
    said, state = judged(method, raw[:, None])
    np.testing.assert_array_equal(said.score[:, 0], score)
    np.testing.assert_array_equal(said.threshold[:, 0], threshold)
    np.testing.assert_array_equal(said.alarm[:, 0], alarm)
    assert state.level[0] == plain.level
    assert plain.episodes == episodes(said.alarm[np.isfinite(raw) | np.isinf(raw)], method.quiet)


def level_of(method: Conformal, held: FloatArray, a: float) -> float:
    """The threshold of level a over these scores."""
    state = method.init(1, (1,))
    state.ring[0, : len(held)], state.ranked[0, : len(held)] = held, np.sort(held)
    state.seen[0], state.level[0] = len(held), log(a)
    batch = Batch(np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros((1, 1)))
    given = Scores(np.zeros(1), np.ones(1), np.zeros(1, np.bool_), np.zeros(1, np.int64))
    return float(method.update(state, batch, given).threshold[0])


def test_the_threshold_rises_as_the_level_falls_and_is_continuous_where_the_sample_ends() -> None:
    held = np.random.default_rng(2).normal(size=200)
    method = Conformal(window=200)
    levels = np.geomspace(0.4, 1e-30, 400)
    thresholds = [level_of(method, held, a) for a in levels]
    assert (np.diff(thresholds) >= 0).all()
    assert thresholds[-1] > thresholds[0] + 5
    at_the_end = 1 / 201
    assert level_of(method, held, at_the_end * (1 + 1e-9)) == held.max()
    assert level_of(method, held, at_the_end * (1 - 1e-9)) == pytest.approx(held.max(), abs=1e-6)


def test_within_the_sample_the_threshold_is_the_conformal_order_statistic() -> None:
    held = np.random.default_rng(2).permutation(np.arange(199.0))
    # (1 - 0.0525) * 200 = 189.5, so the 190th of the scores 0 to 198
    assert level_of(Conformal(window=199, warm_up=199), held, 0.0525) == 189.0


def test_a_spike_does_not_hide_the_next() -> None:
    clean = np.abs(np.random.default_rng(1).normal(size=400)).tolist()
    said = of_one(Conformal(), [*clean, 1e6, *clean[:50], 40.0])
    assert said.alarm[400]
    assert said.alarm[451]


def test_a_lasting_change_becomes_the_new_normal() -> None:
    rng = np.random.default_rng(1)
    normal = np.abs(rng.normal(size=1000))
    said = of_one(Conformal(), [*normal[:400], *(normal[400:] + 1e3)])
    assert said.alarm[400]
    assert said.alarm[600:].mean() < 0.01


def test_a_score_that_wakes_up_from_zero_does_not_alarm_for_ever() -> None:
    said = of_one(Conformal(), [0.0] * 20_000 + np.abs(np.random.default_rng(1).normal(size=3000)).tolist())
    assert not said.alarm[:20_000].any()
    assert said.alarm[20_000]
    assert said.alarm[-1000:].mean() < 0.1


def test_scores_without_bound_leave_a_threshold_that_can_be_printed() -> None:
    rows = np.arange(2000)
    raw = np.where(rows % 12 == 0, np.inf, rows % 7 * 1e149)
    said, state = judged(Conformal(gain=50.0), raw[:, None])
    assert -DEEP <= state.level[0] < -DEEP / 2
    assert np.isfinite(said.threshold[200:]).all()
    assert said.alarm[::12][-100:].all()


def test_a_saved_state_goes_on_under_another_budget() -> None:
    raw = noise()[:5000, :1]
    _, state = judged(Conformal(), raw)
    n = len(raw)
    batch = Batch(np.zeros(n, np.int64), np.arange(n), raw)
    given = Scores(raw[:, 0], np.ones(n), np.zeros(n, np.bool_), np.zeros(n, np.int64))
    stricter = Conformal(budget=1e-4, quiet=30, gain=1.0, warm_up=300)
    said = stricter.update(state, batch, given)
    assert set(Conformal.tunes) == {"budget", "quiet", "gain", "warm_up"}
    assert np.isfinite(said.threshold).all()
    assert said.threshold[-1] > raw.max() - 1


def test_what_the_detector_says_besides_is_handed_on() -> None:
    method = Conformal(warm_up=20)
    n = 30
    expected, share = np.arange(n, dtype=float)[:, None], np.ones((n, 1))
    score = np.arange(n, dtype=float) % 7
    given = Scores(score.copy(), np.ones(n), np.zeros(n, np.bool_), np.full(n, 2), expected, share)
    batch = Batch(np.zeros(n, np.int64), np.arange(n), expected)
    said = method.update(method.init(1, (1,)), batch, given)
    assert said.expected is expected
    assert said.contributions is share
    np.testing.assert_array_equal(said.kind, 2)
    np.testing.assert_array_equal(given.score, score)  # the detector's own arrays stay as they were
