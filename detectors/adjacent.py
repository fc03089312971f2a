"""Two adjacent windows of every series, the last readings and those before them, both kept in order of size."""

from dataclasses import dataclass
from math import inf

import numpy as np
from numba import njit

from detectors.base import FloatArray, IntArray


@dataclass(slots=True)
class Adjacent:
    """The last 2 * window readings of each series.

    ring:      (n, 2 * window) reading k of a series stands at k % (2 * window)
    reference: (n, window) the older half in rising order, inf where there is none yet
    recent:    (n, window) the newer half in rising order, likewise
    seen:      (n,) readings so far
    """

    ring: FloatArray
    reference: FloatArray
    recent: FloatArray
    seen: IntArray


def adjacent(n: int, window: int) -> Adjacent:
    """The windows of series that have seen nothing."""
    return Adjacent(
        ring=np.zeros((n, 2 * window)),
        reference=np.full((n, window), inf),
        recent=np.full((n, window), inf),
        seen=np.zeros(n, np.int64),
    )


@njit(cache=True, nogil=True)
def _replace(ordered: FloatArray, old: float, new: float) -> None:
    """Put `new` in the place of `old`, which is there, and move what lies between them."""
    k = int(np.searchsorted(ordered, old))
    while k + 1 < ordered.size and ordered[k + 1] < new:
        ordered[k] = ordered[k + 1]
        k += 1
    while k > 0 and ordered[k - 1] > new:
        ordered[k] = ordered[k - 1]
        k -= 1
    ordered[k] = new


@njit(cache=True, nogil=True)
def slide(ring: FloatArray, reference: FloatArray, recent: FloatArray, seen: int, x: float) -> bool:
    """Move both windows of one series on by a reading, the `seen`-th from 0; whether both are full."""
    window = recent.size
    if seen < window:
        _replace(recent, inf, x)
    else:
        between = ring[(seen - window) % ring.size]
        _replace(recent, between, x)
        _replace(reference, inf if seen < ring.size else ring[seen % ring.size], between)
    ring[seen % ring.size] = x
    return seen + 1 >= ring.size
