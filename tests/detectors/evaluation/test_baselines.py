"""Baselines: what they say, and that they say it without the future."""

import numpy as np
import pytest

from detectors.base import FloatArray
from detectors.evaluation import baselines


@pytest.fixture
def values() -> FloatArray:
    rng = np.random.default_rng(3)
    made = rng.normal(size=(500, 3)) * [1.0, 20.0, 0.0] + [0.0, 1e6, 7.0]
    made[40:45, 1] = np.nan
    return made


def test_a_constant_ranks_nothing_and_random_repeats_itself() -> None:
    assert len(set(baselines.constant(50).tolist())) == 1
    np.testing.assert_array_equal(baselines.random(50, seed=1), baselines.random(50, seed=1))
    assert not np.array_equal(baselines.random(50, seed=1), baselines.random(50, seed=2))


def test_the_moving_variance_is_that_of_the_last_readings(values: FloatArray) -> None:
    score = baselines.moving_variance(values, probation=100, window=30)
    unit = baselines._filled(values)[:100].std(axis=0)
    for row in (100, 250, 499):
        last = values[row - 29 : row + 1]
        expected = (last[:, 0].var() / unit[0] ** 2 + last[:, 1].var() / unit[1] ** 2) / 3
        assert score[row] == pytest.approx(expected, rel=1e-9)
    assert np.isnan(score[:100]).all()
    assert not np.isnan(score[100:]).any()


def test_the_squared_difference_is_that_from_the_reading_before(values: FloatArray) -> None:
    score = baselines.squared_difference(values, probation=100)
    unit = baselines._filled(values)[:100].std(axis=0)
    step = (values[300] - values[299]) / np.where(unit > 0, unit, 1)
    assert score[300] == pytest.approx((step**2).mean(), rel=1e-9)
    assert np.isnan(score[:100]).all()


def test_a_missing_reading_repeats_the_one_before() -> None:
    values = np.array([[np.nan], [1.0], [np.nan], [np.nan], [4.0]])
    assert baselines._filled(values).ravel().tolist() == [0.0, 1.0, 1.0, 1.0, 4.0]
    assert baselines.squared_difference(values, probation=0)[2:].tolist() == [0.0, 0.0, 9.0]


def test_later_readings_change_no_earlier_score(values: FloatArray) -> None:
    other = values.copy()
    other[300:] = 1e9
    for score in (baselines.moving_variance, baselines.squared_difference):
        before, after = score(values, probation=100), score(other, probation=100)
        np.testing.assert_array_equal(before[:300], after[:300])
        assert not np.array_equal(before[300:], after[300:])
