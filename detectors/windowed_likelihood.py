"""Anomaly likelihood as published: the distribution is fitted again and again to a stored history."""

from dataclasses import dataclass, replace
from math import inf, isfinite, sqrt
from typing import ClassVar

import msgspec
import numpy as np
from numba import njit

from detectors.base import Batch, BoolArray, FloatArray, IntArray, Scores
from detectors.check import require
from detectors.likelihood import LEAST_MEAN, LEAST_VARIANCE, fraction, judge

CONSTANT = 1.5e-5
"""Variance of the values below which the series counts as constant."""

NULL_MEAN, NULL_DEVIATION = 0.5, 1000.0
"""Distribution in the place of the fitted one for a constant series: no score is unusual."""


@dataclass(slots=True)
class WindowedLikelihoodState:
    """Arrays (n,) by series; `scores` is (n, history), `values` (n, d, history), both rings."""

    scores: FloatArray
    """fractions of the threshold"""
    values: FloatArray
    seen: IntArray
    mean: FloatArray
    """of the fitted distribution; NaN = not fitted yet"""
    deviation: FloatArray
    tail: FloatArray
    """previous tail, before the red filter"""


class WindowedLikelihood(msgspec.Struct, frozen=True, kw_only=True, tag="windowed_likelihood"):
    """Anomaly likelihood as published by Numenta: a normal distribution, fitted anew to a stored history of averages.

    Works as `Likelihood` does, and gives the published numbers, quirks included; use it to compare. Fails on memory:
    history x (variables + 1) x 8 bytes for each series, 138 kB by default, where `Likelihood` keeps 0.2 kB and is as
    good. Being mirrored, as Numenta's code is, it also alarms when scores are unusually low.

    Scores enter as min(1, max(0, score / threshold)). Every `reestimation` scores the mean and variance of their moving
    average are taken from the history; the mean is never below 0.03, the variance never below 0.0003. Where the
    stored values of every variable have a variance below 1.5e-5, no score is unusual.

    Score, threshold, alarm and what is kept of the detector's scores: as `Likelihood`. No verdict for the first
    learning + estimation scores, where the published form says 0.5. A score that is NaN is passed over.

    window:       scores in the average.
    history:      scores and values stored; at least window.
    learning:     first scores, which no fit contains.
    estimation:   scores after those before the first verdict.
    reestimation: scores from fit to fit.
    limit:        on the log scale; 0.5 is a tail of 1e-5.
    red_filter:   show a tail at or below 1e-5 as 1e-3 when the one before was that small, too.

    >>> from detectors.base import Batch
    >>> raw = np.array([0.1, 0.2] * 20 + [0.9, 0.9, 0.9, 0.1])
    >>> batch = Batch(np.zeros(44, np.int64), np.arange(44), raw[:, None])
    >>> scores = Scores(raw, np.ones(44), np.zeros(44, np.bool_), np.zeros(44, np.int64))
    >>> likelihood = WindowedLikelihood(window=4, learning=5, estimation=10, reestimation=10)
    >>> scores = likelihood.update(likelihood.init(1, (1,)), batch, scores)
    >>> scores.score[[14, 15, 39, 40, 41, 42, 43]].round(3), scores.alarm[-5:]
    (array([  nan, 0.03 , 0.03 , 3.042, 0.3  , 0.3  , 0.3  ]), array([False,  True,  True,  True,  True]))

    Source: Ahmad, Lavin, Purdy and Agha, Neurocomputing 262 (2017), "Computing anomaly likelihood"; what the paper
    leaves open after Numenta's code (anomaly_likelihood.py of NuPIC 1.0).
    """

    window: int = 10
    history: int = 8640
    learning: int = 288
    estimation: int = 100
    reestimation: int = 100
    limit: float = 0.5
    red_filter: bool = True

    tunes: ClassVar[frozenset[str]] = frozenset(
        {"window", "learning", "estimation", "reestimation", "limit", "red_filter"}
    )

    def __post_init__(self) -> None:
        require(self, "window", self.window >= 1, "be at least 1 score")
        require(self, "history", self.history >= self.window, f"be at least window, {self.window}")
        require(self, "learning", self.learning >= 0, "be at least 0")
        require(self, "estimation", self.estimation >= 1, "be at least 1 score")
        require(self, "reestimation", self.reestimation >= 1, "be at least 1 score")
        require(self, "limit", 0 < self.limit < inf, "be above 0")
        require(self, "red_filter", isinstance(self.red_filter, bool), "be true or false")

    def init(self, n: int, shape: tuple[int, ...]) -> WindowedLikelihoodState:
        (d,) = shape
        return WindowedLikelihoodState(
            scores=np.zeros((n, self.history)),
            values=np.zeros((n, d, self.history)),
            seen=np.zeros(n, np.int64),
            mean=np.full(n, np.nan),
            deviation=np.full(n, np.nan),
            tail=np.ones(n),
        )

    def update(self, state: WindowedLikelihoodState, batch: Batch, scores: Scores) -> Scores:
        n = len(batch)
        score, alarm = np.empty(n), np.empty(n, np.bool_)
        columns = (state.scores, state.values, state.seen, state.mean, state.deviation, state.tail)
        periods = (self.window, self.learning, self.estimation, self.reestimation)
        decision = (float(self.limit), self.red_filter)
        _walk(batch.slots, fraction(scores), batch.values, *columns, *periods, *decision, score, alarm)
        return replace(scores, score=score, threshold=np.full(n, float(self.limit)), alarm=alarm)


@njit(cache=True, nogil=True)
def _unrolled(ring: FloatArray, seen: int) -> FloatArray:
    """What the ring holds, oldest first."""
    if seen <= ring.size:
        return ring[:seen]
    cut = seen % ring.size
    return np.concatenate((ring[cut:], ring[:cut]))


@njit(cache=True, nogil=True)
def _averages(scores: FloatArray, window: int) -> FloatArray:
    """Mean of each score and the up to window - 1 before it."""
    averages = np.empty(scores.size)
    total = 0.0
    for k in range(scores.size):
        total += scores[k]
        if k >= window:
            total -= scores[k - window]
        averages[k] = total / min(k + 1, window)
    return averages


@njit(cache=True, nogil=True)
def _is_constant(values: FloatArray, seen: int, skip: int) -> bool:
    for j in range(values.shape[0]):
        x = _unrolled(values[j], seen)[skip:]
        x = x[np.isfinite(x)]
        # a variance that overflows is NaN and not constant
        if x.size > 0 and not x.var() < CONSTANT:
            return False
    return True


@njit(cache=True, nogil=True)
def _fit(scores: FloatArray, values: FloatArray, seen: int, window: int, learning: int) -> tuple[float, float, float]:
    """Mean and deviation of the averages in the history, and where the newest of them lies: |z|."""
    averages = _averages(_unrolled(scores, seen), window)
    dropped = max(0, seen - scores.size)
    skip = max(0, learning - dropped)
    mean, deviation = NULL_MEAN, NULL_DEVIATION
    if averages.size > skip and not _is_constant(values, seen, skip):
        mean = max(averages[skip:].mean(), LEAST_MEAN)
        deviation = sqrt(max(averages[skip:].var(), LEAST_VARIANCE))
    newest = averages[-1] if averages.size > 0 else mean
    return mean, deviation, abs(newest - mean) / deviation


@njit(cache=True, nogil=True)
def _walk(
    slots: IntArray,
    raw: FloatArray,
    readings: FloatArray,
    scores: FloatArray,
    values: FloatArray,
    seen: IntArray,
    mean: FloatArray,
    deviation: FloatArray,
    tail: FloatArray,
    window: int,
    learning: int,
    estimation: int,
    reestimation: int,
    limit: float,
    red_filter: bool,
    score: FloatArray,
    alarm: BoolArray,
) -> None:
    history = scores.shape[1]
    for i in range(slots.size):
        s, x = slots[i], raw[i]
        score[i], alarm[i] = np.nan, False
        if not isfinite(x):
            continue
        c = seen[s]
        warm = c >= learning + estimation
        if warm and (c % reestimation == 0 or not isfinite(mean[s])):
            mean[s], deviation[s], z = _fit(scores[s], values[s], c, window, learning)
            # the filter compares with the tail that the previous average has under the new distribution
            _, _, tail[s] = judge(z, 1.0, limit, red_filter)
        seen[s] = c + 1
        scores[s, c % history] = x
        values[s, :, c % history] = readings[i]
        if warm:
            count = min(c + 1, window)
            total = 0.0
            for k in range(c + 1 - count, c + 1):
                total += scores[s, k % history]
            z = abs(total / count - mean[s]) / deviation[s]
            score[i], alarm[i], tail[s] = judge(z, tail[s], limit, red_filter)
