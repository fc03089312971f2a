"""Alarms held against labels: rows, events, delays, alerts about nothing."""

import numpy as np
import pytest

from detectors.base import BoolArray, IntArray
from detectors.evaluation.detection import by_event, by_point, delays, false_alerts_per_day, openings
from tests.detectors.evaluation.examples import random


def rows(text: str) -> tuple[BoolArray, IntArray]:
    """One mark a row: # event, . normal, ? unknown; upper line alarms (x), lower line labels."""
    above, below = text.split()
    return np.array([c == "x" for c in above]), np.array([{"#": 1, ".": 0, "?": -1}[c] for c in below], np.int64)


ALARMS, LABELS = rows("x--x-x-x----xx-\n....##..???##..")


def test_rows_are_counted_one_by_one() -> None:
    found = by_point(ALARMS, LABELS)
    assert (found.right, found.wrong, found.found, found.missed) == (2, 4, 2, 2)
    assert (found.precision, found.recall) == (2 / 6, 0.5)
    assert found.f1 == pytest.approx(0.4)


def test_rows_are_met_within_the_tolerance() -> None:
    found = by_point(ALARMS, LABELS, tolerance=1)
    assert (found.right, found.wrong, found.found, found.missed) == (4, 2, 4, 0)
    assert by_point(ALARMS, LABELS, tolerance=100).precision == 1


def test_an_event_is_found_by_one_alarm() -> None:
    found = by_event(ALARMS, LABELS)
    assert (found.right, found.wrong, found.found, found.missed) == (2, 4, 2, 0)
    assert found.f1 == pytest.approx(2 * (1 / 3) / (1 + 1 / 3))
    late = by_event(*rows("-------x-\n...###...")), by_event(*rows("-------x-\n...###..."), tolerance=2)
    assert [one.recall for one in late] == [0, 1]


def test_a_run_of_alarms_can_count_once() -> None:
    alarms, labels = rows("xxxx--xx\n......##")
    assert by_event(alarms, labels).precision == 2 / 6
    assert by_event(openings(alarms), labels).precision == 1 / 2


def test_alarms_on_unknown_rows_count_for_nothing() -> None:
    found = by_event(*rows("-x-x\n.?##"), tolerance=3)
    assert (found.right, found.wrong) == (1, 0)
    assert by_event(*rows("-x--\n.?##"), tolerance=3).missed == 1


def test_without_alarms_or_events_there_is_no_share() -> None:
    quiet, calm = by_event(*rows("----\n.##.")), by_point(*rows("-x--\n...."))
    assert np.isnan(quiet.precision)
    assert (quiet.recall, quiet.f1) == (0, 0)
    assert np.isnan([calm.recall, calm.f1]).all()
    assert calm.precision == 0


def test_delays_are_in_rows_or_in_time_and_early_is_negative() -> None:
    alarms, labels = rows("-x---x----\n..##.##.##")
    times = np.array([0, 10, 20, 30, 40, 50, 60, 70, 80, 90])
    np.testing.assert_array_equal(delays(alarms, labels), [np.nan, 0, np.nan])
    np.testing.assert_array_equal(delays(alarms, labels, tolerance=1), [-1, 0, np.nan])
    np.testing.assert_array_equal(delays(alarms, labels, tolerance=1, times=times), [-10, 0, np.nan])


def test_false_alerts_are_counted_once_and_per_day_of_normal_rows() -> None:
    hour = 3_600 * 10**9
    alarms, labels = np.zeros(48, np.bool_), np.zeros(48, np.int64)
    labels[24:36], labels[36:48] = 1, -1
    alarms[[3, 4, 5, 10, 30, 40]] = True
    times = np.arange(48) * hour
    assert false_alerts_per_day(alarms, labels, times) == pytest.approx(2)
    times[20:] += 1000 * hour
    times[12] = 0
    assert false_alerts_per_day(alarms, labels, times) == pytest.approx(2)
    alarms[23] = True
    assert false_alerts_per_day(alarms, labels, times) == pytest.approx(3)
    assert false_alerts_per_day(alarms, labels, times, tolerance=1) == pytest.approx(2 / (23 / 24))
    assert np.isnan(false_alerts_per_day(alarms, np.ones(48, np.int64), times))


@pytest.mark.parametrize("seed", range(5))
def test_perfect_alarms_get_one_and_tolerance_never_costs(seed: int) -> None:
    scores, labels = random(seed)
    assert by_point(labels == 1, labels).f1 == by_event(labels == 1, labels).f1 == 1
    assert (delays(labels == 1, labels) == 0).all()
    for judge in (by_point, by_event):
        values = [judge(scores > 1, labels, tolerance=k).f1 for k in range(0, 30, 3)]
        assert values == sorted(values)


def test_wrong_use_is_refused() -> None:
    with pytest.raises(ValueError, match="tolerance must be at least 0 rows; got -1"):
        by_point(ALARMS, LABELS, tolerance=-1)
    with pytest.raises(ValueError, match="alarms and labels"):
        by_event(ALARMS, LABELS[1:])
    with pytest.raises(ValueError, match="times and labels"):
        false_alerts_per_day(ALARMS, LABELS, np.arange(3))
