"""Scores that need no detector: what a method must beat before anyone should trust its figures."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from detectors.base import FloatArray

WINDOW = 100
"""rows of the moving variance"""


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
