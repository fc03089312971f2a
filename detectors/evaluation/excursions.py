"""How often a score of normal readings rises above a threshold, and for how long it stays there."""

from dataclasses import dataclass, replace
from math import nan, sqrt

import numpy as np
from scipy.special import ndtr, ndtri, owens_t
from scipy.stats import rankdata

from detectors.base import FloatArray, IntArray
from detectors.evaluation.events import events

LONGEST = 40
"""readings up to which lengths of excursions are predicted"""

ORDER = 20
"""lags of the autoregression at most"""

PATHS = 4096
"""paths of the simulation behind the lengths: a few per cent of error where one excursion in a hundred is as long"""

LEAST = 200
"""scores below which nothing is said"""

FEW, TIED = 100, 0.05
"""A score with fewer distinct values, or one value that has a larger share, is not continuous."""

CYCLES = 10
"""A season that comes back so often in the data is looked for."""

TESTED, FACTOR = 30, 2.0
"""The formula must meet, within this factor, the count of excursions at the highest threshold that has so many."""

SIGMAS, RISE = 8.0, 0.1
"""An autocorrelation that rises again by so many standard errors, and by so much, is not noise around a decay."""


def normal_scores(score: FloatArray) -> FloatArray:
    """The score (n,) as a standard Gaussian one, by its own ranks; equal scores share the middle one, NaN stays.

    >>> normal_scores(np.array([1.0, 100.0, np.nan, 10.0])).round(2)
    array([-0.97,  0.97,   nan,  0.  ])
    """
    known = np.isfinite(score)
    z = np.full(len(score), np.nan)
    z[known] = ndtri((rankdata(score[known]) - 0.5) / known.sum())
    return z


def autocorrelation(z: FloatArray, lags: int) -> FloatArray:
    """Of a sequence (n,) at the lags 0 to `lags`, over the pairs that both exist; NaN = missing."""
    known = ~np.isnan(z)
    centred = np.where(known, z - z[known].mean(), 0.0)
    mean = _lagged(centred, lags) / np.maximum(_lagged(known.astype(np.float64), lags).round(), 1.0)
    r: FloatArray = mean / mean[0] if mean[0] > 0 else np.eye(1, lags + 1)[0]
    return r


def _lagged(x: FloatArray, lags: int) -> FloatArray:
    size = 1 << (len(x) + lags).bit_length()
    sums: FloatArray = np.fft.irfft(np.abs(np.fft.rfft(x, size)) ** 2, size)[: lags + 1]
    return sums


def rises_again(r: FloatArray, n: int) -> int:
    """The lag at which an autocorrelation has risen again after its decay, as that of a season does; 0 = it has not.

    r: (m,) at the lags 0 to m - 1, of `n` readings
    """
    lowest = np.minimum.accumulate(r)
    decay = r[: int(np.argmax(r < 2 / sqrt(n))) or len(r)]
    rising = np.flatnonzero(np.diff(decay) > 0)
    decay = decay[: rising[0] + 1] if len(rising) else decay
    error = sqrt((1 + 2 * float((decay[1:] ** 2).sum())) / n)
    rise = r - lowest
    return int(np.argmax(rise > 0.95 * rise.max())) if rise.max() > max(SIGMAS * error, RISE) else 0


def crossings(u: float, r: float) -> float:
    """P(z_t <= u < z_t+1), the excursions above u per reading, of a stationary Gaussian sequence; r: at lag 1.

    Of white noise it is p (1 - p):

    >>> p = ndtr(-2.0)
    >>> bool(np.isclose(crossings(2.0, 0.0), p * (1 - p)))
    True

    Source: bivariate normal probability by Owen's T, Annals of Mathematical Statistics 27 (1956), eq. 2.1.
    """
    return float(2 * owens_t(u, sqrt((1 - r) / (1 + r))))


def autoregressions(r: FloatArray, n: int) -> list[tuple[FloatArray, float]]:
    """Coefficients (p,) and innovation deviation of the orders p = 0, 1, … of a Gaussian sequence, by Durbin-Levinson.

    The last is the best by Akaike's criterion for `n` readings; the others begin a path. r: (m,), lags 0 to m - 1.
    """
    fits = [(np.empty(0), 1.0)]
    for p in range(1, len(r)):
        before, deviation = fits[-1]
        partial = (r[p] - before @ r[p - 1 : 0 : -1]) / deviation**2
        partial = float(np.clip(partial, -0.99999, 0.99999))  # gaps in the data can leave no valid correlation
        fits.append((np.append(before - partial * before[::-1], partial), deviation * sqrt(1 - partial**2)))
    criterion = [2 * n * np.log(deviation) + 2 * p for p, (_, deviation) in enumerate(fits)]
    return fits[: max(int(np.argmin(criterion)), 1) + 1]


def survival(u: float, fits: list[tuple[FloatArray, float]], *, longest: int = LONGEST) -> FloatArray:
    """P(an excursion above u lasts at least k readings), k = 1 to `longest`, of a Gaussian autoregression.

    Sequential Monte Carlo over excursions alone, so that rare ones cost no more: each step multiplies the chance of
    one more reading above u, and draws that reading. The same numbers each time. fits: see `autoregressions`.

    Source: the simulator of Geweke, Hajivassiliou and Keane for normal orthants, Hajivassiliou, McFadden and Ruud,
    Journal of Econometrics 72 (1996), with resampling.
    """
    rng, order = np.random.default_rng(0), len(fits) - 1
    first, before = _entries(u, fits[1][0][0], rng)
    history = np.stack([first, before], axis=1)  # newest first
    alive = np.ones(longest)
    for k in range(1, longest):
        coefficients, deviation = fits[min(order, history.shape[1])]
        mean = history[:, : len(coefficients)] @ coefficients
        stays = ndtr((mean - u) / deviation)
        alive[k] = alive[k - 1] * stays.mean()
        if alive[k] < 1e-12:
            alive[k:] = 0.0
            break
        chosen = _resampled(stays, rng)
        drawn = mean[chosen] - deviation * ndtri(rng.uniform(1e-12, 1, PATHS) * stays[chosen])
        history = np.column_stack([drawn, history[chosen]])[:, : max(order, 1)]
    return alive


def _entries(u: float, r: float, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """First readings of excursions (PATHS,) and the readings before them."""
    s = sqrt(1 - r * r)
    top = max(u, 0.0) + 8
    grid = np.linspace(u, min(top, (u + 8 * s) / r) if r > 0 else top, 8001)
    middle = (grid[1:] + grid[:-1]) / 2
    weight = np.exp((u * u - middle**2) / 2) * ndtr((u - r * middle) / s)
    total = np.append(0.0, np.cumsum(weight))
    first = np.interp((np.arange(PATHS) + 0.5) / PATHS, total / total[-1], grid)
    below = ndtr((u - r * first) / s)
    return first, r * first + s * ndtri(rng.uniform(1e-12, 1, PATHS) * below)


def _resampled(weight: FloatArray, rng: np.random.Generator) -> IntArray:
    total = np.cumsum(weight)
    places = (np.arange(len(weight)) + rng.uniform()) / len(weight) * total[-1]
    chosen: IntArray = np.minimum(np.searchsorted(total, places), len(weight) - 1)
    return chosen


def lengths(score: FloatArray, threshold: float) -> IntArray:
    """Of the excursions of a score (n,) at or above a threshold, in readings; NaN ends one.

    >>> lengths(np.array([0.0, 2.0, 3.0, 0.0, 2.0]), 2.0)
    array([2, 1])
    """
    return np.array([last - first + 1 for first, last in events(np.asarray(score >= threshold))], np.int64)


@dataclass(frozen=True, slots=True)
class Excursions:
    """The excursions of a score, predicted from its distribution and its autocorrelation.

    The score is taken for a stationary Gaussian sequence that is seen through its own quantiles. How many excursions
    there are and how long they last in the mean follow from the correlation of neighbours alone; how many last long
    from an autoregression of as many lags as the data speak for. It works for scores whose correlation decays. Where
    it rises again (a season), where the score is not continuous, or where the formula is off by a factor of 2 (large
    scores that come in bursts of their own), `unfit` says so, and what is told are the frequencies in the data. Beyond
    the largest score the tail is taken as exponential, as wide as the mean excess of the upper hundredth.

    score:  (n,) of normal readings, NaN = none
    ranked: (k,) the scores there are, rising
    r1:     correlation of neighbours
    fits:   autoregressions of the orders 0 to the chosen one
    spread: of the tail, in the score's unit
    tested: the threshold at which the formula was held against the data; NaN = too few excursions at any
    unfit:  why the formula does not apply; empty = it does
    """

    score: FloatArray
    ranked: FloatArray
    r1: float
    fits: list[tuple[FloatArray, float]]
    spread: float
    tested: float
    unfit: str

    @classmethod
    def of(cls, score: FloatArray) -> "Excursions":
        """Of a score (n,) of normal readings in order, NaN = none. Raises ValueError where there are too few."""
        ranked = np.sort(score[np.isfinite(score)])
        if len(ranked) < LEAST:
            raise ValueError(f"excursions need at least {LEAST} finite scores of normal readings; got {len(ranked)}")
        r = autocorrelation(normal_scores(score), max(len(score) // CYCLES, ORDER))
        r[1] = float(np.clip(r[1], -0.9999, 0.9999))
        top = ranked[-max(10, len(ranked) // 100) - 1 :]
        spread = max(float((top[1:] - top[0]).mean()), 1e-6 * abs(float(ranked[-1])), 1e-12)
        fits = autoregressions(r[: ORDER + 1], len(ranked))
        made = cls(score, ranked, float(r[1]), fits, spread, _tested(score, ranked), _unfit(ranked, r))
        return made if made.unfit else replace(made, unfit=made._missed())

    @property
    def highest(self) -> float:
        """The largest score; beyond it thresholds are extrapolated."""
        return float(self.ranked[-1])

    def share(self, threshold: float) -> float:
        """Of the readings at or above the threshold."""
        n, above = len(self.ranked), int(len(self.ranked) - np.searchsorted(self.ranked, threshold))
        if above:
            return (above - 0.5 * (above == n)) / n
        return float(np.exp((self.highest - threshold) / self.spread) / (n + 1))

    def threshold(self, share: float) -> float:
        """At or above which this share of the readings lies."""
        n = len(self.ranked)
        if share * (n + 1) < 1:
            return self.highest - self.spread * float(np.log(share * (n + 1)))
        return float(np.quantile(self.ranked, 1 - share))

    def per_reading(self, threshold: float) -> FloatArray:
        """Excursions that last at least k readings, k = 1 to 40, per reading (40,): by the formula, or as observed."""
        return self.observed(threshold) if self.unfit else self.predicted(threshold)

    def predicted(self, threshold: float) -> FloatArray:
        """The same by the formula, whether it applies or not."""
        u = float(-ndtri(self.share(threshold)))
        return crossings(u, self.r1) * survival(u, self.fits)

    def observed(self, threshold: float) -> FloatArray:
        """The same as it was in the data."""
        found = np.minimum(lengths(self.score, threshold), LONGEST)
        counts = np.bincount(found, minlength=LONGEST + 1)[::-1].cumsum()[::-1][1:]
        return counts / len(self.ranked)

    def mean_length(self, threshold: float) -> float:
        """Of the excursions, in readings, by the formula, whether it applies or not."""
        share = self.share(threshold)
        return share / max(crossings(float(-ndtri(share)), self.r1), 1e-300)

    def _missed(self) -> str:
        if np.isnan(self.tested):
            return ""
        predicted, observed = self.predicted(self.tested)[0], self.observed(self.tested)[0]
        if 1 / FACTOR <= predicted / observed <= FACTOR:
            return ""
        n = len(self.ranked)
        return f"above {self.tested:.4g} it predicts {predicted * n:.0f} excursions, and there were {observed * n:.0f}"


def _tested(score: FloatArray, ranked: FloatArray) -> float:
    """The highest threshold with enough excursions to hold a formula against."""
    for share in np.geomspace(TESTED / len(ranked), 0.5, 40):
        threshold = float(np.quantile(ranked, 1 - share))
        if len(lengths(score, threshold)) >= TESTED:
            return threshold
    return nan


def _unfit(ranked: FloatArray, r: FloatArray) -> str:
    values, counts = np.unique(ranked, return_counts=True)
    if len(values) < FEW:
        return f"the score has only {len(values)} distinct values"
    if counts.max() > TIED * len(ranked):
        share = counts.max() / len(ranked)
        return f"{share:.0%} of the scores are the same, {values[counts.argmax()]:.4g}"
    if lag := rises_again(r, len(ranked)):
        return f"the autocorrelation rises again, to {r[lag]:.2f} at a lag of {lag} readings, as that of a season does"
    return ""
