"""What the SPRT knows of each series."""

from dataclasses import dataclass

import numpy as np

from detectors.base import FloatArray, IntArray
from detectors.sprt_inputs import Block, Recent


@dataclass(slots=True)
class SequentialTests:
    """Sequential tests: of the rows of a batch, or those that found a drift and wait for others to make a majority.

    started:  ns, when each began
    readings: t; 0 = there is none
    count:    C_t
    limit:    the A of each
    """

    started: IntArray
    readings: IntArray
    count: IntArray
    limit: FloatArray

    def at(self, index: IntArray | tuple[IntArray, int]) -> "SequentialTests":
        """Those at `index`."""
        return SequentialTests(self.started[index], self.readings[index], self.count[index], self.limit[index])


def no_tests(shape: tuple[int, ...], limit: float) -> SequentialTests:
    """Room for tests with this A."""
    started, readings, count = (np.zeros(shape, np.int64) for _ in range(3))
    return SequentialTests(started, readings, count, np.full(shape, limit))


@dataclass(slots=True)
class SPRTState:
    """What each series has seen: (n,), and for residuals (n, d), since every variable has a test of its own.

    largest:   (..., k) the largest of the warm-up, the largest first: all that the quantile needs; k = 0 without one
    seen:      scores of the warm-up
    threshold: what the warm-up chose; NaN until then
    readings:  t, scores since the test began
    count:     C_t, those above the threshold
    started:   ns, time of the first of them
    source:    what residuals and averages are made of; None = the score is taken as it comes
    votes:     the tests that found a drift; None = there is one test
    widened:   ln of the factor by which A stands higher now; None = it never does
    """

    largest: FloatArray
    seen: IntArray
    threshold: FloatArray
    readings: IntArray
    count: IntArray
    started: IntArray
    source: Recent | Block | None
    votes: SequentialTests | None
    widened: FloatArray | None
