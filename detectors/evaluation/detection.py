"""What alarms found: by row and by event, how late, and how many of them were about nothing."""

from dataclasses import dataclass

import numpy as np

from detectors.base import BoolArray, FloatArray, IntArray
from detectors.evaluation.events import events

DAY = 86_400e9
"""ns"""


@dataclass(frozen=True, slots=True)
class Detection:
    """Counts behind precision and recall.

    right, wrong:  alarms within the tolerance of an event, and elsewhere
    found, missed: anomalous rows, or events, with an alarm within the tolerance, and without
    """

    right: int
    wrong: int
    found: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of the alarms that are right; NaN without an alarm."""
        alarms = self.right + self.wrong
        return self.right / alarms if alarms else np.nan

    @property
    def recall(self) -> float:
        """Share of what was to be found; NaN without an event."""
        wanted = self.found + self.missed
        return self.found / wanted if wanted else np.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of the two; 0 where nothing was right, NaN without an event."""
        if self.found + self.missed == 0:
            return np.nan
        return 2 * self.precision * self.recall / (self.precision + self.recall) if self.right else 0.0


def openings(alarms: BoolArray) -> BoolArray:
    """The first alarm (n,) of every run: counts alerts where `alarms` counts rows.

    >>> openings(np.array([True, True, False, True]))
    array([ True, False, False,  True])
    """
    opened: BoolArray = alarms & ~np.concatenate([[False], alarms[:-1]])
    return opened


def by_point(alarms: BoolArray, labels: IntArray, *, tolerance: int = 0) -> Detection:
    """Alarms and anomalous rows held against each other; either is met by the other within `tolerance` rows.

    alarms: (n,); labels: (n,) 1 anomalous, 0 normal, -1 unknown. Alarms on unknown rows count for nothing, here and
    below, and a row without a verdict is one without an alarm: its event can be missed. No row is taken out, so the
    tolerance is in rows of the recording.

    >>> found = by_point(np.array([True, False, False, True]), np.array([0, 0, 1, 1]))
    >>> found.precision, found.recall, found.f1
    (0.5, 0.5, 0.5)
    """
    heard = _heard(alarms, labels, tolerance)
    right = int((heard & _near(labels == 1, tolerance)).sum())
    found = int(((labels == 1) & _near(heard, tolerance)).sum())
    return Detection(right, int(heard.sum()) - right, found, int((labels == 1).sum()) - found)


def by_event(alarms: BoolArray, labels: IntArray, *, tolerance: int = 0) -> Detection:
    """Alarms against whole events: one alarm within `tolerance` rows of an event finds it.

    Precision counts every alarmed row; pass `openings(alarms)` to count a run of alarms once.
    """
    heard = _heard(alarms, labels, tolerance)
    right = int((heard & _near(labels == 1, tolerance)).sum())
    found = int((~np.isnan(delays(alarms, labels, tolerance=tolerance))).sum())
    return Detection(right, int(heard.sum()) - right, found, len(events(labels)) - found)


def delays(alarms: BoolArray, labels: IntArray, *, tolerance: int = 0, times: IntArray | None = None) -> FloatArray:
    """From the first row of every event to its first alarm (k,), in rows, or in ns where `times` (n,) are given.

    Negative = early, within the tolerance; NaN = missed.

    >>> delays(np.array([False, False, True, False, False]), np.array([0, 1, 1, 0, 1]))
    array([ 1., nan])
    """
    rows = np.flatnonzero(_heard(alarms, labels, tolerance))
    clock = np.arange(len(labels)) if times is None else times
    waits = []
    for first, last in events(labels):
        at = int(np.searchsorted(rows, first - tolerance))
        hit = at < len(rows) and rows[at] <= last + tolerance
        waits.append(float(clock[rows[at]] - clock[first]) if hit else np.nan)
    return np.array(waits, np.float64)


def false_alerts_per_day(alarms: BoolArray, labels: IntArray, times: IntArray, *, tolerance: int = 0) -> float:
    """Runs of alarms that open on a normal row away from any event, per day of such rows; NaN without such a row.

    times: (n,) ns. A row lasts the median of the steps forward, so that outages and clocks set back do not count.
    """
    if times.shape != labels.shape:
        raise ValueError(f"times and labels must have one row per reading; got {times.shape} and {labels.shape}")
    heard = _heard(alarms, labels, tolerance)
    quiet = (labels == 0) & ~_near(labels == 1, tolerance)
    steps = np.diff(times)
    if not quiet.any() or not (steps > 0).any():
        return np.nan
    days = quiet.sum() * np.median(steps[steps > 0]) / DAY
    return float((openings(alarms) & heard & quiet).sum() / days)


def _heard(alarms: BoolArray, labels: IntArray, tolerance: int) -> BoolArray:
    """Alarms on rows whose label is known."""
    if alarms.shape != labels.shape or alarms.ndim != 1:
        raise ValueError(f"alarms and labels must have one row per reading; got {alarms.shape} and {labels.shape}")
    if tolerance < 0:
        raise ValueError(f"tolerance must be at least 0 rows; got {tolerance}")
    known: BoolArray = alarms & (labels != -1)
    return known


def _near(rows: BoolArray, tolerance: int) -> BoolArray:
    """Rows within the tolerance of one that is set."""
    n = len(rows)
    change = np.zeros(n + 1, np.int64)
    at = np.flatnonzero(rows)
    np.add.at(change, np.maximum(at - tolerance, 0), 1)
    np.add.at(change, np.minimum(at + tolerance + 1, n), -1)
    covered: BoolArray = np.cumsum(change[:n]) > 0
    return covered
