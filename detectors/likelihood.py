"""How unusual the recent scores are for their series: the tail of the distribution of their average."""

from dataclasses import dataclass, replace
from math import erfc, inf, isfinite, log, log1p, log10, pi, sqrt
from typing import ClassVar

import msgspec
import numpy as np
from numba import njit

from detectors.base import Batch, BoolArray, FloatArray, IntArray, Scores
from detectors.check import require
from detectors.ratio import ratio

LEAST_MEAN = 0.03
LEAST_VARIANCE = 0.0003
"""Floors of the published form: a detector that is nearly always silent does not make every score unusual."""

ROOT_2 = 1.4142
"""As published, four decimals."""

OFFSET = 1.0000000001 - 1.0
BOTTOM = -23.02585084720009
"""The published scale is ln(1.0000000001 - likelihood) / BOTTOM; BOTTOM is the logarithm of OFFSET."""

RED = 1e-5
FILTERED = 1e-3
"""Red filter: a tail at or below RED that follows another such tail is shown as FILTERED."""


def fraction(scores: Scores) -> FloatArray:
    """Scores over their thresholds, cut to [0, 1] (n,); NaN = no verdict."""
    return np.clip(ratio(scores.score, scores.threshold), 0.0, 1.0)


@njit(cache=True, nogil=True)
def decades(z: float) -> float:
    """-log10 of the upper tail of the normal distribution at z, also where the tail is smaller than a float can be."""
    x = z / ROOT_2
    if x < 25.0:
        return -log10(0.5 * erfc(x))
    # Abramowitz and Stegun 7.1.23; the first term left out is 105 / (2 x^2)^4 < 5e-11
    t = 0.5 / (x * x)
    return (x * x + log(2.0 * sqrt(pi) * x) - log1p(t * (t * (3.0 - 15.0 * t) - 1.0))) / log(10.0)


@njit(cache=True, nogil=True)
def log_scale(tail: float, depth: float) -> float:
    """The published scale of a tail whose -log10 is `depth`, which goes on above 1 at a tenth for each decade."""
    return log(OFFSET + tail) / BOTTOM + max(0.0, depth - 10.0) / 10.0


@njit(cache=True, nogil=True)
def judge(z: float, before: float, limit: float, red_filter: bool) -> tuple[float, bool, float]:
    """Score, alarm and unfiltered tail of an average z deviations above the mean; `before` is the previous tail."""
    tail, depth = 0.5 * erfc(z / ROOT_2), decades(z)
    again = red_filter and tail <= RED and before <= RED
    score = log_scale(FILTERED, 0.0) if again else log_scale(tail, depth)
    return score, depth >= 10.0 * limit, tail


@dataclass(slots=True)
class LikelihoodState:
    """Arrays (n,) by series; `ring` is (n, window)."""

    ring: FloatArray
    """the last scores, as fractions of the threshold"""
    seen: IntArray
    mean: FloatArray
    var: FloatArray
    tail: FloatArray
    """previous tail, before the red filter; 1 = none yet"""


class Likelihood(msgspec.Struct, frozen=True, kw_only=True, tag="likelihood"):
    """Anomaly likelihood: how far the average of the last scores lies above what is usual for this series.

    Works behind any detector whose score never settles, however noisy: the limit is a probability, the same for
    every series. Fails for a single reading that is far off: its weight in the average is 1 / window, so it is
    overlooked where scores are restless; and where anomalies are so frequent that they become usual.

    Scores enter as min(1, max(0, score / threshold)). For a z-score with limit 6 that is |z| / 6; a raw score of HTM
    has threshold 1 and enters as it is. The mean and variance of the average are plain until `period` scores, then
    exponential; the mean is never taken below 0.03, the variance never below 0.0003.

    Score: log10 of the upper tail of the normal distribution over -10, so that 0.5 is a tail of 1e-5. It is the
    published log scale, which bends to 1 at a tail of 1e-10, and goes on from there. Threshold: limit. The alarm holds
    as long as the tail itself is at or below 10^(-10 limit), while the red filter leaves only the first score of an
    episode high: evaluation ranks episodes, the alert policy needs all their readings. Kind, expected values,
    contributions and evidence are those of the detector. No verdict for the first learning + estimation scores, where
    the published form says 0.5. A score that is NaN is passed over.

    window:     scores in the average.
    period:     scores in the memory of mean and variance.
    learning:   first scores, from which nothing is learned: the detector is still finding its feet.
    estimation: scores after those, learned before the first verdict.
    limit:      on the log scale; 0.5 is a tail of 1e-5.
    red_filter: show a tail at or below 1e-5 as 1e-3 when the one before was that small, too.

    >>> from detectors.base import Batch
    >>> raw = np.array([0.1, 0.2] * 20 + [0.9, 0.9, 0.9, 0.1])
    >>> batch = Batch(np.zeros(44, np.int64), np.arange(44), raw[:, None])
    >>> scores = Scores(raw, np.ones(44), np.zeros(44, np.bool_), np.zeros(44, np.int64))
    >>> likelihood = Likelihood(window=4, learning=5, estimation=10)
    >>> scores = likelihood.update(likelihood.init(1, (1,)), batch, scores)
    >>> scores.score[[14, 15, 39, 40, 41, 42, 43]].round(3), scores.alarm[-5:]
    (array([  nan, 0.03 , 0.03 , 3.042, 0.3  , 0.3  , 0.3  ]), array([False,  True,  True,  True,  True]))

    Source: Ahmad, Lavin, Purdy and Agha, Neurocomputing 262 (2017), "Computing anomaly likelihood"; floors, log scale
    and red filter after Numenta's code; running moments in the place of the stored history after htm.core's streaming
    form.
    """

    window: int = 20
    period: int = 1000
    learning: int = 288
    estimation: int = 100
    limit: float = 0.5
    red_filter: bool = True

    tunes: ClassVar[frozenset[str]] = frozenset({"period", "estimation", "limit", "red_filter"})

    def __post_init__(self) -> None:
        require(self, "window", self.window >= 1, "be at least 1 score")
        require(self, "period", self.period >= 1, "be at least 1 score")
        require(self, "learning", self.learning >= 0, "be at least 0")
        require(self, "estimation", self.estimation >= 1, "be at least 1 score")
        require(self, "limit", 0 < self.limit < inf, "be above 0")
        require(self, "red_filter", isinstance(self.red_filter, bool), "be true or false")

    def init(self, n: int, shape: tuple[int, ...]) -> LikelihoodState:
        return LikelihoodState(
            ring=np.zeros((n, self.window)),
            seen=np.zeros(n, np.int64),
            mean=np.zeros(n),
            var=np.zeros(n),
            tail=np.ones(n),
        )

    def update(self, state: LikelihoodState, batch: Batch, scores: Scores) -> Scores:
        n = len(batch)
        score, alarm = np.empty(n), np.empty(n, np.bool_)
        columns = (state.ring, state.seen, state.mean, state.var, state.tail)
        options = (self.period, self.learning, self.estimation, float(self.limit), self.red_filter)
        _walk(batch.slots, fraction(scores), *columns, *options, score, alarm)
        return replace(scores, score=score, threshold=np.full(n, float(self.limit)), alarm=alarm)


@njit(cache=True, nogil=True)
def _walk(
    slots: IntArray,
    raw: FloatArray,
    ring: FloatArray,
    seen: IntArray,
    mean: FloatArray,
    var: FloatArray,
    tail: FloatArray,
    period: int,
    learning: int,
    estimation: int,
    limit: float,
    red_filter: bool,
    score: FloatArray,
    alarm: BoolArray,
) -> None:
    window = ring.shape[1]
    for i in range(slots.size):
        s, x = slots[i], raw[i]
        score[i], alarm[i] = np.nan, False
        if not isfinite(x):
            continue
        c = seen[s]
        seen[s] = c + 1
        ring[s, c % window] = x
        average = ring[s].sum() / min(c + 1, window)
        d = average - mean[s]
        if c >= learning + estimation:
            z = (average - max(mean[s], LEAST_MEAN)) / sqrt(max(var[s], LEAST_VARIANCE))
            score[i], alarm[i], tail[s] = judge(z, tail[s], limit, red_filter)
        if c >= learning:
            a = 1.0 / min(c - learning + 1, period)
            mean[s] += a * d
            var[s] = (1.0 - a) * (var[s] + a * d * d)
