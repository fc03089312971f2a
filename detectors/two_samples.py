"""How far two samples of one size lie apart by Kolmogorov and Smirnov, in readings, and how improbable that is."""

from collections.abc import Callable
from math import comb

from numba import njit

from detectors.base import FloatArray


def p_value(*, size: int, distance: int) -> float:
    """Probability that two samples of this size from one continuous distribution lie this many readings apart or more.

    distance: at least 1. Exact: 2 * sum over k >= 1 of (-1)**(k + 1) * binomial(2n, n - k d) / binomial(2n, n).
    """
    paths: int = sum((-1) ** (k + 1) * comb(2 * size, size - k * distance) for k in range(1, size // distance + 1))
    return float(2 * paths / comb(2 * size, size))


def smallest_distance(*, size: int, least: int, decides: Callable[[float], bool]) -> int:
    """The smallest distance from `least` on whose p-value decides; size + 1 where none does."""
    low, high = least, size + 1
    while low < high:
        middle = (low + high) // 2
        if decides(p_value(size=size, distance=middle)):
            high = middle
        else:
            low = middle + 1
    return low


@njit(cache=True, nogil=True)
def distance(a: FloatArray, b: FloatArray) -> int:
    """Largest difference between the numbers of readings up to any value in two ordered samples of one size."""
    i, j, largest = 0, 0, 0
    while i < a.size and j < b.size:
        x = min(a[i], b[j])
        while i < a.size and a[i] == x:
            i += 1
        while j < b.size and b[j] == x:
            j += 1
        largest = max(largest, abs(i - j))
    return largest
