"""Scores that need no detector: what a method must beat before anyone should trust its figures."""

from math import log, nan, sqrt

import numpy as np
from numba import njit
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import log_ndtr

from detectors.base import FloatArray

WINDOW = 100
"""rows of the moving variance"""

FAR = 1e150
"""Standard deviations at most: the logarithm of their probability is a finite number."""


def constant(rows: int) -> FloatArray:
    """The same score for every row (rows,): what a metric gives to somebody who says nothing."""
    return np.zeros(rows)


def random(rows: int, *, seed: int = 0) -> FloatArray:
    """A score (rows,) that knows nothing, uniform in 0 to 1, the same for the same seed."""
    return np.random.default_rng(seed).random(rows)


def moving_variance(values: FloatArray, *, probation: int, window: int = WINDOW) -> FloatArray:
    """Variance of the last `window` readings, this one included, as the mean over the variables; (rows,).

    values:    (rows, d), NaN = missing, which repeats the reading before
    probation: first rows, whose deviation is the unit of each variable; they, and the first window, have no score

    Foundation models were found not to be significantly better than this and the squared difference: core.md 5.2.
    """
    scaled = _scaled(values, probation)
    score = np.full(len(scaled), np.nan)
    if len(scaled) >= window:
        # not by running sums, which lose their digits far from zero; by column, for the windows take memory
        columns = [sliding_window_view(column, window).var(axis=1) for column in scaled.T]
        score[window - 1 :] = np.mean(columns, axis=0)
    score[:probation] = np.nan
    return score


def squared_difference(values: FloatArray, *, probation: int) -> FloatArray:
    """Square of the step from the reading before, as the mean over the variables; arguments as above; (rows,)."""
    scaled = _scaled(values, probation)
    score = np.full(len(scaled), np.nan)
    score[1:] = (np.diff(scaled, axis=0) ** 2).mean(axis=1)
    score[:probation] = np.nan
    return score


def windowed_gaussian(values: FloatArray, *, probation: int, window: int = 6400, step: int = 100) -> FloatArray:
    """How improbable a reading is by the mean and deviation of the last `window` ones, as -log10 of the tail; (rows,).

    values:    (rows, d), NaN = missing, which repeats the reading before; of several variables the largest score counts
    probation: first rows, which have no score
    step:      readings between two fits once the window is full, and after every reading before

    The windowed Gaussian of the Numenta Anomaly Benchmark: 1 - 10**-score is what it publishes. That is 1.0 for all
    that lies more than 8 deviations away; the logarithm ranks as it does below, and goes on to rank above.
    """
    distance = np.stack([_distances(column, window, step) for column in np.ascontiguousarray(_filled(values).T)])
    score: FloatArray = -log_ndtr(-np.minimum(distance.max(axis=0), FAR)) / log(10.0)
    score[:probation] = np.nan
    return score


@njit(cache=True, nogil=True)
def _distances(x: FloatArray, window: int, step: int) -> FloatArray:
    """Standard deviations (rows,) from the mean, both of the past; a deviation of 0 counts as 1e-6, as published."""
    distance = np.empty(x.size)
    mean, squares = nan, 0.0
    for i in range(x.size):
        deviation = sqrt(squares / min(i, window)) if i else 0.0
        distance[i] = abs(x[i] - mean) / (deviation if deviation > 0.0 else 1e-6)
        if i == 0:
            mean = x[0]
        elif i < window:
            before = x[i] - mean
            mean += before / (i + 1)
            squares += before * (x[i] - mean)
        elif (i + 1 - window) % step == 0:
            last = x[i + 1 - window : i + 1]
            mean = last.mean()
            squares = ((last - mean) ** 2).sum()
    return distance


def _scaled(values: FloatArray, probation: int) -> FloatArray:
    """In units of each variable's deviation during probation, and of 1 where it stood still."""
    filled = _filled(values)
    deviation = filled[:probation].std(axis=0) if probation else np.ones(filled.shape[1])
    return filled / np.where(deviation > 0, deviation, 1.0)


def _filled(values: FloatArray) -> FloatArray:
    """Missing readings repeat the one before; 0 before the first."""
    known = np.isfinite(values)
    last = np.maximum.accumulate(np.where(known, np.arange(len(values))[:, None], -1), axis=0)
    return np.where(last >= 0, np.take_along_axis(np.nan_to_num(values), np.maximum(last, 0), axis=0), 0.0)
