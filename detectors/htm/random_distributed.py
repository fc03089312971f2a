"""Random distributed scalar encoder: a bucket of values as a few active bits out of many."""

import numpy as np
from numba import njit

from detectors.base import IntArray
from detectors.hashing import drawn

FURTHEST = 500.0
"""Buckets on either side that are told apart, as in NuPIC; what lies beyond stands in the last."""


@njit(cache=True, nogil=True)
def bucket(x: float, centre: float, resolution: float) -> int:
    """Which bucket of this width a value falls into; bucket 0 lies around the centre."""
    return int(np.rint(min(max((x - centre) / resolution, -FURTHEST), FURTHEST)))


@njit(cache=True, nogil=True)
def encode(number: int, bits: int, seed: int, active: IntArray) -> None:
    """Write the active bits (w,) of a bucket, each below `bits`, no two the same.

    Bit k of bucket b is a function of b + k alone, so that buckets at distance d < w share w - d bits. The bits are w
    groups, each bucket has one in every group, and neighbours w apart take the next place of the group. Over a span of
    `bits` buckets, the middle one around bucket 0, no place is taken twice: buckets further apart than w share none.
    Each span is shifted by a hash of its own, so that buckets of two spans share w^2 / bits by chance, about 1 of 21.
    """
    w = active.size
    places = bits // w
    first = number + (w * places) // 2
    for k in range(w):
        group, turn = (first + k) % w, (first + k) // w
        shift = drawn(seed, turn // places, group, places)
        active[k] = group * places + (turn + shift) % places
