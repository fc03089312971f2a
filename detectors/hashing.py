"""Numbers that look random and depend on nothing but the keys they are asked for."""

import numpy as np
from numba import njit

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)
S27, S30, S31, S33 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(33)


@njit(cache=True, nogil=True, inline="always")
def hashed(seed: int, a: int, b: int) -> np.uint64:
    """64 bits for three signed integers: the finaliser of SplitMix64, once for each."""
    h = np.uint64(0)
    for part in (seed, a, b):
        h = (h ^ np.uint64(part)) + GOLDEN
        h = (h ^ (h >> S30)) * FIRST
        h = (h ^ (h >> S27)) * SECOND
        h = h ^ (h >> S31)
    return h


@njit(cache=True, nogil=True, inline="always")
def drawn(seed: int, a: int, b: int, below: int) -> int:
    """An integer in [0, below)."""
    return int(np.int64(hashed(seed, a, b) >> S33) % below)
