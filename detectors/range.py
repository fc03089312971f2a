"""Distance outside the range seen so far, in shares of that range."""

from dataclasses import dataclass
from math import inf, isfinite
from typing import ClassVar

import msgspec
import numpy as np
from numba import njit

from detectors.base import Batch, BoolArray, FloatArray, IntArray, Scores
from detectors.check import require

HUGE = 1e150
"""Scores end here; a range may be as small as a float can be."""


@dataclass(slots=True)
class RangeState:
    """Arrays (n, d) by series and variable; a variable without a reading has low = inf and high = -inf."""

    low: FloatArray
    high: FloatArray
    seen: IntArray


class Range(msgspec.Struct, frozen=True, kw_only=True, tag="range"):
    """Distance outside the range of all readings so far, in shares of that range; the worst variable counts.

    Works for values never seen before, and costs two numbers per variable. Fails inside the range, and after one
    gross error: every reading is learned, so that error is part of the range from then on. Better a companion of
    another detector (see `Together`) than a detector of its own.

    The range is the one before the reading. A variable whose range is 0 has no verdict, one that is missing is
    passed over.

    Score: distance to the nearest edge over the range: 0 at the edge, negative inside, without upper bound.
    Expected: the reading, moved to the nearest edge if it lies outside. Contributions: shares of the distances outside.

    margin:  share of the range a reading may lie outside before it alarms; 5 % as in NAB.
    warm_up: readings before the first verdict, at least 2.

    >>> from detectors.base import Batch
    >>> readings = Range(warm_up=3)
    >>> batch = Batch(np.zeros(6, np.int64), np.arange(6), np.array([[10.0], [20.0], [15.0], [15.0], [20.4], [21.0]]))
    >>> scores = readings.update(readings.init(1, (1,)), batch)
    >>> scores.score.round(2), scores.alarm
    (array([  nan,   nan,   nan, -0.5 ,  0.04,  0.06]), array([False, False, False, False, False,  True]))

    Source: the "spatial anomaly" rule of the detectors of the Numenta Anomaly Benchmark (Lavin and Ahmad, ICMLA 2015).
    """

    margin: float = 0.05
    warm_up: int = 100

    kinds: ClassVar[tuple[str, ...]] = ("anomaly",)
    tunes: ClassVar[frozenset[str]] = frozenset({"margin", "warm_up"})

    def __post_init__(self) -> None:
        require(self, "margin", 0 <= self.margin < inf, "be at least 0")
        require(self, "warm_up", self.warm_up >= 2, "be at least 2")

    def features(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """The variables themselves."""
        return ()

    def init(self, n: int, shape: tuple[int, ...]) -> RangeState:
        (d,) = shape
        return RangeState(np.full((n, d), inf), np.full((n, d), -inf), np.zeros((n, d), np.int64))

    def update(self, state: RangeState, batch: Batch) -> Scores:
        n = len(batch)
        score, expected, share = np.empty(n), np.empty(batch.values.shape), np.empty(batch.values.shape)
        alarm = np.empty(n, np.bool_)
        columns = (state.low, state.high, state.seen)
        _walk(batch.slots, batch.values, *columns, self.margin, self.warm_up, score, alarm, expected, share)
        return Scores(score, np.full(n, float(self.margin)), alarm, np.zeros(n, np.int64), expected, share)


@njit(cache=True, nogil=True)
def _walk(
    slots: IntArray,
    values: FloatArray,
    low: FloatArray,
    high: FloatArray,
    seen: IntArray,
    margin: float,
    warm_up: int,
    score: FloatArray,
    alarm: BoolArray,
    expected: FloatArray,
    share: FloatArray,
) -> None:
    for i in range(slots.size):
        s = slots[i]
        worst, total = np.nan, 0.0
        for j in range(values.shape[1]):
            x = values[i, j]
            share[i, j] = np.nan
            expected[i, j] = np.nan
            if not isfinite(x):
                continue
            c, a, b = seen[s, j], low[s, j], high[s, j]
            seen[s, j] = c + 1
            low[s, j], high[s, j] = min(a, x), max(b, x)
            # halves: the difference of two floats can be more than a float holds
            width = 0.5 * b - 0.5 * a
            if c < warm_up or not width > 0.0:
                continue
            above, below = 0.5 * x - 0.5 * b, 0.5 * a - 0.5 * x
            excess = min(max(above, below) / width, HUGE)
            expected[i, j] = min(max(x, a), b)
            share[i, j] = max(excess, 0.0)
            total += share[i, j]
            worst = excess if not worst > excess else worst
        score[i] = worst
        alarm[i] = worst > margin
        for j in range(values.shape[1]):
            share[i, j] = share[i, j] / total if total > 0.0 else np.nan
