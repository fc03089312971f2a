"""What Gaussian promises: it equals its reference, and neither flickers, spikes nor bad starts mislead it."""

import numpy as np
import pytest

from detectors.base import Batch, FloatArray, Scores
from detectors.gaussian import Gaussian
from tests import reference
from tests.detectors.test_conformance import assert_equal


def fed(method: Gaussian, values: FloatArray) -> Scores:
    """Scores of the readings (rows,) or (rows, d) of one series."""
    values = np.ascontiguousarray(values.reshape(len(values), -1))
    n = len(values)
    batch = Batch(np.zeros(n, np.int64), np.arange(n), values)
    return method.update(method.init(1, values.shape[1:]), batch)


def noise(n: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(20.0, 0.5, n)


@pytest.mark.parametrize("seed", range(20))
def test_it_equals_its_reference_to_the_last_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.standard_t(2, (500, 3)) * 10.0 ** rng.integers(-3, 6)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[rng.integers(0, 500)] = np.inf
    if seed % 2:
        values = np.round(values)
    method = Gaussian(half_life=float(rng.integers(1, 300)), limit=float(rng.uniform(0.5, 8)), warm_up=16 + seed * 5)
    assert_equal(fed(method, values), reference.gaussian(values, method))


def test_a_constant_sensor_does_not_alarm_when_it_first_flickers() -> None:
    flicker = np.where(np.arange(400) % 7 == 3, 20.01, 20.00)
    assert not fed(Gaussian(), np.r_[np.full(300, 20.0), flicker]).alarm.any()


def test_a_constant_sensor_alarms_when_it_leaves_its_constant() -> None:
    assert fed(Gaussian(), np.r_[np.full(300, 20.0), 25.0]).alarm.tolist() == [False] * 300 + [True]


def test_a_sensor_that_reads_zero_for_ever_scores_zero() -> None:
    assert fed(Gaussian(), np.zeros(150)).score[100:].tolist() == [0.0] * 50


def test_one_spike_does_not_hide_the_next() -> None:
    values = noise(600)
    values[[300, 303, 306]] = 1e6
    scores = fed(Gaussian(), values)
    assert np.flatnonzero(scores.alarm).tolist() == [300, 303, 306]
    small = values.copy()
    small[310] = 26.0
    assert fed(Gaussian(), small).alarm[310]


def test_a_spike_is_learned_as_if_it_stood_at_the_limit() -> None:
    near, far = noise(600), noise(600)
    near[300], far[300] = 1e3, 1e9
    np.testing.assert_allclose(fed(Gaussian(), near).score[301:], fed(Gaussian(), far).score[301:], rtol=1e-9)


@pytest.mark.parametrize("bad", [1e3, -1e3])
def test_five_bad_readings_among_the_first_sixteen_do_not_mislead_it(bad: float) -> None:
    clean, values = noise(400), noise(400)
    values[[0, 3, 7, 8, 15]] = bad
    values[300] = 26.0
    scores = fed(Gaussian(), values)
    assert np.flatnonzero(scores.alarm).tolist() == [300]
    assert scores.expected is not None
    assert abs(scores.expected[300, 0] - clean[:300].mean()) < 0.3


def test_a_missing_variable_is_passed_over_and_the_others_are_judged() -> None:
    values = np.column_stack([noise(400, 1), noise(400, 2)])
    values[::2, 1] = np.nan
    values[350] = [40.0, np.nan]
    scores = fed(Gaussian(), values)
    alone = fed(Gaussian(), values[:, 0])
    np.testing.assert_array_equal(scores.score[::2], alone.score[::2])
    assert scores.alarm[350]
    assert scores.contributions is not None
    np.testing.assert_array_equal(scores.contributions[350], [1.0, np.nan])
    assert scores.expected is not None
    assert np.isnan(scores.expected[::2, 1]).all()


def test_contributions_sum_to_one_and_name_the_variable_at_fault() -> None:
    values = np.column_stack([noise(400, seed) for seed in range(3)])
    values[300, 2] = 40.0
    contributions = fed(Gaussian(), values).contributions
    assert contributions is not None
    np.testing.assert_allclose(contributions[100:].sum(axis=1), 1.0, rtol=1e-12)
    assert contributions[300, 2] > 0.9


def test_the_largest_floats_are_scored_without_overflow() -> None:
    values = noise(300)
    values[200:205] = [1.7e308, -1.7e308, 1.7e308, 1e200, 5e-324]
    scores = fed(Gaussian(), values)
    assert np.isfinite(scores.score[100:]).all()
    assert scores.alarm[200:205].all()
    assert not scores.alarm[205:].any()


def test_the_smallest_deviation_and_the_largest_float_give_a_finite_score() -> None:
    scores = fed(Gaussian(), np.r_[np.tile([0.0, 1e-300], 60), 1e300, 0.0])
    assert np.isfinite(scores.score[100:]).all()
    assert scores.contributions is not None
    assert scores.contributions[120, 0] == 1.0
