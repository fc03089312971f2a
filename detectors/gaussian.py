"""Distance from an exponentially weighted mean, in standard deviations."""

from dataclasses import dataclass
from math import inf, isfinite
from typing import ClassVar

import msgspec
import numpy as np
from numba import njit

from detectors.base import Batch, BoolArray, FloatArray, IntArray, Scores
from detectors.check import require
from detectors.forgetting import newest_weight
from detectors.resolution import deviation_of, smallest_step

START = 16
"""Readings held for the robust start: enough that the median forgives seven bad ones, few enough to keep per series."""

HUGE = 1e150
"""Square root of what a float can hold: neither a deviation nor its square overflows."""


@dataclass(slots=True)
class GaussianState:
    """Arrays (n, d) by series and variable; `start` is (n, d, START)."""

    start: FloatArray
    seen: IntArray
    mean: FloatArray
    var: FloatArray
    last: FloatArray
    step: FloatArray
    """smallest change between two readings so far: the sensor's resolution; inf = it never changed"""


class Gaussian(msgspec.Struct, frozen=True, kw_only=True, tag="gaussian"):
    """Distance from an exponentially weighted mean, in standard deviations; the worst variable counts.

    Works for spikes and shifts of signals whose level and spread change slowly. Fails where a season is wider than
    the anomaly, and where only the relation between variables breaks.

    It starts from the median and the median absolute deviation (times 1.4826) of the first 16 readings. A reading
    beyond `limit` is learned as if it stood at the limit, so that one spike does not hide the next. The deviation is
    never taken below half of the smallest change ever seen, the resolution of the sensor: a constant sensor does not
    explode on its first flicker. A variable that is missing is passed over.

    Score: standard deviations, 0 at the mean, without upper bound.

    half_life: readings after which a reading weighs half; until then a plain mean. A day of 6-minute readings.
    limit:     standard deviations; 6 is crossed by no Gaussian reading in 500 million.
    warm_up:   readings before the first verdict, at least 16.

    >>> from detectors.base import Batch
    >>> gaussian = Gaussian(warm_up=16)
    >>> values = np.array([[20.0 + 0.1 * (i % 5)] for i in range(20)] + [[26.0]])
    >>> batch = Batch(np.zeros(21, np.int64), np.arange(21), values)
    >>> scores = gaussian.update(gaussian.init(1, (1,)), batch)
    >>> scores.score.round(2)[-3:], scores.alarm[-3:]
    (array([ 0.75,  1.43, 40.45]), array([False, False,  True]))

    Source: exponentially weighted moments after West, Communications of the ACM 22 (1979), eq. for weighted updates;
    winsorised learning after Huber, Robust Statistics (1981), ch. 3.
    """

    half_life: float = 240.0
    limit: float = 6.0
    warm_up: int = 100

    kinds: ClassVar[tuple[str, ...]] = ("anomaly",)
    tunes: ClassVar[frozenset[str]] = frozenset({"half_life", "limit", "warm_up"})

    def __post_init__(self) -> None:
        require(self, "half_life", 1 <= self.half_life < inf, "be at least 1 reading")
        require(self, "limit", 0 < self.limit < inf, "be above 0")
        require(self, "warm_up", self.warm_up >= START, f"be at least {START}")

    def features(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """The variables themselves."""
        return ()

    def init(self, n: int, shape: tuple[int, ...]) -> GaussianState:
        (d,) = shape
        return GaussianState(
            start=np.zeros((n, d, START)),
            seen=np.zeros((n, d), np.int64),
            mean=np.zeros((n, d)),
            var=np.zeros((n, d)),
            last=np.zeros((n, d)),
            step=np.full((n, d), inf),
        )

    def update(self, state: GaussianState, batch: Batch) -> Scores:
        n = len(batch)
        score, expected, share = np.empty(n), np.empty(batch.values.shape), np.empty(batch.values.shape)
        alarm = np.empty(n, np.bool_)
        alpha = newest_weight(self.half_life)
        columns = (state.start, state.seen, state.mean, state.var, state.last, state.step)
        _walk(batch.slots, batch.values, *columns, alpha, self.limit, self.warm_up, score, alarm, expected, share)
        return Scores(score, np.full(n, float(self.limit)), alarm, np.zeros(n, np.int64), expected, share)


@njit(cache=True, nogil=True)
def _begin(start: FloatArray) -> tuple[float, float]:
    """Median and variance, by the median absolute deviation, of the held readings."""
    middle = np.median(start)
    spread = 1.4826 * np.median(np.abs(start - middle))
    return middle, min(spread, HUGE) ** 2


@njit(cache=True, nogil=True)
def _walk(
    slots: IntArray,
    values: FloatArray,
    start: FloatArray,
    seen: IntArray,
    mean: FloatArray,
    var: FloatArray,
    last: FloatArray,
    step: FloatArray,
    alpha: float,
    limit: float,
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
            c = seen[s, j]
            seen[s, j] = c + 1
            before = step[s, j]
            if c > 0:
                step[s, j] = smallest_step(before, x, last[s, j])
            last[s, j] = x
            if c < START:
                start[s, j, c] = x
                if c == START - 1:
                    mean[s, j], var[s, j] = _begin(start[s, j])
                continue
            m, v = mean[s, j], var[s, j]
            deviation = deviation_of(v, before, m, x)
            d = min(max(x - m, -HUGE), HUGE)
            z = min(abs(d) / deviation, HUGE) if deviation > 0.0 else 0.0
            if c >= warm_up:
                expected[i, j] = m
                share[i, j] = z * z
                total += z * z
                worst = z if not worst > z else worst
            a = max(alpha, 1.0 / (c + 1))
            if z > limit:
                d *= limit / z
            mean[s, j] = m + a * d
            var[s, j] = min((1.0 - a) * (v + a * d * d), HUGE * HUGE)
        score[i] = worst
        alarm[i] = worst >= limit
        for j in range(values.shape[1]):
            share[i, j] = share[i, j] / total if total > 0.0 else np.nan
