"""Distance of the last readings from the nearest of a few centres that follow the stream."""

from dataclasses import dataclass
from math import inf, isfinite, sqrt
from typing import ClassVar

import msgspec
import numpy as np
from numba import njit

from detectors.base import Batch, FloatArray, IntArray, Scores
from detectors.check import require
from detectors.forgetting import newest_weight
from detectors.resolution import deviation_of, smallest_step

START = 16
"""Readings before a scale is trusted: until then nothing is clipped, and no window becomes a centre."""

NARROW = 0.01
"""Standard deviations, reading by reading: windows nearer to a centre than this are all the same to it."""

HUGE = 1e150
"""Square root of what a float can hold: no deviation grows beyond it."""

FAR = 1e70
"""Standard deviations at most: a sum of such squares does not overflow."""


@dataclass(slots=True)
class KMeansState:
    """Arrays by series (n,) and by series and variable (n, d); `centres` is (n, clusters, window * d)."""

    steps: IntArray
    """readings of the series, missing ones not counted"""
    seen: IntArray
    mean: FloatArray
    var: FloatArray
    last: FloatArray
    step: FloatArray
    """smallest change between two readings so far: the sensor's resolution; inf = it never changed"""
    recent: FloatArray
    """(n, window * d) the last readings, scaled, oldest first"""
    centres: FloatArray
    members: IntArray
    """(n, clusters) windows that each centre has taken; 0 = it has no place yet"""
    usual: FloatArray
    """mean square of the distance to the nearest centre"""


class KMeans(msgspec.Struct, frozen=True, kw_only=True, tag="kmeans"):
    """Distance of the last `window` readings, scaled, from the nearest of the centres, over its usual size.

    Works where normal operation has several regimes or recurring shapes. Fails for anomalies between two regimes, and
    for long patterns at many phases: there are more shapes than centres. The score stays up for `window` readings.

    Each variable is scaled by its exponentially weighted mean and standard deviation before the reading, which then
    learn it, at most `clip` deviations away. The first centres are windows taken evenly over the first half of the
    warm-up, the usual distance is that of the second half. From then on the nearest centre moves towards the window,
    by one over the windows it has taken, at least by the weight that `half_life` gives; beyond `clip` times the usual
    distance it moves as if the window stood there, so that a fault that lasts is not soon normal. A variable that is
    missing stands at its mean in the window and is not learned.

    Score: distance over the root of its exponentially weighted mean square: about 1 for normal readings, at least 0,
    without upper bound; clipping makes it somewhat larger.
    Contributions: shares of the squared distance, summed over the window.

    clusters:  centres.
    window:    readings that make a point; 1 = single rows.
    half_life: readings after which a reading weighs half.
    clip:      times the usual distance, and standard deviations, up to which a reading is learned in full; above 1.
    limit:     times the usual distance at which it alarms.
    warm_up:   readings before the first verdict, at least 2 (16 + window + clusters).

    >>> from detectors.base import Batch
    >>> kmeans = KMeans(clusters=2, window=1, warm_up=50)
    >>> values = np.array([[20.0 * (i % 2) + 0.1 * (i % 5)] for i in range(200)] + [[10.0], [20.2]])
    >>> batch = Batch(np.zeros(202, np.int64), np.arange(202), values)
    >>> scores = kmeans.update(kmeans.init(1, (1,)), batch)
    >>> scores.alarm[-3:]
    array([False,  True, False])

    Source: MacQueen, 5th Berkeley Symposium (1967), for the moving centres; windows as the streaming k-means of the
    TouchStone leaderboard.
    """

    clusters: int = 8
    window: int = 4
    half_life: float = 500.0
    clip: float = 1.3
    limit: float = 4.0
    warm_up: int = 100

    kinds: ClassVar[tuple[str, ...]] = ("anomaly",)
    tunes: ClassVar[frozenset[str]] = frozenset({"half_life", "clip", "limit"})

    def __post_init__(self) -> None:
        require(self, "clusters", self.clusters >= 1, "be at least 1")
        require(self, "window", self.window >= 1, "be at least 1 reading")
        require(self, "half_life", 1 <= self.half_life < inf, "be at least 1 reading")
        require(self, "clip", 1 < self.clip < inf, "be above 1")
        require(self, "limit", 0 < self.limit < inf, "be above 0")
        least = 2 * (START + self.window + self.clusters)
        require(self, "warm_up", self.warm_up >= least, f"be at least 2 (16 + window + clusters), here {least}")

    def features(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """The variables themselves."""
        return ()

    def init(self, n: int, shape: tuple[int, ...]) -> KMeansState:
        (d,) = shape
        return KMeansState(
            steps=np.zeros(n, np.int64),
            seen=np.zeros((n, d), np.int64),
            mean=np.zeros((n, d)),
            var=np.zeros((n, d)),
            last=np.zeros((n, d)),
            step=np.full((n, d), inf),
            recent=np.zeros((n, self.window * d)),
            centres=np.zeros((n, self.clusters, self.window * d)),
            members=np.zeros((n, self.clusters), np.int64),
            usual=np.zeros(n),
        )

    def update(self, state: KMeansState, batch: Batch) -> Scores:
        n = len(batch)
        score, share = np.empty(n), np.empty(batch.values.shape)
        alpha = newest_weight(self.half_life)
        moments = (state.seen, state.mean, state.var, state.last, state.step)
        points = (state.recent, state.centres, state.usual, state.steps, state.members)
        numbers = (self.window, alpha, self.clip, self.warm_up)
        _walk(batch.slots, batch.values, *moments, *points, *numbers, score, share)
        threshold = np.full(n, float(self.limit))
        return Scores(score, threshold, score >= threshold, np.zeros(n, np.int64), contributions=share)


@njit(cache=True, nogil=True)
def _scale(
    row: FloatArray,
    seen: IntArray,
    mean: FloatArray,
    var: FloatArray,
    last: FloatArray,
    step: FloatArray,
    alpha: float,
    clip: float,
    out: FloatArray,
) -> None:
    """Deviations (d,) of a row from the means before it, 0 where missing; then the moments learn it, in place."""
    for j in range(row.size):
        x = row[j]
        out[j] = 0.0
        if not isfinite(x):
            continue
        d = min(max(x - mean[j], -HUGE), HUGE)
        width = deviation_of(var[j], step[j], mean[j], x)
        if seen[j] > 0:
            step[j] = smallest_step(step[j], x, last[j])
        last[j] = x
        if seen[j] > 1 and width > 0.0:
            out[j] = min(max(d / width, -FAR), FAR)
            if seen[j] >= START and abs(out[j]) > clip:
                d *= clip / abs(out[j])
        seen[j] += 1
        a = max(alpha, 1.0 / seen[j])
        mean[j] += a * d
        var[j] = (1.0 - a) * (var[j] + a * d * d)


@njit(cache=True, nogil=True)
def _nearest(point: FloatArray, centres: FloatArray, members: IntArray) -> tuple[int, float]:
    """The nearest centre that has a place, and the square of its distance."""
    best, least = 0, inf
    for k in range(members.size):
        if members[k] == 0:
            continue
        square = 0.0
        for j in range(point.size):
            square += (point[j] - centres[k, j]) ** 2
        if square < least:
            best, least = k, square
    return best, least


@njit(cache=True, nogil=True)
def _explain(point: FloatArray, centre: FloatArray, square: float, share: FloatArray) -> None:
    d = share.size
    share[:] = 0.0 if square > 0.0 else np.nan
    for j in range(point.size):
        share[j % d] += (point[j] - centre[j]) ** 2 / max(square, 1e-300)


@njit(cache=True, nogil=True)
def _walk(
    slots: IntArray,
    values: FloatArray,
    seen: IntArray,
    mean: FloatArray,
    var: FloatArray,
    last: FloatArray,
    step: FloatArray,
    recent: FloatArray,
    centres: FloatArray,
    usual: FloatArray,
    steps: IntArray,
    members: IntArray,
    window: int,
    alpha: float,
    clip: float,
    warm_up: int,
    score: FloatArray,
    share: FloatArray,
) -> None:
    d, clusters = values.shape[1], members.shape[1]
    first, half = START + window, warm_up // 2
    gap = (half - first) // clusters
    for i in range(slots.size):
        s = slots[i]
        score[i] = np.nan
        share[i] = np.nan
        if not np.isfinite(values[i]).any():
            continue
        point = recent[s]
        for j in range(point.size - d):
            point[j] = point[j + d]
        _scale(values[i], seen[s], mean[s], var[s], last[s], step[s], alpha, clip, point[point.size - d :])
        c = steps[s]
        steps[s] += 1
        since = c - first
        if since < 0:
            continue
        if since % gap == 0 and since // gap < clusters:
            centres[s, since // gap] = point
            members[s, since // gap] = 1
            continue
        k, square = _nearest(point, centres[s], members[s])
        shorten = 1.0
        if c >= warm_up:
            score[i] = sqrt(square / max(usual[s], NARROW * NARROW * point.size))
            _explain(point, centres[s, k], square, share[i])
            shorten = min(1.0, clip / max(score[i], 1e-300))
        members[s, k] += 1
        rate = shorten * max(alpha, 1.0 / members[s, k])
        for j in range(point.size):
            centres[s, k, j] += rate * (point[j] - centres[s, k, j])
        if c >= half:
            a = max(alpha, 1.0 / (c - half + 1))
            usual[s] += a * (square * shorten * shorten - usual[s])
