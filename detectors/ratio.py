"""How far a score is on the way to its threshold, whatever its unit."""

import numpy as np

from detectors.base import FloatArray

HUGE = 1e150
"""Ratios end here: their sums and squares do not overflow."""


def ratio(score: FloatArray, threshold: FloatArray) -> FloatArray:
    """Score over threshold (n,): 1 at the threshold, rising with the score; NaN = no verdict.

    A threshold at or below 0 has no ratio; there it is 1 and the distance to it in units of its own size.
    """
    size = np.where(threshold == 0.0, 1.0, np.abs(threshold))
    with np.errstate(over="ignore"):
        above = (score - threshold) / size + 1.0
        return np.clip(np.where(threshold > 0.0, score / size, above), -HUGE, HUGE)
