"""What the SPRT counts in place of the score: residuals over the spread of the readings, or averages of scores."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numba import njit

from detectors.base import Batch, FloatArray, IntArray, Scores

FEWEST = 5
"""Readings that must be held before their spread is believed; the companion code's number."""

FLOOR = 1e-12
"""The spread is never taken below this share of the mean: readings that stand still differ by rounding alone."""

HUGE = 1e150
"""Ratios end here, and the spread at its inverse: no quotient overflows."""


@dataclass(slots=True)
class Recent:
    """The last readings.

    ring: (n, d, window) reading k of a variable stands at k % window
    seen: (n, d) readings so far
    """

    ring: FloatArray
    seen: IntArray


@dataclass(slots=True)
class Block:
    """The scores of the average that is being taken.

    scores: (n, window) in order of arrival
    held:   (n,) how many there are
    """

    scores: FloatArray
    held: IntArray


def residuals(state: Recent, batch: Batch, scores: Scores) -> FloatArray:
    """|expected - x| over the standard deviation of the readings before x, (n, d); NaN while there are too few.

    A row without a verdict, and a variable without a reading or an expected value, is passed over. Raises ValueError
    where the detector does not say what it expected.
    """
    if scores.expected is None:
        raise ValueError("SPRT.input = 'residual' needs a detector that says what it expected; take input = 'score'")
    ratio = np.empty(batch.values.shape)
    _residuals(batch.slots, batch.values, scores.score, scores.expected, state.ring, state.seen, ratio)
    return ratio


def averages(state: Block, batch: Batch, scores: Scores) -> FloatArray:
    """The average of `window` scores at the last of them, (n, 1), and NaN at the others: no two share a score."""
    average = np.empty((len(batch), 1))
    _averages(batch.slots, scores.score, state.scores, state.held, average)
    return average


@njit(cache=True, nogil=True)
def _spread(held: FloatArray) -> float:
    mean = float(held.mean())
    spread = sqrt(float(((held - mean) ** 2).mean()))
    return max(spread, FLOOR * abs(mean), 1.0 / HUGE)


@njit(cache=True, nogil=True)
def _residuals(
    slots: IntArray,
    values: FloatArray,
    score: FloatArray,
    expected: FloatArray,
    ring: FloatArray,
    seen: IntArray,
    ratio: FloatArray,
) -> None:
    window = ring.shape[2]
    for i in range(slots.size):
        s = slots[i]
        for j in range(values.shape[1]):
            x, away = values[i, j], abs(expected[i, j] - values[i, j])
            ratio[i, j] = np.nan
            if not (np.isfinite(score[i]) and np.isfinite(away)):
                continue
            c = seen[s, j]
            if c >= FEWEST:
                ratio[i, j] = min(away / _spread(ring[s, j, : min(c, window)]), HUGE)
            ring[s, j, c % window] = x
            seen[s, j] = c + 1


@njit(cache=True, nogil=True)
def _averages(slots: IntArray, score: FloatArray, block: FloatArray, held: IntArray, average: FloatArray) -> None:
    for i in range(slots.size):
        s = slots[i]
        average[i, 0] = np.nan
        if not np.isfinite(score[i]):
            continue
        block[s, held[s]] = score[i]
        held[s] += 1
        if held[s] == block.shape[1]:
            average[i, 0] = block[s].mean()
            held[s] = 0
