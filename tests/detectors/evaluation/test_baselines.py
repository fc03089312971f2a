"""Baselines: what they say, and that they say it without the future."""

from math import erfc, sqrt

import numpy as np
import pytest

from detectors.base import FloatArray
from detectors.evaluation import baselines
from tests.detectors.evaluation.test_nab import DATA, column, published


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


@pytest.mark.parametrize("level", [0.0, 1e6])
def test_the_windowed_gaussian_is_fitted_as_published(level: float) -> None:
    x = level + np.random.default_rng(1).normal(size=300)
    score = baselines.windowed_gaussian(x[:, None], probation=0, window=50, step=7)
    fitted: list[float] = []
    waiting: list[float] = []
    for row, reading in enumerate(x.tolist()):
        if row:
            distance = abs(reading - np.mean(fitted)) / (np.std(fitted) or 1e-6)
            tail = 0.5 * erfc(distance / sqrt(2))
            assert 10 ** -score[row] == pytest.approx(tail, rel=1e-6, abs=1e-300), row
        if row < 50:
            fitted.append(reading)
        else:
            waiting.append(reading)
        if len(waiting) == 7:
            fitted, waiting = [*fitted[7:], *waiting], []
    assert np.isnan(score[0])


def test_to_the_windowed_gaussian_a_reading_that_stood_still_has_a_deviation_of_a_millionth() -> None:
    score = baselines.windowed_gaussian(np.append(np.zeros(20), 2e-6)[:, None], probation=0)
    assert 10 ** -score[[19, 20]] == pytest.approx([0.5, 0.5 * erfc(sqrt(2))])


def test_the_windowed_gaussian_takes_the_worst_variable_and_never_saturates(values: FloatArray) -> None:
    score = baselines.windowed_gaussian(values, probation=100)
    single = [baselines.windowed_gaussian(values[:, [j]], probation=100) for j in range(3)]
    np.testing.assert_array_equal(score, np.max(single, axis=0))
    assert np.isnan(score[:100]).all()
    assert not np.isnan(score[100:]).any()
    values[450:, 0] = 10.0 ** np.arange(2, 302, 6)
    far = baselines.windowed_gaussian(values, probation=100)[450:]
    assert np.isfinite(far).all()
    assert (np.diff(far[:20]) > 0).all()


def test_the_windowed_gaussian_gives_the_scores_published_for_nab() -> None:
    if not DATA.exists():
        pytest.skip("the published series and scores of NAB are not here: ../shared/data/nab is absent")
    scores = published("windowedGaussian")
    assert len(scores) == 58
    for name, theirs in scores.items():
        values = column(name, "value").astype(np.float64)
        ours = 1 - 10 ** -baselines.windowed_gaussian(values[:, None], probation=0)
        np.testing.assert_allclose(ours[1:], theirs[1:], rtol=0, atol=1e-12, err_msg=name)


def test_a_missing_reading_repeats_the_one_before() -> None:
    values = np.array([[np.nan], [1.0], [np.nan], [np.nan], [4.0]])
    assert baselines._filled(values).ravel().tolist() == [0.0, 1.0, 1.0, 1.0, 4.0]
    assert baselines.squared_difference(values, probation=0)[2:].tolist() == [0.0, 0.0, 9.0]


def test_later_readings_change_no_earlier_score(values: FloatArray) -> None:
    other = values.copy()
    other[300:] = 1e9
    for score in (baselines.moving_variance, baselines.squared_difference, baselines.windowed_gaussian):
        before, after = score(values, probation=100), score(other, probation=100)
        np.testing.assert_array_equal(before[:300], after[:300])
        assert not np.array_equal(before[300:], after[300:])
