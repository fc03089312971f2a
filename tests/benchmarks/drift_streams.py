"""Made streams whose changes are known: those that the SPRT paper describes, and the layout of its companion code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from detectors.base import BoolArray, FloatArray

ROWS, CHANGE = 4000, 2000
"""readings of a stream, and the one from which on it is another"""

GRACE = 25
"""An event counts as found up to so many readings after its end."""

RECOVERY = 200
"""Decisions up to so many readings after an event are not false: the tests are still on their way back."""

LAYOUT = (("drop", 300, 20, 0.5), ("ramp", 700, 50, 0.3), ("spike", 1100, 5, 0.4), ("drop", 1500, 80, 0.25),
          ("drop", 1800, 10, 0.6))  # fmt: skip
"""kind, start, length and size of the companion's events"""

LEAD = 1344
"""Clean readings before the companion's 2,000, a fortnight: some tests would still warm up at its first event."""


@dataclass(frozen=True)
class Made:
    """Streams of one kind, one a column, and where they change.

    values: (rows, seeds)
    normal: (rows,) what a perfect predictor would expect if nothing changed
    events: first row, and the row before which it must have been found
    quiet:  (rows,) where a decision is false
    """

    values: FloatArray
    normal: FloatArray
    events: tuple[tuple[int, int], ...]
    quiet: BoolArray


def noise(seeds: int, phi: float = 0.0, rows: int = ROWS) -> FloatArray:
    """(rows, seeds) normal noise of variance 1; phi is the correlation of neighbours."""
    fresh = np.random.default_rng(2025).normal(size=(rows, seeds))
    values = fresh.copy()
    for row in range(1, rows):
        values[row] = phi * values[row - 1] + np.sqrt(1 - phi**2) * fresh[row]
    return values


def _changing(noise: FloatArray, normal: FloatArray, change: FloatArray) -> Made:
    """The normal course (rows,) with noise (rows, seeds), and a change (rows - CHANGE,) added to the end of it."""
    values = noise + normal[:, None]
    values[CHANGE:] += change[:, None]
    return Made(values, normal, ((CHANGE, len(values)),), np.arange(len(values)) < CHANGE)


def abrupt(seeds: int, phi: float = 0.0) -> Made:
    """The mean jumps by one standard deviation of the noise."""
    return _changing(noise(seeds, phi), np.zeros(ROWS), np.ones(ROWS - CHANGE))


def slow(seeds: int) -> Made:
    """The mean rises by two standard deviations in the course of 1,000 readings."""
    return _changing(noise(seeds), np.zeros(ROWS), np.minimum(np.arange(ROWS - CHANGE) / 500.0, 2.0))


def periodic(seeds: int) -> Made:
    """The mean swings by one standard deviation in 200 readings, which is normal; then its level jumps by 1.5."""
    normal = np.sin(2 * np.pi * np.arange(ROWS) / 200.0)
    return _changing(noise(seeds), normal, np.full(ROWS - CHANGE, 1.5))


def companion(seeds: int) -> Made:
    """A share near 1 with a daily and a weekly season at 15 minutes, and five events; all of them lower it."""
    rows = LEAD + 2000
    day = 2 * np.pi * np.arange(rows) / 96.0
    normal = 0.97 + 0.02 * np.sin(day) + 0.01 * np.sin(day / 7)
    values = normal[:, None] + 0.02 * noise(seeds, rows=rows)
    quiet, events = np.ones(rows, np.bool_), []
    for kind, after, length, size in LAYOUT:
        start = LEAD + after
        depth = size * (np.arange(1, length + 1) / length if kind == "ramp" else np.ones(length))
        values[start : start + length] -= depth[:, None]
        quiet[start : start + length + RECOVERY] = False
        events.append((start, start + length + GRACE))
    return Made(values.clip(0.0, 1.0), normal, tuple(events), quiet)


STREAMS: Mapping[str, Callable[[int], Made]] = {
    "abrupt": abrupt,
    "slow": slow,
    "periodic": periodic,
    "companion": companion,
    "abrupt, AR(0.5) noise": lambda seeds: abrupt(seeds, phi=0.5),
}
