"""The kernels of line protocol: names judged, and lines woven of texts that stand in columns."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from connectors.base import IntArray
from connectors.octets import Octets, utf8_end

CodeArray = NDArray[np.int8]

EMPTY, NOT_UTF8, LINE_BREAK, BACKSLASH = 1, 2, 3, 4
"""what is wrong with a series"""

INTEGER, BOOLEAN = 1, 2
"""how a value is written; 0 = as its number is"""


@njit(cache=True, nogil=True)
def judge(b: Octets, starts: IntArray, ends: IntArray, codes: CodeArray) -> int:
    """Set the code of what is wrong with each series; how many bytes all of them take when escaped."""
    size = 0
    for i in range(starts.size):
        p, end = starts[i], ends[i]
        if end <= p:
            codes[i] = EMPTY
            continue
        if b[end - 1] == 92:
            codes[i] = BACKSLASH
        size += end - p
        while 0 <= p < end:
            c = b[p]
            size += _special(c)
            if c == 10 or c == 13:
                codes[i] = LINE_BREAK
            p = p + 1 if c < 128 else utf8_end(b, p, end)
        if p < 0:
            codes[i] = NOT_UTF8
    return size


# The loops below know that no index is negative. Unsigned, it costs no test for counting from the end: twice the speed.


@njit(cache=True, nogil=True)
def _special(c: int) -> bool:
    return c == 32 or c == 44 or c == 61


@njit(cache=True, nogil=True)
def _copied(b: Octets, first: int, last: int, out: Octets, o: int) -> int:
    """Copy b[first:last] to `out` from o; where the copy ends."""
    for k in range(last - first):
        out[np.uintp(o + k)] = b[np.uintp(first + k)]
    return o + last - first


@njit(cache=True, nogil=True)
def _escaped(b: Octets, first: int, last: int, out: Octets, o: int) -> int:
    """Copy with a backslash before every special character; where the copy ends."""
    for p in range(first, last):
        c = b[np.uintp(p)]
        if _special(c):
            out[np.uintp(o)] = 92
            o += 1
        out[np.uintp(o)] = c
        o += 1
    return o


@njit(cache=True, nogil=True)
def _number(texts: Octets, p: int, out: Octets, o: int) -> tuple[int, int]:
    """Copy up to the comma behind the number at p; where the next one is, and where the copy ends."""
    c = texts[np.uintp(p)]
    while c != 44:
        out[np.uintp(o)] = c
        p, o = p + 1, o + 1
        c = texts[np.uintp(p)]
    return p + 1, o


@njit(cache=True, nogil=True)
def _value(texts: Octets, p: int, suffix: int, out: Octets, o: int) -> tuple[int, int]:
    """The same as line protocol writes a value: integers end in i, booleans are one letter."""
    if suffix == BOOLEAN:
        out[o] = texts[p]
        return p + (5 if texts[p] == 116 else 6), o + 1
    p, o = _number(texts, p, out, o)
    if suffix == INTEGER:
        out[o] = 105
        o += 1
    return p, o


@njit(cache=True, nogil=True)
def _fields(
    names: Octets, name_ends: IntArray, suffixes: CodeArray, texts: Octets, cursors: IntArray, out: Octets, o: int
) -> int:
    """Write the fields of one line that are not null, with commas between; where they end."""
    begin, name = o, 0
    for f in range(suffixes.size):
        first, name, p = name, name_ends[f], cursors[f]
        if texts[p] == 110:  # null
            cursors[f] = p + 5
            continue
        if o > begin:
            out[o] = 44
            o += 1
        o = _copied(names, first, name, out, o)
        cursors[f], o = _value(texts, p, suffixes[f], out, o)
    return o


@njit(cache=True, nogil=True)
def weave(
    frame: tuple[Octets, Octets, Octets, IntArray, CodeArray],
    series: tuple[Octets, IntArray, IntArray],
    texts: Octets,
    cursors: IntArray,
    out: Octets,
    line_ends: IntArray,
) -> int:
    """Write the lines; one without a field is empty. `cursors`: the next number of each field, and the next time."""
    head, tail, names, name_ends, suffixes = frame
    b, starts, ends = series
    line = 0
    for i in range(starts.size):
        o = _copied(head, 0, head.size, out, line)
        o = _escaped(b, starts[i], ends[i], out, o)
        fields = _copied(tail, 0, tail.size, out, o)
        o = _fields(names, name_ends, suffixes, texts, cursors, out, fields)
        out[o] = 32
        cursors[-1], time = _number(texts, cursors[-1], out, o + 1)
        out[time] = 10
        line = time + 1 if o > fields else line
        line_ends[i] = line
    return line
