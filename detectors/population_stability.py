"""The population stability index of two adjacent windows."""

from math import inf, log
from typing import ClassVar

import msgspec
import numpy as np
from numba import njit

from detectors.adjacent import Adjacent, adjacent, slide
from detectors.base import Batch, Drift, FloatArray, IntArray, Scores
from detectors.check import require
from detectors.statistic import statistic_of

HALF = 0.5
"""Added to the count of every bin, so that an empty one has a logarithm."""


class PopulationStability(msgspec.Struct, frozen=True, kw_only=True, tag="population_stability"):
    """Drift when the last readings fall into other bins than those before them: PSI above a threshold.

    A baseline. Works for abrupt changes of distribution, on any scale; the thresholds in use, 0.1, 0.2 and 0.25, are
    rules of thumb of credit scoring, made for thousands of readings. Fails for changes slower than the window, and
    with small windows: for clean, independent readings PSI is 2 * (bins - 1) / window on average, so a threshold of
    0.2 with 10 bins is no more than the mean at a window of 90. It tests at every reading and stays in drift until
    the windows agree again.

    The bins are the quantiles of the older window. With shares p and q of the older and the newer window, PSI is
    the sum of (q - p) ln(q / p); to every count 0.5 is added.

    Statistic: PSI over the threshold; NaN until both windows are full. A score that is not a finite number is passed
    over.

    threshold: PSI above it is a drift.
    bins:      quantile bins of the older window, at most window.
    window:    readings in each of the two windows.

    >>> from detectors.base import Batch
    >>> values = np.sin(np.arange(400.0)) + np.repeat([0.0, 4.0], 200)
    >>> batch = Batch(np.zeros(400, np.int64), np.arange(400), values[:, None])
    >>> scores = Scores(values, values, np.zeros(400, np.bool_), np.zeros(400, np.int64))
    >>> test = PopulationStability(window=100)
    >>> drift = test.update(test.init(1, (1,)), batch, scores)
    >>> drift.statistic[[198, 199, 205, 206, 299, 399]].round(3)
    array([   nan,  0.131,  0.254,  0.266, 22.728,  0.126])

    Source: Siddiqi, Credit Risk Scorecards (2006), ch. 9; windows as in Bandyopadhyay, Bose and Roy Chowdhury, IJMEMS
    10(3) (2025), 777-796; its mean after Yurdakul, Statistical Properties of Population Stability Index (2018), ch. 3.
    """

    threshold: float = 0.2
    bins: int = 10
    window: int = 200

    tunes: ClassVar[frozenset[str]] = frozenset({"threshold", "bins"})

    def __post_init__(self) -> None:
        require(self, "threshold", 0 < self.threshold < inf, "be above 0")
        require(self, "window", self.window >= 4, "be at least 4 readings")
        require(self, "bins", 2 <= self.bins <= self.window, f"lie between 2 and window ({self.window})")

    def init(self, n: int, shape: tuple[int, ...]) -> Adjacent:
        return adjacent(n, self.window)

    def update(self, state: Adjacent, batch: Batch, scores: Scores) -> Drift:
        statistic = np.empty(len(batch))
        columns = (state.ring, state.reference, state.recent, state.seen)
        _walk(batch.slots, scores.score, *columns, self.bins, self.threshold, statistic)
        return Drift(statistic)


@njit(cache=True, nogil=True)
def _index(reference: FloatArray, recent: FloatArray, bins: int) -> float:
    """PSI over the quantile bins of the reference; both are in rising order."""
    window = reference.size
    total, old_below, new_below = 0.0, 0, 0
    for b in range(1, bins + 1):
        old, new = window, window
        if b < bins:
            edge = reference[(b * window + bins - 1) // bins - 1]
            old = int(np.searchsorted(reference, edge, "right"))
            new = int(np.searchsorted(recent, edge, "right"))
        p, q = old - old_below + HALF, new - new_below + HALF
        total += (q - p) * log(q / p)
        old_below, new_below = old, new
    return total / (window + HALF * bins)


@njit(cache=True, nogil=True)
def _walk(
    slots: IntArray,
    score: FloatArray,
    ring: FloatArray,
    reference: FloatArray,
    recent: FloatArray,
    seen: IntArray,
    bins: int,
    threshold: float,
    statistic: FloatArray,
) -> None:
    for i in range(slots.size):
        s, x = slots[i], score[i]
        statistic[i] = np.nan
        if not np.isfinite(x):
            continue
        if slide(ring[s], reference[s], recent[s], seen[s], x):
            ratio = _index(reference[s], recent[s], bins) / threshold
            statistic[i] = statistic_of(ratio, ratio > 1.0)
        seen[s] += 1
