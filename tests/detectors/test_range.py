"""What Range promises: it equals its reference, and it is NAB's rule."""

import numpy as np
import pytest

from detectors.base import Batch, FloatArray, Scores
from detectors.range import Range
from tests import reference
from tests.detectors.test_conformance import assert_equal


def fed(method: Range, values: FloatArray) -> Scores:
    """Scores of the readings (rows,) or (rows, d) of one series."""
    values = np.ascontiguousarray(values.reshape(len(values), -1))
    n = len(values)
    batch = Batch(np.zeros(n, np.int64), np.arange(n), values)
    return method.update(method.init(1, values.shape[1:]), batch)


@pytest.mark.parametrize("seed", range(20))
def test_it_equals_its_reference_to_the_last_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.standard_t(2, (400, 3)) * 10.0 ** rng.integers(-3, 6)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[rng.integers(0, 400)] = np.inf
    if seed % 2:
        values = np.round(values)
    method = Range(margin=float(rng.uniform(0, 0.3)), warm_up=2 + seed)
    assert_equal(fed(method, values), reference.readings_range(values, method))


def test_it_decides_as_the_rule_of_nab_does() -> None:
    x = np.random.default_rng(3).standard_t(3, 3000)
    low, high = np.minimum.accumulate(x)[:-1], np.maximum.accumulate(x)[:-1]
    margin = 0.05 * (high - low)
    outside = np.r_[False, (x[1:] > high + margin) | (x[1:] < low - margin)]
    outside[:100] = False
    assert outside.sum() > 5
    np.testing.assert_array_equal(fed(Range(), x).alarm, outside)


def test_the_score_is_negative_inside_zero_at_the_edge_and_the_share_of_the_range_outside() -> None:
    scores = fed(Range(warm_up=2), np.array([0.0, 10.0, 5.0, 0.0, 10.0, 8.0, 12.0, -1.2]))
    np.testing.assert_allclose(scores.score[2:], [-0.5, 0.0, 0.0, -0.2, 0.2, 0.1])
    assert scores.alarm.tolist() == [False] * 6 + [True, True]


def test_it_expects_the_reading_moved_into_the_range() -> None:
    scores = fed(Range(warm_up=2), np.array([0.0, 10.0, 4.0, 12.0, -3.0]))
    assert scores.expected is not None
    assert scores.expected[2:, 0].tolist() == [4.0, 10.0, 0.0]


def test_every_reading_is_learned_also_one_that_alarms() -> None:
    assert fed(Range(warm_up=2), np.array([0.0, 1.0, 50.0, 50.0])).alarm.tolist() == [False, False, True, False]


def test_a_variable_that_never_changed_gives_no_verdict() -> None:
    scores = fed(Range(warm_up=2), np.array([7.0, 7.0, 7.0, 8.0, 9.0]))
    assert np.isnan(scores.score[:4]).all()
    assert scores.score[4] == 1.0


def test_the_worst_variable_counts_and_the_explanation_shares_what_lies_outside() -> None:
    values = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1.3, 0.5, -0.1], [0.5, 0.5, 0.5], [0.5, np.nan, 0.5]])
    scores = fed(Range(warm_up=2), values)
    np.testing.assert_allclose(scores.score[2], 0.3)
    assert scores.contributions is not None
    np.testing.assert_allclose(scores.contributions[2], [0.75, 0.0, 0.25])
    assert np.isnan(scores.contributions[3]).all()
    assert scores.score[4] < 0
    assert scores.expected is not None
    assert np.isnan(scores.expected[4]).tolist() == [False, True, False]


def test_the_largest_floats_are_scored_without_overflow() -> None:
    scores = fed(Range(warm_up=2), np.array([-1.7e308, 1.7e308, 0.0, 1.75e308]))
    np.testing.assert_allclose(scores.score[2:], [-0.5, 0.05 / 3.4], rtol=1e-9)
    tiny = fed(Range(warm_up=2), np.array([0.0, 1e-300, 1.7e308]))
    assert tiny.score[2] == 1e150


def test_a_whole_number_as_margin_gives_a_threshold_of_floats() -> None:
    assert fed(Range(margin=1), np.arange(3.0)).threshold.dtype == np.float64
