"""The two-sample test of Kolmogorov and Smirnov on two adjacent windows."""

from functools import lru_cache
from typing import ClassVar

import msgspec
import numpy as np
from numba import njit

from detectors.adjacent import Adjacent, adjacent, slide
from detectors.base import Batch, Drift, FloatArray, IntArray, Scores
from detectors.check import require
from detectors.two_samples import distance, smallest_distance


class KolmogorovSmirnov(msgspec.Struct, frozen=True, kw_only=True, tag="kolmogorov_smirnov"):
    """Drift when the last readings are distributed unlike those before them, by Kolmogorov and Smirnov.

    A baseline. Works for any change of distribution that is abrupt, on any scale. Fails for changes slower than the
    window, and as an alarm by itself: it tests at every reading, so alpha is the share of clean, independent readings
    that are in drift, not a rate of drifts; autocorrelated ones are in drift far more often.

    Unlike `kswin` it compares two windows of one size that touch, decides by the p-value alone, and goes on after a
    drift: it stays in drift until the windows agree again.

    Statistic: largest distance of the two distribution functions over the smallest that decides; NaN until both
    windows are full. A score that is not a finite number is passed over.

    alpha:  p-value (exact) below which the windows differ.
    window: readings in each of the two windows; the smallest at which anything can be decided is 4.

    >>> from detectors.base import Batch
    >>> values = np.sin(np.arange(60.0)) + np.repeat([0.0, 4.0], 30)
    >>> batch = Batch(np.zeros(60, np.int64), np.arange(60), values[:, None])
    >>> scores = Scores(values, values, np.zeros(60, np.bool_), np.zeros(60, np.int64))
    >>> test = KolmogorovSmirnov(window=15)
    >>> drift = test.update(test.init(1, (1,)), batch, scores)
    >>> drift.statistic[[28, 29, 36, 37, 44, 59]].round(3)
    array([  nan, 0.25 , 0.875, 1.   , 1.875, 0.375])

    Source: reference and target windows as in Bandyopadhyay, Bose and Roy Chowdhury, IJMEMS 10(3) (2025), 777-796;
    the exact p-value after Gnedenko and Korolyuk, Doklady 80 (1951).
    """

    alpha: float = 0.05
    window: int = 50

    tunes: ClassVar[frozenset[str]] = frozenset({"alpha"})

    def __post_init__(self) -> None:
        require(self, "alpha", 0 < self.alpha < 1, "lie in (0, 1)")
        require(self, "window", self.window >= 4, "be at least 4 readings")

    def init(self, n: int, shape: tuple[int, ...]) -> Adjacent:
        return adjacent(n, self.window)

    def update(self, state: Adjacent, batch: Batch, scores: Scores) -> Drift:
        statistic = np.empty(len(batch))
        critical = critical_distance(size=self.window, alpha=self.alpha)
        columns = (state.ring, state.reference, state.recent, state.seen)
        _walk(batch.slots, scores.score, *columns, critical, statistic)
        return Drift(statistic)


@lru_cache
def critical_distance(*, size: int, alpha: float) -> int:
    """Smallest distance, in readings, of two samples of this size whose p-value is below alpha; size + 1 = none is."""
    return smallest_distance(size=size, least=1, decides=lambda p: p < alpha)


@njit(cache=True, nogil=True)
def _walk(
    slots: IntArray,
    score: FloatArray,
    ring: FloatArray,
    reference: FloatArray,
    recent: FloatArray,
    seen: IntArray,
    critical: int,
    statistic: FloatArray,
) -> None:
    for i in range(slots.size):
        s, x = slots[i], score[i]
        statistic[i] = np.nan
        if not np.isfinite(x):
            continue
        if slide(ring[s], reference[s], recent[s], seen[s], x):
            statistic[i] = distance(reference[s], recent[s]) / critical
        seen[s] += 1
