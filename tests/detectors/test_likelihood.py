"""What the two likelihoods promise: the published figures, their references, and a scale that never ends."""

from math import erfc
from typing import Any

import numpy as np
import pytest
from scipy.special import log_ndtr

from detectors.base import Batch, Calibrator, Evidence, FloatArray, Scores
from detectors.likelihood import Likelihood, decades, log_scale
from detectors.windowed_likelihood import WindowedLikelihood
from tests import reference

BOTH: list[Calibrator[Any]] = [
    Likelihood(window=10, learning=50, estimation=50),
    WindowedLikelihood(learning=50, estimation=50),
]
each = pytest.mark.parametrize("method", BOTH, ids=["running", "windowed"])


def given(score: FloatArray, threshold: float = 1.0) -> Scores:
    """Scores of a detector that never alarms."""
    n = len(score)
    return Scores(score, np.full(n, threshold), np.zeros(n, np.bool_), np.zeros(n, np.int64))


def fed(method: Calibrator[Any], scores: Scores, values: FloatArray | None = None) -> Scores:
    """What the calibrator makes of the scores of one series, whose values vary unless they are given."""
    n = len(scores)
    values = np.arange(float(n))[:, None] if values is None else np.ascontiguousarray(values.reshape(n, -1))
    batch = Batch(np.zeros(n, np.int64), np.arange(n), values)
    return method.update(method.init(1, values.shape[1:]), batch, scores)


def restless(n: int, seed: int = 0) -> FloatArray:
    """Scores in [0, 1] with two episodes."""
    rng = np.random.default_rng(seed)
    raw = np.clip(rng.normal(0.15, 0.1, n), 0.0, 1.0)
    for start in rng.integers(n // 3, n - 30, 2):
        raw[start : start + 25] = rng.uniform(0.5, 1.0)
    return raw


GOLDEN = {
    200: (0.6490479380, 0.04547522),
    201: (0.7164591394, 0.05473843),
    599: (0.6516221509, 0.04579495),
    600: (0.9999998870, 0.69466397),
    **dict.fromkeys(range(601, 611), (0.999, 0.3)),
    616: (0.6970903290, 0.05186869),
    650: (0.7176724985, 0.05492468),
    700: (0.5003391727, 0.03013247),
    910: (0.9741718940, 0.15879074),
}
"""Row -> likelihood and log scale of NuPIC's functions for the stream of the next test."""


def test_the_windowed_form_gives_the_figures_of_numentas_code() -> None:
    t = np.arange(1000)
    raw = 0.10 + 0.05 * np.sin(t)
    raw[600:607], raw[900:921] = 0.9, 0.0
    scores = fed(WindowedLikelihood(learning=100, estimation=100), given(raw), np.sin(t / 7))
    rows = list(GOLDEN)
    golden = np.array(list(GOLDEN.values()))
    assert np.isnan(scores.score[:200]).all()
    np.testing.assert_allclose(scores.score[rows], golden[:, 1], rtol=0, atol=5.1e-9)
    likelihood = 1.0000000001 - np.exp(-23.02585084720009 * scores.score[rows])
    np.testing.assert_allclose(likelihood, golden[:, 0], rtol=0, atol=5.1e-11)


@pytest.mark.parametrize("seed", range(8))
def test_the_windowed_form_equals_its_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw, values = restless(700, seed), rng.normal(size=(700, 2))
    values[rng.random(values.shape) < 0.1] = np.nan
    values[200:350] = 5.0
    method = WindowedLikelihood(
        window=5 + seed,
        history=60 + 40 * seed,
        learning=30 * seed,
        estimation=40,
        reestimation=1 if seed % 4 == 0 else 23,
        limit=0.2 + 0.02 * seed,
        red_filter=seed % 2 == 0,
    )
    scores = fed(method, given(raw), values)
    expected, alarms = reference.windowed_likelihood(raw, values, method)
    np.testing.assert_allclose(scores.score, expected, rtol=1e-9, atol=1e-9)
    assert scores.alarm.tolist() == alarms
    assert any(alarms)


@pytest.mark.parametrize("seed", range(8))
def test_the_running_form_equals_its_reference(seed: int) -> None:
    raw = restless(500, seed)
    method = Likelihood(
        window=1 + 3 * seed,
        period=1 + 60 * seed,
        learning=20 * seed,
        estimation=1 + 10 * seed,
        limit=0.2 + 0.02 * seed,
        red_filter=seed % 2 == 0,
    )
    scores = fed(method, given(raw))
    expected, alarms = reference.likelihood(raw, method)
    np.testing.assert_allclose(scores.score, expected, rtol=1e-9, atol=1e-9)
    assert scores.alarm.tolist() == alarms
    assert any(alarms)


@each
def test_scores_enter_as_shares_of_their_threshold_between_zero_and_one(method: Calibrator[Any]) -> None:
    z = np.random.default_rng(2).normal(0.0, 4.0, 400)
    np.testing.assert_array_equal(
        fed(method, given(z, threshold=6.0)).score, fed(method, given(np.clip(z / 6.0, 0.0, 1.0))).score
    )


@each
def test_the_alarm_lasts_as_long_as_the_episode_while_the_filtered_score_is_high_once(method: Calibrator[Any]) -> None:
    raw = np.random.default_rng(4).uniform(0.0, 0.3, 1200)
    raw[1010:1040] = 1.0
    scores = fed(method, given(raw))
    alarms = np.flatnonzero(scores.alarm)
    assert 1010 < alarms[0] < 1016
    assert alarms.tolist() == list(range(alarms[0], alarms[-1] + 1))
    assert 1039 <= alarms[-1] < 1050
    assert (scores.score[alarms] >= 0.5).sum() == 1
    np.testing.assert_allclose(scores.score[alarms[1:]], 0.3, atol=1e-7)
    assert scores.threshold.tolist() == [0.5] * 1200


@each
def test_what_the_detector_said_besides_its_score_is_kept(method: Calibrator[Any]) -> None:
    n = 150
    raw = given(restless(n))
    raw.kind = np.arange(n) % 3
    raw.expected, raw.contributions = np.full((n, 1), 4.0), np.full((n, 2), 0.5)
    raw.evidence = Evidence(np.array([5]), {"votes": np.array([3])})
    before = raw.score.copy()
    scores = fed(method, raw)
    assert scores.kind is raw.kind
    assert scores.expected is raw.expected
    assert scores.contributions is raw.contributions
    assert scores.evidence is raw.evidence
    np.testing.assert_array_equal(raw.score, before)
    assert not raw.alarm.any()


@each
def test_a_score_without_a_verdict_is_passed_over(method: Calibrator[Any]) -> None:
    raw = restless(300)
    gaps = np.repeat(raw, 2)
    gaps[1::2] = np.nan
    scores = fed(method, given(gaps), np.repeat(np.arange(300.0), 2))
    np.testing.assert_array_equal(scores.score[::2], fed(method, given(raw)).score)
    assert np.isnan(scores.score[1::2]).all()
    assert not scores.alarm[1::2].any()


def test_only_the_windowed_form_finds_unusually_low_scores_unusual() -> None:
    raw = np.random.default_rng(6).uniform(0.4, 0.6, 400)
    raw[300:330] = 0.0
    running, windowed = (fed(method, given(raw)) for method in BOTH)
    assert not running.alarm.any()
    assert windowed.alarm[305:330].all()


def test_no_score_of_a_constant_series_is_unusual_to_the_windowed_form() -> None:
    raw = restless(300)
    values = np.full((300, 3), 20.0)
    values[::3, 1] = values[:, 2] = np.nan
    scores = fed(BOTH[1], given(raw), values)
    np.testing.assert_allclose(scores.score[100:], 0.0301, atol=1e-3)


def test_one_varying_variable_is_enough_for_the_series_not_to_be_constant() -> None:
    raw = restless(300)
    values = np.column_stack([np.full(300, 20.0), np.arange(300.0), np.full(300, np.nan)])
    np.testing.assert_array_equal(fed(BOTH[1], given(raw), values).score, fed(BOTH[1], given(raw)).score)


def test_the_score_rises_with_the_distance_without_a_step_and_without_an_end() -> None:
    z = np.linspace(-5.0, 60.0, 100_001)
    score = np.array([log_scale(0.5 * erfc(x / 1.4142), decades(x)) for x in z.tolist()])
    steps = np.diff(score)
    assert (steps > 0).all()
    assert steps.max() < 0.002
    assert score[-1] > 70


def test_the_decades_are_those_of_the_normal_distribution_where_its_tail_is_no_float_any_more() -> None:
    z = np.linspace(0.0, 100.0, 10_001)
    exact = -log_ndtr(-z / 1.4142 * np.sqrt(2.0)) / np.log(10.0)
    np.testing.assert_allclose([decades(x) for x in z.tolist()], exact, rtol=1e-12)
