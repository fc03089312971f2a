"""The proof that each record is one whole JSON value, before records are joined.

Records that are cut off can balance each other's brackets: joined, three broken ones make three valid objects. Here
every record is shown to close what it opens, with its last byte and not before. A parser that then accepts the joined
text has read each of them as one value, whatever else is in it.
"""

import numpy as np
from numba import njit

from connectors.base import Column, IntArray
from connectors.octets import Octets, octets, utf8_end
from streams.decode.octets import CodeArray

BROKEN, OBJECT, ARRAY, BAD_UTF8, DEEP = range(5)
DEPTH = 64
"""deepest nesting that is read; far below where a parser's own limit, which depends on its caller's stack, begins"""


def prove(values: Column) -> CodeArray:
    """(n,) what each value is: OBJECT, ARRAY, or what is wrong with it. None is null."""
    kinds = np.zeros(len(values), np.int8)
    starts, ends = np.ascontiguousarray(values.starts), np.ascontiguousarray(values.ends)
    _prove(octets(values.data), starts, ends, kinds)
    return kinds


@njit(cache=True, nogil=True)
def _prove(b: Octets, starts: IntArray, ends: IntArray, kinds: CodeArray) -> None:
    for i in range(starts.size):
        p, end = starts[i], ends[i]
        while p < end and (b[p] == 32 or b[p] == 10 or b[p] == 13 or b[p] == 9):
            p += 1
        kind = BROKEN
        if p < end and (b[p] == 123 or b[p] == 91):
            kind = OBJECT if b[p] == 123 else ARRAY
        depth, deepest, closed = 0, 0, False
        while p < end:
            c = b[p]
            if closed and not (c == 32 or c == 10 or c == 13 or c == 9):
                kind = BROKEN
            if c == 34:
                p = _string_end(b, p + 1, end)
                if p < 0:
                    break
                kind = kind if p < end else BROKEN
            elif c == 123 or c == 91:
                depth += 1
                deepest = max(deepest, depth)
            elif c == 125 or c == 93:
                depth -= 1
                closed = depth <= 0
            elif c >= 128:
                p = utf8_end(b, p, end) - 1
                if p < 0:
                    break
                kind = BROKEN
            p += 1
        if p < 0:
            kind = BAD_UTF8
        elif kind in (OBJECT, ARRAY):
            kind = DEEP if deepest > DEPTH else kind if closed and depth == 0 else BROKEN
        kinds[i] = kind


@njit(cache=True, nogil=True)
def _string_end(b: Octets, p: int, end: int) -> int:
    """The quote that ends the string whose first byte is at p; `end` if there is none; -2 if it is not UTF-8."""
    while p < end:
        c = b[p]
        if c == 34:
            return p
        if c >= 128:
            p = utf8_end(b, p, end)
            if p < 0:
                return -2
        elif c == 92 and p + 1 < end and b[p + 1] < 128:
            p += 2
        else:
            p += 1
    return end
