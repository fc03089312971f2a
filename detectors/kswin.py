"""KSWIN: the newest readings against a sample of the older ones, by Kolmogorov and Smirnov."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import msgspec
import numpy as np
from numba import njit

from detectors.base import Batch, Drift, FloatArray, IntArray, Scores
from detectors.check import require
from detectors.hashing import hashed
from detectors.two_samples import distance, smallest_distance


@dataclass(slots=True)
class KSWINState:
    """The window of each series.

    window: (n, window_size) ring of readings; reading k since the last drift stands at k % window_size
    held:   (n,) readings since the last drift
    step:   (n,) readings ever: names the draws of the sample
    """

    window: FloatArray
    held: IntArray
    step: IntArray


class KSWIN(msgspec.Struct, frozen=True, kw_only=True, tag="kswin"):
    """Kolmogorov-Smirnov windowing: drift when the newest readings are distributed unlike the older ones.

    Works for any change of distribution within one window, of spread and shape as well as of level, on any scale.
    Fails for changes slower than the window. It tests at every reading, so alpha is not the rate of false drifts: in
    1,000,000 stationary normal scores it decided 1,273 times when they were independent and 8,950 times when they were
    AR(1) with coefficient 0.9.

    It decides as River's KSWIN does, which also wants a distance above 0.1 and forgets the whole window after a drift.
    The sample is drawn without replacement by a hash of the seed, the reading's number in its series and the place in
    the window: the same for every series, and for every way to cut the stream.

    Statistic: largest distance of the two distribution functions over the smallest that decides; NaN until the window
    is full, and again after a drift. A score that is not a finite number is passed over.

    alpha:       p-value at which two samples differ.
    window_size: readings held, at least twice stat_size.
    stat_size:   newest readings that are compared, and size of the sample of the others.
    seed:        chooses the sample; of no effect where window_size is twice stat_size, since all others are compared.

    >>> from detectors.base import Batch
    >>> values = np.sin(np.arange(140.0)) + np.repeat([0.0, 4.0], 70)
    >>> batch = Batch(np.zeros(140, np.int64), np.arange(140), values[:, None])
    >>> scores = Scores(values, values, np.zeros(140, np.bool_), np.zeros(140, np.int64))
    >>> kswin = KSWIN(window_size=60, stat_size=30)
    >>> drift = kswin.update(kswin.init(1, (1,)), batch, scores)
    >>> drift.statistic[[58, 59, 69, 79, 82, 83, 84]].round(3)
    array([  nan, 0.143, 0.143, 0.786, 0.929, 1.   ,   nan])

    Source: Raab, Heusinger and Schleif, Reactive soft prototype computing for concept drift streams, Neurocomputing
    416 (2020), section 3; the exact p-value of equal samples after Gnedenko and Korolyuk, Doklady 80 (1951), in Hodges,
    Arkiv för Matematik 3 (1958), section 2.
    """

    alpha: float = 0.005
    window_size: int = 100
    stat_size: int = 30
    seed: int = 0

    tunes: ClassVar[frozenset[str]] = frozenset({"alpha", "stat_size", "seed"})

    def __post_init__(self) -> None:
        require(self, "alpha", 0 < self.alpha < 1, "lie in (0, 1)")
        require(self, "stat_size", self.stat_size >= 1, "be at least 1 reading")
        require(self, "window_size", self.window_size >= 2 * self.stat_size, "be at least twice stat_size")
        require(self, "seed", 0 <= self.seed < 2**63, "lie in [0, 2**63)")

    def init(self, n: int, shape: tuple[int, ...]) -> KSWINState:
        return KSWINState(np.zeros((n, self.window_size)), np.zeros(n, np.int64), np.zeros(n, np.int64))

    def update(self, state: KSWINState, batch: Batch, scores: Scores) -> Drift:
        statistic = np.empty(len(batch))
        critical = critical_distance(size=self.stat_size, alpha=self.alpha)
        columns = (state.window, state.held, state.step)
        _walk(batch.slots, scores.score, *columns, self.stat_size, critical, self.seed, statistic)
        return Drift(statistic)


@lru_cache
def critical_distance(*, size: int, alpha: float) -> int:
    """Smallest distance, in readings, of two samples of this size that decides; size + 1 where none does.

    It decides where the p-value is at most alpha and the distance above 0.1 of the size.
    """
    return smallest_distance(size=size, least=size // 10 + 1, decides=lambda p: p <= alpha)


@njit(cache=True, nogil=True, inline="always")
def _uniform(seed: int, step: int, draw: int) -> float:
    """A number in [0, 1) that depends on nothing else."""
    return float(hashed(seed, step, draw) >> np.uint64(11)) * 2.0**-53


@njit(cache=True, nogil=True)
def _sample(window: FloatArray, oldest: int, others: int, seed: int, step: int, into: FloatArray) -> None:
    """Fill `into` with readings from the `others` oldest, each set of them equally likely (Knuth's algorithm S)."""
    wanted = into.size
    for k in range(others):
        left = others - k
        if wanted == left or _uniform(seed, step, k) * left < wanted:
            wanted -= 1
            into[wanted] = window[(oldest + k) % window.size]
            if wanted == 0:
                return


@njit(cache=True, nogil=True)
def _walk(
    slots: IntArray,
    score: FloatArray,
    window: FloatArray,
    held: IntArray,
    step: IntArray,
    stat_size: int,
    critical: int,
    seed: int,
    statistic: FloatArray,
) -> None:
    size = window.shape[1]
    others = size - stat_size
    older, newest = np.empty(stat_size), np.empty(stat_size)
    for i in range(slots.size):
        s, x = slots[i], score[i]
        statistic[i] = np.nan
        if not np.isfinite(x):
            continue
        window[s, held[s] % size] = x
        held[s] += 1
        step[s] += 1
        if held[s] < size:
            continue
        oldest = held[s] % size
        _sample(window[s], oldest, others, seed, step[s], older)
        for k in range(stat_size):
            newest[k] = window[s, (oldest + others + k) % size]
        older.sort()
        newest.sort()
        largest = distance(older, newest)
        statistic[i] = largest / critical
        if largest >= critical:
            held[s] = 0
