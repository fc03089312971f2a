"""A drift test's statistic: 1 and more is a decision, and nothing else is."""

from math import nextafter

from numba import njit

BELOW = nextafter(1.0, 0.0)
"""The largest statistic that is no decision."""


@njit(cache=True, nogil=True, inline="always")
def statistic_of(ratio: float, drift: bool) -> float:
    """How far a test has come, on the side of 1 where its decision is: rounding must not say otherwise."""
    return max(ratio, 1.0) if drift else min(ratio, BELOW)
