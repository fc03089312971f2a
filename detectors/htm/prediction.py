"""Value prediction: a softmax regression from active cells to classes of values."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.base import FloatArray, IntArray

RATE = 1.5
"""Step of the logits at an error of 1, shared by the active cells; 0.036 for each of 40 as in NuPIC's parameters."""

MEMORY = 0.3
"""Weight of the newest reading in the mean of its class."""

Weights = NDArray[np.float32]


@dataclass(slots=True)
class PredictionState:
    """What the cells say of the next value.

    weights: (n, cells, classes)
    means:   (n, classes) of the readings of each class, exponentially weighted
    """

    weights: Weights
    means: FloatArray


def init(n: int, cells: int, classes: int) -> PredictionState:
    """State of `n` series that have seen nothing."""
    return PredictionState(np.zeros((n, cells, classes), np.float32), np.zeros((n, classes)))


@njit(cache=True, nogil=True)
def probabilities(weights: Weights, active: IntArray) -> FloatArray:
    """Of each class (classes,), given the active cells."""
    logits = np.zeros(weights.shape[1])
    for cell in active:
        for k in range(logits.size):
            logits[k] += weights[cell, k]
    p: FloatArray = np.exp(logits - logits.max())
    p /= p.sum()
    return p


@njit(cache=True, nogil=True)
def learn(weights: Weights, means: FloatArray, active: IntArray, p: FloatArray, came: int, x: float) -> None:
    """Teach the cells that were active when `p` was foretold that class `came`, with value x, was next."""
    means[came] = (1.0 - MEMORY) * means[came] + MEMORY * x
    change = -RATE / max(active.size, 1) * p
    change[came] += RATE / max(active.size, 1)
    for cell in active:
        for k in range(p.size):
            weights[cell, k] += change[k]
