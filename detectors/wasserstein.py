"""The Wasserstein distance of two adjacent windows, in standard deviations of the older one."""

from functools import lru_cache
from typing import ClassVar

import msgspec
import numpy as np
from numba import njit

from detectors.adjacent import Adjacent, adjacent, slide
from detectors.base import Batch, Drift, FloatArray, IntArray, Scores
from detectors.check import require
from detectors.statistic import statistic_of

DRAWS = 2000
"""Pairs of samples that the limit is a quantile of: four times the published number, which moves it by 3 %."""

FLOOR, HUGE = 1e-12, 1e150
"""The spread is never taken below this share of the mean, and the distance never above: no quotient overflows."""


class Wasserstein(msgspec.Struct, frozen=True, kw_only=True, tag="wasserstein"):
    """Drift when the last readings lie far from those before them, as so much earth that has to be moved.

    A baseline. Works for abrupt changes of level or spread, on any scale: the distance is divided by the standard
    deviation of the older window. Fails for changes slower than the window, for readings with heavy tails, which the
    limit does not know, and as an alarm by itself: it tests at every reading, so alpha is the share of clean,
    independent readings that are in drift; autocorrelated ones are in drift far more often. It stays in drift until
    the windows agree again.

    The limit is the (1 - alpha) quantile of the distances of 2,000 pairs of normal samples as large as the windows,
    each divided by the deviation of its first sample, as the readings are: a limit for raw distances, as published,
    holds for readings of variance 1 alone.

    Statistic: distance over the limit; NaN until both windows are full. A score that is not a finite number is passed
    over.

    alpha:  share of pairs of samples of one normal distribution that differ so much.
    window: readings in each of the two windows.
    seed:   chooses the samples.

    >>> from detectors.base import Batch
    >>> values = np.sin(np.arange(60.0)) + np.repeat([0.0, 4.0], 30)
    >>> batch = Batch(np.zeros(60, np.int64), np.arange(60), values[:, None])
    >>> scores = Scores(values, values, np.zeros(60, np.bool_), np.zeros(60, np.int64))
    >>> test = Wasserstein(window=15)
    >>> drift = test.update(test.init(1, (1,)), batch, scores)
    >>> drift.statistic[[28, 29, 31, 32, 44, 59]].round(3)
    array([  nan, 0.158, 0.704, 1.37 , 6.354, 0.343])

    Source: reference and target windows, and the simulated limit, as in Bandyopadhyay, Bose and Roy Chowdhury, IJMEMS
    10(3) (2025), 777-796; distance of ordered samples after Villani, Topics in Optimal Transportation (2003), 2.2.
    """

    alpha: float = 0.05
    window: int = 50
    seed: int = 0

    tunes: ClassVar[frozenset[str]] = frozenset({"alpha", "seed"})

    def __post_init__(self) -> None:
        require(self, "alpha", 0 < self.alpha < 1, "lie in (0, 1)")
        require(self, "window", self.window >= 4, "be at least 4 readings")
        require(self, "seed", 0 <= self.seed < 2**63, "lie in [0, 2**63)")

    def init(self, n: int, shape: tuple[int, ...]) -> Adjacent:
        return adjacent(n, self.window)

    def update(self, state: Adjacent, batch: Batch, scores: Scores) -> Drift:
        statistic = np.empty(len(batch))
        limit = critical_distance(size=self.window, alpha=self.alpha, seed=self.seed)
        columns = (state.ring, state.reference, state.recent, state.seen)
        _walk(batch.slots, scores.score, *columns, limit, statistic)
        return Drift(statistic)


@lru_cache
def critical_distance(*, size: int, alpha: float, seed: int) -> float:
    """The distance, in standard deviations of the first, that a share alpha of pairs of normal samples exceeds."""
    first, second = np.random.default_rng(seed).normal(size=(2, DRAWS, size))
    moved = np.abs(np.sort(first, axis=1) - np.sort(second, axis=1)).mean(axis=1)
    return float(np.quantile(moved / first.std(axis=1), 1 - alpha))


@njit(cache=True, nogil=True)
def _distance(reference: FloatArray, recent: FloatArray) -> float:
    """Mean distance of the readings of one rank, in standard deviations of the reference."""
    moved = float(np.abs(reference - recent).mean())
    mean = float(reference.mean())
    spread = max(float(np.sqrt(((reference - mean) ** 2).mean())), FLOOR * abs(mean), 1.0 / HUGE)
    return min(moved / spread, HUGE)


@njit(cache=True, nogil=True)
def _walk(
    slots: IntArray,
    score: FloatArray,
    ring: FloatArray,
    reference: FloatArray,
    recent: FloatArray,
    seen: IntArray,
    limit: float,
    statistic: FloatArray,
) -> None:
    for i in range(slots.size):
        s, x = slots[i], score[i]
        statistic[i] = np.nan
        if not np.isfinite(x):
            continue
        if slide(ring[s], reference[s], recent[s], seen[s], x):
            distance = _distance(reference[s], recent[s])
            statistic[i] = statistic_of(distance / limit, distance > limit)
        seen[s] += 1
