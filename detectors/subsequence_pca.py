"""How badly the last readings are rebuilt from the shapes that the series has shown so far."""

from dataclasses import dataclass
from math import inf, isfinite, log, sqrt
from typing import ClassVar

import msgspec
import numpy as np
from numba import njit

from detectors.base import Batch, FloatArray, IntArray, Scores
from detectors.check import require
from detectors.forgetting import newest_weight
from detectors.jacobi import eigen
from detectors.resolution import deviation_of, smallest_step

START = 16
"""Readings before the scale is trusted: until then nothing is clipped, and no window is learned."""

NARROW = 0.05
"""Deviation of the logarithm of the error at least: where the error never varies, 5 % more of it is one deviation."""

HUGE = 1e150
"""Square root of what a float can hold: no deviation grows beyond it."""

FAR = 1e6
"""Standard deviations at most in a window: it takes no more than this to be learned or told."""

EXACT = 1e-6
"""Error that counts as none, in standard deviations: shapes rebuilt to rounding would else rank by their rounding."""


@dataclass(slots=True)
class SubsequencePCAState:
    """Arrays by series (n,), by variable (n, d) and by variable and place in the window."""

    seen: IntArray
    """(n, d) readings"""
    mean: FloatArray
    var: FloatArray
    last: FloatArray
    step: FloatArray
    """smallest change between two readings so far: the sensor's resolution; inf = it never changed"""
    recent: FloatArray
    """(n, d, window) the last readings, scaled, oldest first"""
    centre: FloatArray
    """(n, d, window) mean window"""
    cov: FloatArray
    """(n, d, window, window)"""
    outside: FloatArray
    """(n, d, window, window) projection onto what the kept shapes cannot rebuild"""
    usual: FloatArray
    """(n, d) exponentially weighted mean of the logarithm of the error"""
    spread: FloatArray
    """(n, d) its variance"""


class SubsequencePCA(msgspec.Struct, frozen=True, kw_only=True, tag="subsequence_pca"):
    """Error of rebuilding the last `window` readings from their principal shapes; the worst variable counts.

    Works for signals with a shape of their own (cycles, heartbeats, seasons shorter than a few windows): a wrong shape
    is found inside the usual range. Fails for noise without a shape, where it is a dear moving variance, and for a
    slow change of level, which the shapes can rebuild. The score stays up for `window` readings.

    Each variable is judged by itself. A reading is scaled by the exponentially weighted mean and standard deviation
    before it; mean and covariance of the windows forget at the same pace, and every `refit` readings the eigenvectors
    that hold `share` of their variance are taken anew. The logarithm of the error is standardised by its own past
    mean and deviation. Readings and errors beyond `clip` deviations are learned as if they stood there. A variable
    that is missing is passed over: its window closes up.

    Score: standard deviations of the logarithm of the error, negative where it is smaller than usual, no upper bound.

    window:    readings that make a shape; time and memory grow with its square (16 KiB per variable at 32).
    half_life: readings after which a window weighs half; until then a plain mean.
    share:     variance that the kept shapes hold, in (0, 1).
    refit:     readings between two factorisations.
    clip:      standard deviations up to which is learned in full.
    limit:     standard deviations at which it alarms.
    warm_up:   readings before the first verdict, at least 2 window + 32.

    >>> from detectors.base import Batch
    >>> rng = np.random.default_rng(0)
    >>> wave = np.sin(np.arange(600) / 3) + 0.02 * rng.normal(size=600)
    >>> wave[590:] = wave[590]
    >>> pca = SubsequencePCA(window=24, warm_up=200)
    >>> batch = Batch(np.zeros(600, np.int64), np.arange(600), wave[:, None])
    >>> np.flatnonzero(pca.update(pca.init(1, (1,)), batch).alarm)[0] in range(591, 597)
    True

    Source: Jackson and Mudholkar, Technometrics 21 (1979) for the error; windows as in singular spectrum analysis
    (Broomhead and King, Physica D 20, 1986); best on average of univariate TSB-AD (Liu and Paparrizos, NeurIPS 2024).
    """

    window: int = 32
    half_life: float = 2000.0
    share: float = 0.9
    refit: int = 200
    clip: float = 3.0
    limit: float = 4.0
    warm_up: int = 200

    kinds: ClassVar[tuple[str, ...]] = ("anomaly",)
    tunes: ClassVar[frozenset[str]] = frozenset({"half_life", "share", "refit", "clip", "limit"})

    def __post_init__(self) -> None:
        require(self, "window", self.window >= 2, "be at least 2 readings")
        require(self, "half_life", 1 <= self.half_life < inf, "be at least 1 reading")
        require(self, "share", 0 < self.share < 1, "lie in (0, 1)")
        require(self, "refit", self.refit >= 1, "be at least 1 reading")
        require(self, "clip", 1 < self.clip < inf, "be above 1")
        require(self, "limit", 0 < self.limit < inf, "be above 0")
        least = 2 * (START + self.window)
        require(self, "warm_up", self.warm_up >= least, f"be at least 2 window + 32, here {least}")

    def features(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """The variables themselves; nothing is explained."""
        return ()

    def init(self, n: int, shape: tuple[int, ...]) -> SubsequencePCAState:
        (d,), w = shape, self.window
        return SubsequencePCAState(
            seen=np.zeros((n, d), np.int64),
            mean=np.zeros((n, d)),
            var=np.zeros((n, d)),
            last=np.zeros((n, d)),
            step=np.full((n, d), inf),
            recent=np.zeros((n, d, w)),
            centre=np.zeros((n, d, w)),
            cov=np.zeros((n, d, w, w)),
            outside=np.zeros((n, d, w, w)),
            usual=np.zeros((n, d)),
            spread=np.zeros((n, d)),
        )

    def update(self, state: SubsequencePCAState, batch: Batch) -> Scores:
        n = len(batch)
        score = np.empty(n)
        alpha = newest_weight(self.half_life)
        moments = (state.seen, state.mean, state.var, state.last, state.step)
        shapes = (state.recent, state.centre, state.cov, state.outside, state.usual, state.spread)
        numbers = (alpha, self.share, self.refit, self.clip, self.warm_up)
        _walk(batch.slots, batch.values, *moments, *shapes, *numbers, score)
        return Scores(score, np.full(n, float(self.limit)), score >= self.limit, np.zeros(n, np.int64))


@njit(cache=True, nogil=True)
def _project(cov: FloatArray, share: float, outside: FloatArray) -> None:
    """Identity less the eigenvectors that hold `share` of the variance."""
    w = cov.shape[0]
    lengths, vectors = cov.copy(), np.empty((w, w))
    eigen(lengths, vectors)
    order = np.argsort(-np.diag(lengths))
    total, inside = np.trace(cov), 0.0
    outside[:] = np.eye(w)
    for k in order:
        if not inside < share * total:
            return
        inside += lengths[k, k]
        for i in range(w):
            for j in range(w):
                outside[i, j] -= vectors[i, k] * vectors[j, k]


@njit(cache=True, nogil=True)
def _error(window: FloatArray, centre: FloatArray, outside: FloatArray) -> float:
    """Logarithm of the root of the mean squared error of rebuilding the window."""
    square = 0.0
    for i in range(window.size):
        e = 0.0
        for j in range(window.size):
            e += outside[i, j] * (window[j] - centre[j])
        square += e * e
    return log(max(sqrt(square / window.size), EXACT))


@njit(cache=True, nogil=True)
def _learn(window: FloatArray, centre: FloatArray, cov: FloatArray, a: float) -> None:
    """Exponentially weighted mean and covariance of the windows."""
    away = window - centre
    for i in range(away.size):
        centre[i] += a * away[i]
        for j in range(away.size):
            cov[i, j] = (1.0 - a) * (cov[i, j] + a * away[i] * away[j])


@njit(cache=True, nogil=True)
def _scaled(
    x: float, c: int, mean: float, var: float, step: float, alpha: float, clip: float
) -> tuple[float, float, float]:
    """The deviation of a reading from the moments before it, and the moments that have learned it."""
    d = min(max(x - mean, -HUGE), HUGE)
    width = deviation_of(var, step, mean, x)
    z = min(max(d / width, -FAR), FAR) if c > 0 and width > 0.0 else 0.0
    if c >= START and abs(z) > clip:
        d = clip * width * (1.0 if z > 0.0 else -1.0)
    a = max(alpha, 1.0 / (c + 1))
    return z, mean + a * d, (1.0 - a) * (var + a * d * d)


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
    centre: FloatArray,
    cov: FloatArray,
    outside: FloatArray,
    usual: FloatArray,
    spread: FloatArray,
    alpha: float,
    share: float,
    refit: int,
    clip: float,
    warm_up: int,
    score: FloatArray,
) -> None:
    w = recent.shape[2]
    first, half = START + w, warm_up // 2
    for i in range(slots.size):
        s = slots[i]
        worst = np.nan
        for j in range(values.shape[1]):
            x = values[i, j]
            if not isfinite(x):
                continue
            c = seen[s, j]
            seen[s, j] = c + 1
            z, mean[s, j], var[s, j] = _scaled(x, c, mean[s, j], var[s, j], step[s, j], alpha, clip)
            if c > 0:
                step[s, j] = smallest_step(step[s, j], x, last[s, j])
            last[s, j] = x
            window = recent[s, j]
            for k in range(w - 1):
                window[k] = window[k + 1]
            window[w - 1] = z
            if c < first:
                continue
            if c >= half:
                if (c - half) % refit == 0 or c == warm_up:
                    _project(cov[s, j], share, outside[s, j])
                error = _error(window, centre[s, j], outside[s, j])
                away = error - usual[s, j]
                width = max(sqrt(spread[s, j]), NARROW)
                if c >= warm_up:
                    v = away / width
                    worst = v if not worst > v else worst
                    away = min(max(away, -clip * width), clip * width)
                a = max(alpha, 1.0 / (c - half + 1))
                usual[s, j] += a * away
                spread[s, j] = (1.0 - a) * (spread[s, j] + a * away * away)
            _learn(np.clip(window, -clip, clip), centre[s, j], cov[s, j], max(alpha, 1.0 / (c - first + 1)))
        score[i] = worst
