"""Readings without a change, against what is usual for the variable."""

from dataclasses import dataclass
from math import inf, isfinite
from typing import ClassVar

import msgspec
import numpy as np
from numba import njit

from detectors.base import Batch, BoolArray, FloatArray, IntArray, Scores
from detectors.check import require


@dataclass(slots=True)
class StuckState:
    """Arrays (n, d) by series and variable."""

    last: FloatArray
    """value at the last change; NaN = no reading yet"""
    run: IntArray
    """readings since then without a change"""
    longest: FloatArray
    """longest run that has ended, in readings; -1 = it has never changed"""


class Stuck(msgspec.Struct, frozen=True, kw_only=True, tag="stuck"):
    """A sensor that repeats itself: no change for many readings, and for much longer than this variable ever did.

    Works for frozen sensors, gateways that repeat the last value, and stopped machines. Fails for a sensor that
    freezes but keeps its noise, and says nothing of a variable that has never changed: a setpoint is not stuck.

    A run alarms when it has `readings` readings and is `factor` times as long as the longest run of that variable
    before it. Valves, setpoints and modes, whose normal runs are long, thus calibrate themselves: a run that alarmed is
    learned as long as it was when the alarm began, so the same variable next alarms at `factor` times that. Such
    a variable is wrong about once for each power of `factor` between `readings` and its longest run, never again
    after, and one long outage does not make it blind. The first run, which cannot alarm, counts in full. A variable
    that is missing is passed over: it neither prolongs nor ends a run.

    Score: length of the run over the length needed, 1 at the alarm; the worst variable counts. 0 at a change.
    Contributions: shares of these ratios.

    readings:  shortest run that alarms. Half a minute at one reading a second.
    tolerance: largest difference to the value at the last change that is still no change, in the unit of the values.
    factor:    times the longest run so far, at least 1. 3 leaves room for a quiet night.

    >>> from detectors.base import Batch
    >>> stuck = Stuck(readings=3)
    >>> values = np.array([[1.0], [2.0], [2.0], [3.0], [3.0], [3.0], [3.0]])
    >>> scores = stuck.update(stuck.init(1, (1,)), Batch(np.zeros(7, np.int64), np.arange(7), values))
    >>> scores.score.round(2), scores.alarm[-2:]
    (array([ nan, 0.  , 0.33, 0.  , 0.33, 0.67, 1.  ]), array([False,  True]))

    Source: the persistence test of quality control in oceanography and meteorology (QARTOD manuals, test 8, "flat
    line"); the factor is ours.
    """

    readings: int = 30
    tolerance: float = 0.0
    factor: float = 3.0

    kinds: ClassVar[tuple[str, ...]] = ("stuck",)
    tunes: ClassVar[frozenset[str]] = frozenset({"readings", "tolerance", "factor"})

    def __post_init__(self) -> None:
        require(self, "readings", self.readings >= 1, "be at least 1")
        require(self, "tolerance", 0 <= self.tolerance < inf, "be at least 0")
        require(self, "factor", 1 <= self.factor < inf, "be at least 1")

    def features(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """The variables themselves."""
        return ()

    def init(self, n: int, shape: tuple[int, ...]) -> StuckState:
        (d,) = shape
        return StuckState(np.full((n, d), np.nan), np.zeros((n, d), np.int64), np.full((n, d), -1.0))

    def update(self, state: StuckState, batch: Batch) -> Scores:
        n = len(batch)
        score, share, alarm = np.empty(n), np.empty(batch.values.shape), np.empty(n, np.bool_)
        columns = (state.last, state.run, state.longest)
        options = (self.readings, self.tolerance, self.factor)
        _walk(batch.slots, batch.values, *columns, *options, score, alarm, share)
        return Scores(score, np.ones(n), alarm, np.zeros(n, np.int64), None, share)


@njit(cache=True, nogil=True)
def _walk(
    slots: IntArray,
    values: FloatArray,
    last: FloatArray,
    run: IntArray,
    longest: FloatArray,
    readings: int,
    tolerance: float,
    factor: float,
    score: FloatArray,
    alarm: BoolArray,
    share: FloatArray,
) -> None:
    for i in range(slots.size):
        s = slots[i]
        worst, total = np.nan, 0.0
        for j in range(values.shape[1]):
            x = values[i, j]
            share[i, j] = np.nan
            if not isfinite(x):
                continue
            needed = max(float(readings), factor * longest[s, j])
            if abs(x - last[s, j]) <= tolerance:
                run[s, j] += 1
            else:
                if isfinite(last[s, j]):
                    # the first run could not alarm, so it counts as it is
                    ended = float(run[s, j]) if longest[s, j] < 0.0 else min(float(run[s, j]), needed)
                    longest[s, j] = max(longest[s, j], ended)
                last[s, j], run[s, j] = x, 0
            if longest[s, j] < 0.0:
                continue
            share[i, j] = run[s, j] / needed
            total += share[i, j]
            worst = share[i, j] if not worst > share[i, j] else worst
        score[i] = worst
        alarm[i] = worst >= 1.0
        for j in range(values.shape[1]):
            share[i, j] = share[i, j] / total if total > 0.0 else np.nan
