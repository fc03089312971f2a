"""Point-adjusted F1 comes with what makes it harmless."""

import numpy as np
import pytest

from detectors.evaluation.adjusted import WARNING, point_adjusted_f1


def test_one_lucky_row_finds_the_whole_event_and_random_scores_nearly_as_much() -> None:
    labels = np.zeros(2000, np.int64)
    labels[500:700] = labels[1500:1700] = 1
    scores = np.zeros(2000)
    scores[[600, 1600]] = 1.0
    found = point_adjusted_f1(scores, labels)
    assert found.f1 == 1
    assert 0.9 < found.random_f1 < 1
    assert found.warning == WARNING
    scores[[0, 1, 2, 3]] = 2.0
    assert point_adjusted_f1(scores, labels).f1 == pytest.approx(2 * 400 / (404 + 400))


def test_it_is_the_same_again_and_left_out_rows_change_nothing() -> None:
    labels = np.repeat([0, 1, 0], 50)
    scores = np.sin(np.arange(150.0) ** 2)
    again = point_adjusted_f1(np.append(scores, [np.nan, 5.0]), np.append(labels, [1, -1]))
    assert again == point_adjusted_f1(scores, labels)
    assert again.random_f1 != point_adjusted_f1(scores, labels, seed=1).random_f1


def test_without_an_event_there_is_no_value() -> None:
    found = point_adjusted_f1(np.arange(5.0), np.zeros(5, np.int64))
    assert np.isnan([found.f1, found.random_f1]).all()
