"""What a variable's deviation is measured by where its variance says nothing."""

from math import isfinite, sqrt

from numba import njit

UNVARIED = 0.01
"""A variable that never changed has no scale of its own: its first change is measured by this share of its size."""


@njit(cache=True, nogil=True, inline="always")
def deviation_of(var: float, step: float, mean: float, x: float) -> float:
    """Standard deviation, at least half of the smallest change ever seen, the resolution of the sensor.

    A variance alone may collapse: of a constant sensor, and of sparse spikes that are learned clipped.
    step: the smallest change so far, inf = it never changed
    """
    floor = 0.5 * step if isfinite(step) else UNVARIED * max(abs(mean), abs(x))
    return max(sqrt(var), floor)


@njit(cache=True, nogil=True, inline="always")
def smallest_step(step: float, x: float, last: float) -> float:
    """The smallest change so far, this reading included."""
    return min(step, abs(x - last)) if x != last else step
