"""Mahalanobis distance from a forgetting mean, in and out of the principal subspace."""

from dataclasses import dataclass
from math import inf, isfinite, isnan, nan, sqrt
from typing import ClassVar

import msgspec
import numpy as np
from numba import njit
from scipy.special import gammainc

from detectors.base import Batch, BoolArray, FloatArray, IntArray, Scores
from detectors.check import require
from detectors.forgetting import newest_weight
from detectors.jacobi import eigen
from detectors.resolution import UNVARIED, deviation_of, smallest_step

HUGE = 1e150
"""Square root of what a float can hold: no deviation grows beyond it."""

FAR = 1e70
"""Standard deviations at most: a sum of such squares does not overflow."""


@dataclass(slots=True)
class MahalanobisState:
    """Arrays by series (n,), by variable (n, d) and by pair of variables (n, d, d)."""

    steps: IntArray
    """readings of the series, missing ones not counted"""
    seen: IntArray
    mean: FloatArray
    cov: FloatArray
    last: FloatArray
    step: FloatArray
    """smallest change between two readings so far: the sensor's resolution; inf = it never changed"""
    scale: FloatArray
    """standard deviation when last factored; NaN = the variable does not take part yet"""
    whiten: FloatArray
    """inverse square root of the model's correlations when last factored"""


class Mahalanobis(msgspec.Struct, frozen=True, kw_only=True, tag="mahalanobis"):
    """Distance of a row from the forgetting mean, by the correlations of its variables: Hotelling's T² with Q.

    Works for several variables that move together: it finds a broken relation that no single variable shows. Fails
    where normal operation has several regimes far apart, or where relations are curved. Of one variable it is a
    z-score. Rows that went wrong while warming up are learned in full.

    Correlations are shrunk towards none, and a scale is never below half of the sensor's resolution: constant or
    doubled sensors do not explode. The principal subspace holds `share` of the variance; T² is the distance inside,
    Q the squared error outside over the mean variance there, and the two are added (the likelihood of probabilistic
    PCA). A row beyond `clip` is learned as if it stood there, so that a fault that lasts is not soon normal; what this
    takes off the variance of Gaussian rows is put back. A row that is missing in part is judged by the
    variables it has, exactly: the missing ones stand where the others let expect them, and are not learned.

    Score: T² + Q of k variables as standard normal deviates, ((T² + Q) / k)^(1/3) centred and scaled: about -3 to 3
    for Gaussian rows whatever their k, without upper bound.
    Expected: the mean; for missing variables what the others let expect. Contributions: shares of the squares of the
    whitened row, which sum to T² + Q.

    half_life: readings after which a row weighs half; until then a plain mean.
    shrinkage: share taken off every correlation; also the smallest variance of any direction.
    share:     variance inside the principal subspace, in (0, 1]; 1 = T² alone.
    refit:     readings of a series between two factorisations.
    clip:      standard normal deviates up to which a row is learned in full.
    limit:     standard normal deviates at which a row alarms.
    warm_up:   readings of a variable before it is judged, at least 16.

    >>> from detectors.base import Batch
    >>> rng = np.random.default_rng(0)
    >>> one = rng.normal(size=200)
    >>> values = np.stack([one, one + 0.1 * rng.normal(size=200)], axis=1)
    >>> values[199] = [1.5, -1.5]
    >>> mahalanobis = Mahalanobis(shrinkage=0.01)
    >>> batch = Batch(np.zeros(200, np.int64), np.arange(200), values)
    >>> scores = mahalanobis.update(mahalanobis.init(1, (2,)), batch)
    >>> scores.alarm[-2:]
    array([False,  True])

    Source: Hotelling (1947), Multivariate Quality Control; Jackson and Mudholkar, Technometrics 21 (1979) for Q;
    Tipping and Bishop, JRSS B 61 (1999) for the sum; Wilson and Hilferty, PNAS 17 (1931) for the cube root; Garthwaite
    and Koch, J. Multivariate Analysis 145 (2016) for the contributions.
    """

    half_life: float = 500.0
    shrinkage: float = 0.1
    share: float = 0.95
    refit: int = 50
    clip: float = 0.5
    limit: float = 6.0
    warm_up: int = 100

    kinds: ClassVar[tuple[str, ...]] = ("anomaly",)
    tunes: ClassVar[frozenset[str]] = frozenset(
        {"half_life", "shrinkage", "share", "refit", "clip", "limit", "warm_up"}
    )

    def __post_init__(self) -> None:
        require(self, "half_life", 1 <= self.half_life < inf, "be at least 1 reading")
        require(self, "shrinkage", 0 < self.shrinkage < 1, "lie in (0, 1)")
        require(self, "share", 0 < self.share <= 1, "lie in (0, 1]")
        require(self, "refit", self.refit >= 1, "be at least 1 reading")
        require(self, "clip", 0 < self.clip < inf, "be above 0")
        require(self, "limit", 0 < self.limit < inf, "be above 0")
        require(self, "warm_up", self.warm_up >= 16, "be at least 16")

    def features(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """The variables themselves."""
        return ()

    def init(self, n: int, shape: tuple[int, ...]) -> MahalanobisState:
        (d,) = shape
        return MahalanobisState(
            steps=np.zeros(n, np.int64),
            seen=np.zeros((n, d), np.int64),
            mean=np.zeros((n, d)),
            cov=np.zeros((n, d, d)),
            last=np.zeros((n, d)),
            step=np.full((n, d), inf),
            scale=np.full((n, d), nan),
            whiten=np.zeros((n, d, d)),
        )

    def update(self, state: MahalanobisState, batch: Batch) -> Scores:
        n = len(batch)
        score, expected, share = np.empty(n), np.empty(batch.values.shape), np.empty(batch.values.shape)
        alpha = newest_weight(self.half_life)
        moments = (state.steps, state.seen, state.mean, state.cov, state.last, state.step, state.scale, state.whiten)
        numbers = (alpha, self.shrinkage, self.share, self.refit, self.warm_up)
        _walk(
            batch.slots,
            batch.values,
            *moments,
            *numbers,
            *self._clipping(batch.values.shape[1]),
            score,
            expected,
            share,
        )
        return Scores(score, np.full(n, float(self.limit)), score >= self.limit, np.zeros(n, np.int64), expected, share)

    def _clipping(self, d: int) -> tuple[FloatArray, FloatArray]:
        """(d + 1,) T² + Q at `clip` by number k of variables, and its mean over Gaussian rows so clipped, over k."""
        k = np.maximum(np.arange(d + 1.0), 1.0)
        spread = 2.0 / (9.0 * k)
        most = k * (1.0 - spread + self.clip * np.sqrt(spread)) ** 3
        return most, gammainc(k / 2 + 1, most / 2) + most / k * (1.0 - gammainc(k / 2, most / 2))


@njit(cache=True, nogil=True)
def _factor(cov: FloatArray, scale: FloatArray, shrinkage: float, share: float, whiten: FloatArray) -> None:
    """Inverse square root of the shrunk correlations whose lesser eigenvalues are replaced by their mean."""
    d = scale.size
    model, vectors = np.eye(d), np.empty((d, d))
    for i in range(d):
        for j in range(i):
            if scale[i] > 0.0 and scale[j] > 0.0:
                model[i, j] = model[j, i] = (1.0 - shrinkage) * (cov[i, j] / scale[i]) / scale[j]
    eigen(model, vectors)
    order = np.argsort(-np.diag(model))
    inside, kept = 0.0, 0
    while kept < d and inside < share * d - 1e-9:
        inside += model[order[kept], order[kept]]
        kept += 1
    rest = max((d - inside) / (d - kept), shrinkage) if kept < d else 1.0
    whiten[:] = 0.0
    for place in range(d):
        k = order[place]
        weight = 1.0 / sqrt(max(model[k, k], shrinkage) if place < kept else rest)
        for i in range(d):
            for j in range(d):
                whiten[i, j] += weight * vectors[i, k] * vectors[j, k]


@njit(cache=True, nogil=True)
def _fill(whiten: FloatArray, z: FloatArray, present: BoolArray) -> None:
    """Puts into the missing places of `z` what the others let expect: the values that make the distance smallest."""
    missing = np.flatnonzero(~present)
    m, d = missing.size, z.size
    a, b = np.zeros((m, m)), np.zeros(m)
    for k in range(d):
        w = 0.0
        for j in range(d):
            w += whiten[k, j] * z[j]
        for p in range(m):
            b[p] -= whiten[k, missing[p]] * w
            for q in range(m):
                a[p, q] += whiten[k, missing[p]] * whiten[k, missing[q]]
    # positive definite, hence elimination without pivots
    for p in range(m):
        for r in range(p + 1, m):
            f = a[r, p] / a[p, p]
            b[r] -= f * b[p]
            for q in range(p, m):
                a[r, q] -= f * a[p, q]
    for p in range(m - 1, -1, -1):
        for q in range(p + 1, m):
            b[p] -= a[p, q] * z[missing[q]]
        z[missing[p]] = b[p] / a[p, p]


@njit(cache=True, nogil=True)
def _judge(whiten: FloatArray, z: FloatArray, present: BoolArray, used: int, share: FloatArray) -> tuple[float, float]:
    """Score, and T² + Q of which it is made; `share` becomes the contributions of those present."""
    if used < z.size:
        _fill(whiten, z, present)
    total = 0.0
    for i in range(z.size):
        w = 0.0
        for j in range(z.size):
            w += whiten[i, j] * z[j]
        share[i] = w * w
        total += w * w
    for i in range(z.size):
        share[i] = share[i] / total if present[i] and total > 0.0 else np.nan
    spread = 2.0 / (9.0 * used)
    return ((total / used) ** (1.0 / 3.0) - 1.0 + spread) / sqrt(spread), total


@njit(cache=True, nogil=True)
def _walk(
    slots: IntArray,
    values: FloatArray,
    steps: IntArray,
    seen: IntArray,
    mean: FloatArray,
    cov: FloatArray,
    last: FloatArray,
    step: FloatArray,
    scale: FloatArray,
    whiten: FloatArray,
    alpha: float,
    shrinkage: float,
    kept: float,
    refit: int,
    warm_up: int,
    most: FloatArray,
    lost: FloatArray,
    score: FloatArray,
    expected: FloatArray,
    share: FloatArray,
) -> None:
    d = values.shape[1]
    away, z, rate, present = np.empty(d), np.empty(d), np.empty(d), np.empty(d, np.bool_)
    for i in range(slots.size):
        s = slots[i]
        score[i] = np.nan
        expected[i] = np.nan
        share[i] = np.nan
        if not np.isfinite(values[i]).any():
            continue
        if steps[s] >= warm_up and (steps[s] - warm_up) % refit == 0:
            for j in range(d):
                width = deviation_of(cov[s, j, j], step[s, j], mean[s, j], mean[s, j])
                scale[s, j] = width if seen[s, j] >= warm_up else np.nan
            _factor(cov[s], scale[s], shrinkage, kept, whiten[s])
        steps[s] += 1
        used = 0
        for j in range(d):
            x = values[i, j]
            away[j] = min(max(x - mean[s, j], -HUGE), HUGE) if isfinite(x) else 0.0
            present[j] = isfinite(x) and not isnan(scale[s, j])
            z[j] = 0.0
            if present[j]:
                used += 1
                width = scale[s, j] if scale[s, j] > 0.0 else UNVARIED * abs(x)
                z[j] = min(max(away[j] / width, -FAR), FAR) if width > 0.0 else 0.0
        shorten, widen = 1.0, 1.0
        if used > 0:
            score[i], total = _judge(whiten[s], z, present, used, share[i])
            shorten, widen = min(sqrt(most[used] / max(total, 1e-300)), 1.0), 1.0 / lost[used]
            for j in range(d):
                expected[i, j] = mean[s, j] + (0.0 if present[j] else z[j] * scale[s, j])
        for j in range(d):
            x = values[i, j]
            rate[j] = 0.0
            if not isfinite(x):
                continue
            if seen[s, j] > 0:
                step[s, j] = smallest_step(step[s, j], x, last[s, j])
            last[s, j] = x
            seen[s, j] += 1
            rate[j] = max(alpha, 1.0 / seen[s, j])
            away[j] *= shorten
            mean[s, j] += rate[j] * away[j]
        for j in range(d):
            for k in range(d):
                a = max(rate[j], rate[k])
                if rate[j] > 0.0 and rate[k] > 0.0:
                    cov[s, j, k] = (1.0 - a) * (cov[s, j, k] + a * widen * away[j] * away[k])
