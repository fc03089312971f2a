"""Time of day as a few active bits on a ring."""

from math import ceil

from numba import njit

from detectors.base import IntArray

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
"""ns"""


def ring_bits(on: int, radius: float) -> int:
    """Bits on the ring where times of day `radius` hours apart share none of their `on` bits; none for radius 0."""
    return ceil(on * 24.0 / radius) if radius else 0


@njit(cache=True, nogil=True)
def encode(time: int, bits: int, offset: int, active: IntArray) -> None:
    """Write the active bits (w,) of the time of day, in UTC, each in [offset, offset + bits).

    time: ns since 1970, UTC
    """
    first = int((time % DAY) / DAY * bits) - active.size // 2
    for k in range(active.size):
        active[k] = offset + (first + k) % bits
