"""What Stuck promises: it equals its reference, finds frozen sensors, and learns what is usual for a setpoint."""

import numpy as np
import pytest

from detectors.base import Batch, FloatArray, Scores
from detectors.stuck import Stuck
from tests import reference
from tests.detectors.test_conformance import assert_equal


def fed(method: Stuck, values: FloatArray) -> Scores:
    """Scores of the readings (rows,) or (rows, d) of one series."""
    values = np.ascontiguousarray(values.reshape(len(values), -1))
    n = len(values)
    batch = Batch(np.zeros(n, np.int64), np.arange(n), values)
    return method.update(method.init(1, values.shape[1:]), batch)


def steps(*lengths: int) -> FloatArray:
    """Runs of equal readings of these lengths, each at a level of its own."""
    return np.repeat(np.arange(len(lengths), dtype=np.float64), lengths)


@pytest.mark.parametrize("seed", range(20))
def test_it_equals_its_reference_to_the_last_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.column_stack([steps(*rng.geometric(p, 300))[:400] for p in (0.6, 0.1, 0.02)])
    values += rng.uniform(-0.05, 0.05, values.shape) * (seed % 3 > 0)
    values[rng.random(values.shape) < 0.1] = np.nan
    method = Stuck(readings=3 + seed, tolerance=0.15 * (seed % 3), factor=1.0 + seed % 4)
    scores = fed(method, values)
    assert_equal(scores, reference.stuck(values, method))
    assert np.nanmax(scores.score) > 0.4


def test_a_sensor_that_freezes_alarms_at_the_thirtieth_reading_without_a_change() -> None:
    values = np.random.default_rng(0).normal(size=300)
    values[200:] = values[200]
    assert np.flatnonzero(fed(Stuck(), values).alarm)[0] == 230


def test_a_constant_setpoint_has_no_verdict() -> None:
    assert np.isnan(fed(Stuck(), np.full(1000, 7.0)).score).all()


def test_a_run_must_be_three_times_the_longest_before_it() -> None:
    scores = fed(Stuck(), steps(5, 25, 70, 5, 300))
    # the run of 25 has 24 readings without a change, so 72 are needed: 69 are too few, and make it 207
    assert np.flatnonzero(scores.alarm)[0] == 5 + 25 + 70 + 5 + 207


def test_a_run_that_alarmed_counts_only_up_to_its_alarm() -> None:
    scores = fed(Stuck(), steps(5, 2000, 1, 200))
    first = 5 + 30
    assert np.flatnonzero(scores.alarm)[[0, -1]].tolist() == [first, 5 + 2000 + 1 + 199]
    assert np.flatnonzero(scores.alarm[2005:])[0] == 1 + 90


def test_the_first_run_counts_in_full() -> None:
    assert not fed(Stuck(), steps(101, 1, 300)).alarm.any()
    assert fed(Stuck(), steps(101, 1, 301)).alarm.tolist() == [False] * 402 + [True]


def test_changes_within_the_tolerance_of_the_start_of_the_run_are_no_change() -> None:
    rising = np.r_[0.0, 10.0, 10.0 + 0.04 * np.arange(100)]
    noisy = np.r_[0.0, 10.0 + 0.05 * np.sin(np.arange(100))]
    assert not fed(Stuck(tolerance=0.1), rising).alarm.any()
    assert fed(Stuck(tolerance=0.1), noisy).alarm.any()
    assert not fed(Stuck(), noisy).alarm.any()


def test_only_the_variable_that_is_stuck_is_named_and_a_missing_one_waits() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(100, 2))
    values[50:, 1] = values[50, 1]
    values[60:70, 1] = np.nan
    scores = fed(Stuck(), values)
    assert np.flatnonzero(scores.alarm)[0] == 50 + 30 + 10
    assert scores.contributions is not None
    assert scores.contributions[95].tolist() == [0.0, 1.0]
    assert np.isnan(scores.contributions[60:70]).all()


def test_an_alarm_is_of_its_own_kind() -> None:
    assert Stuck().kinds == ("stuck",)
