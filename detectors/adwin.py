"""ADWIN: a window that grows while its mean stands, kept as an exponential histogram."""

from dataclasses import dataclass
from math import log, sqrt
from typing import ClassVar

import msgspec
import numpy as np
from numba import njit

from detectors.base import Batch, Drift, FloatArray, IntArray, Scores
from detectors.check import require
from detectors.statistic import BELOW

ROWS = 24
"""Rows of buckets; row r holds buckets of 2**r readings: with 5 a row, 84 million readings, 1.4 kB a series."""


@dataclass(slots=True)
class ADWINState:
    """The window of each series since its last drift.

    totals:    (n, ROWS, max_buckets + 1) sum of the readings in a bucket, the oldest first
    counts:    (n, ROWS) buckets in the row
    width:     (n,) readings in the window
    total:     (n,) their sum
    variance:  (n,) sum of their squared distances from their mean
    ticks:     (n,) readings ever: names those that are checked
    statistic: (n,) that of the last check, NaN = not checked since the last drift
    """

    totals: FloatArray
    counts: IntArray
    width: IntArray
    total: FloatArray
    variance: FloatArray
    ticks: IntArray
    statistic: FloatArray


class ADWIN(msgspec.Struct, frozen=True, kw_only=True, tag="adwin"):
    """Adaptive windowing: drift when two parts of the window differ in mean by more than chance allows.

    Works for a lasting change of level at any time scale, without a window to choose; needs no model of the scores.
    Fails for changes that leave the mean in place. Its bound is for independent scores: in 1,000,000 stationary normal
    ones (variance 1) it decided once when they were independent and 6,254 times when they were AR(1) with coefficient
    0.9. It takes the scores to be of order 1, so that changes far below 1 need long windows.

    It decides as River's ADWIN does, which forgets the whole window after a drift where the paper keeps the newer
    part. When all rows of buckets are full, which takes max_buckets * (2**24 - 1) readings without a drift, the oldest
    bucket is forgotten with its share of the variance.

    Statistic: the largest |difference of means| / epsilon_cut over the cuts of the last check, held until the next;
    NaN until the first check, and again after a drift. A score that is not a finite number is passed over.

    delta:             probability of a false drift at one check, over all cuts; 0.002 is River's.
    clock:             readings between two checks.
    max_buckets:       buckets of one size before the two oldest become one of twice the size; the paper's M.
    min_window_length: readings that each part must have.
    grace_period:      readings that the window must exceed before it is checked.

    >>> from detectors.base import Batch
    >>> values = np.repeat([1.0, 3.0], 64)
    >>> batch = Batch(np.zeros(128, np.int64), np.arange(128), values[:, None])
    >>> scores = Scores(values, values, np.zeros(128, np.bool_), np.zeros(128, np.int64))
    >>> adwin = ADWIN()
    >>> drift = adwin.update(adwin.init(1, (1,)), batch, scores)
    >>> drift.statistic[[30, 31, 63, 94, 95, 96]].round(3)
    array([  nan, 0.   , 0.   , 0.   , 1.695,   nan])

    Source: Bifet and Gavalda, Learning from time-changing data with adaptive windowing, SIAM SDM (2007), section 3
    (ADWIN2) and, for epsilon_cut with the variance, equation 3.1; River 0.26 subtracts min_window_length - 1 from the
    sizes of both parts, and takes the logarithm of the width in place of the width in delta'.
    """

    delta: float = 0.002
    clock: int = 32
    max_buckets: int = 5
    min_window_length: int = 5
    grace_period: int = 10

    tunes: ClassVar[frozenset[str]] = frozenset({"delta", "clock", "min_window_length", "grace_period"})

    def __post_init__(self) -> None:
        require(self, "delta", 0 < self.delta < 1, "lie in (0, 1)")
        require(self, "clock", self.clock >= 1, "be at least 1 reading")
        require(self, "max_buckets", self.max_buckets >= 1, "be at least 1")
        require(self, "min_window_length", self.min_window_length >= 1, "be at least 1 reading")
        require(self, "grace_period", self.grace_period >= 0, "be at least 0 readings")

    def init(self, n: int, shape: tuple[int, ...]) -> ADWINState:
        return ADWINState(
            totals=np.zeros((n, ROWS, self.max_buckets + 1)),
            counts=np.zeros((n, ROWS), np.int64),
            width=np.zeros(n, np.int64),
            total=np.zeros(n),
            variance=np.zeros(n),
            ticks=np.zeros(n, np.int64),
            statistic=np.full(n, np.nan),
        )

    def update(self, state: ADWINState, batch: Batch, scores: Scores) -> Drift:
        statistic = np.empty(len(batch))
        columns = (state.totals, state.counts, state.width, state.total, state.variance, state.ticks, state.statistic)
        limits = (self.delta, self.clock, self.min_window_length, self.grace_period)
        _walk(batch.slots, scores.score, *columns, *limits, statistic)
        return Drift(statistic)


@njit(cache=True, nogil=True)
def _insert(totals: FloatArray, counts: IntArray, x: float) -> tuple[int, float]:
    """Put a reading into one window; size and sum of the bucket that had to be forgotten, size 0 = none."""
    rows, room = totals.shape
    carried = x
    for r in range(rows):
        totals[r, counts[r]] = carried
        counts[r] += 1
        if counts[r] < room:
            return 0, 0.0
        carried = totals[r, 0] + totals[r, 1]
        gone = 1 if r == rows - 1 else 2
        first = totals[r, 0]
        totals[r, : room - gone] = totals[r, gone:].copy()
        counts[r] -= gone
    return 2 ** (rows - 1), first


@njit(cache=True, nogil=True)
def _largest(
    totals: FloatArray, counts: IntArray, width: int, total: float, variance: float, delta: float, shortest: int
) -> float:
    """|difference of means| / epsilon_cut of the cut where it is largest; -1 where no cut is long enough."""
    confidence = log(2.0 * log(width) / delta)
    spread = 2.0 * variance / width * confidence
    n0, u0 = 0.0, 0.0
    n1, u1 = float(width), total
    largest = -1.0
    for r in range(totals.shape[0] - 1, -1, -1):
        size = 2.0**r
        for k in range(counts[r]):
            n0, u0 = n0 + size, u0 + totals[r, k]
            n1, u1 = n1 - size, u1 - totals[r, k]
            if n0 < shortest or n1 < shortest:
                continue
            m = 1.0 / (n0 - shortest + 1.0) + 1.0 / (n1 - shortest + 1.0)
            cut = sqrt(spread * m) + 2.0 / 3.0 * confidence * m
            largest = max(largest, abs(u0 / n0 - u1 / n1) / cut)
    return largest


@njit(cache=True, nogil=True)
def _walk(
    slots: IntArray,
    score: FloatArray,
    totals: FloatArray,
    counts: IntArray,
    width: IntArray,
    total: FloatArray,
    variance: FloatArray,
    ticks: IntArray,
    held: FloatArray,
    delta: float,
    clock: int,
    shortest: int,
    grace: int,
    statistic: FloatArray,
) -> None:
    for i in range(slots.size):
        s, x = slots[i], score[i]
        statistic[i] = np.nan
        if not np.isfinite(x):
            continue
        w = float(width[s])
        if w > 0.0:
            away = x - total[s] / w
            variance[s] += w * away * away / (w + 1.0)
        width[s] += 1
        total[s] += x
        ticks[s] += 1
        size, gone = _insert(totals[s], counts[s], x)
        if size > 0:
            variance[s] *= 1.0 - size / width[s]
            width[s] -= size
            total[s] -= gone
        if ticks[s] % clock == 0 and width[s] > grace:
            largest = _largest(totals[s], counts[s], width[s], total[s], variance[s], delta, shortest)
            held[s] = largest if largest >= 0.0 else np.nan
        statistic[i] = held[s]
        if held[s] > 1.0:
            counts[s] = 0
            width[s], total[s], variance[s], held[s] = 0, 0.0, 0.0, np.nan
        elif held[s] == 1.0:
            statistic[i] = BELOW
