"""Bytes as arrays that kernels read, and UTF-8 as they read it."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Octets = NDArray[np.uint8]


def octets(data: bytes) -> Octets:
    """The bytes as a read-only array over the same memory: one type for all, so that each kernel is compiled once."""
    array = np.frombuffer(data, np.uint8) if len(data) else np.zeros(0, np.uint8)
    array.flags.writeable = False
    return array


@njit(cache=True, nogil=True)
def utf8_end(b: Octets, p: int, end: int) -> int:
    """One past the character at p, a byte of 128 or more; -1 = not UTF-8 (Unicode 15, table 3-7)."""
    c = b[p]
    length = 2 if 0xC2 <= c <= 0xDF else 3 if 0xE0 <= c <= 0xEF else 4 if 0xF0 <= c <= 0xF4 else 0
    if length == 0 or p + length > end:
        return -1
    low = 0xA0 if c == 0xE0 else 0x90 if c == 0xF0 else 0x80
    high = 0x9F if c == 0xED else 0x8F if c == 0xF4 else 0xBF
    if b[p + 1] < low or b[p + 1] > high:
        return -1
    for q in range(p + 2, p + length):
        if b[q] < 0x80 or b[q] > 0xBF:
            return -1
    return p + length
