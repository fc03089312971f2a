"""Bytes as arrays that kernels read: one type for all of them, so that each kernel is compiled once."""

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from connectors.base import Column, IntArray

Octets = NDArray[np.uint8]
CodeArray = NDArray[np.int8]


def octets(data: bytes) -> Octets:
    """The bytes as a read-only array over the same memory."""
    array = np.frombuffer(data, np.uint8) if len(data) else np.zeros(0, np.uint8)
    array.flags.writeable = False
    return array


def column(texts: Sequence[str]) -> Column:
    """A column of these texts, as UTF-8."""
    text = "".join(texts)
    data = text.encode()
    if len(data) == len(text):
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    else:
        lengths = np.fromiter((len(each.encode()) for each in texts), np.int64, len(texts))
    ends = np.cumsum(lengths)
    return Column(data, ends - lengths, ends)


@njit(cache=True, nogil=True)
def gather(b: Octets, starts: IntArray, ends: IntArray, out: Octets, first: int, gap: int) -> int:
    """Copy the strings one behind the other into `out` from `first`, a comma in each gap of one; where they end."""
    o = first
    for i in range(starts.size):
        if gap and i:
            out[o] = 44
            o += 1
        for p in range(starts[i], ends[i]):
            out[o] = b[p]
            o += 1
    return o


def joined(strings: Column) -> bytes:
    """The strings as elements of one JSON array, none of them null."""
    starts, ends = np.ascontiguousarray(strings.starts), np.ascontiguousarray(strings.ends)
    out = np.empty(int((ends - starts).sum()) + len(starts) + 2, np.uint8)
    out[0] = ord("[")
    end = gather(octets(strings.data), starts, ends, out, 1, 1)
    out[end] = ord("]")
    return out[: end + 1].data  # type: ignore[return-value]


def stacked(columns: Sequence[Column]) -> Column:
    """The strings of several columns, none of them null, in one buffer that holds nothing else."""
    lengths = np.concatenate([each.ends - each.starts for each in columns])
    out, ends, first = np.empty(int(lengths.sum()), np.uint8), np.cumsum(lengths), 0
    for each in columns:
        starts, stops = np.ascontiguousarray(each.starts), np.ascontiguousarray(each.ends)
        first = gather(octets(each.data), starts, stops, out, first, 0)
    return Column(out.tobytes(), ends - lengths, ends)


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


@njit(cache=True, nogil=True)
def not_utf8(b: Octets, starts: IntArray, ends: IntArray, bad: CodeArray) -> None:
    """Set `bad` to 1 where a string is not UTF-8."""
    for i in range(starts.size):
        p = starts[i]
        while 0 <= p < ends[i]:
            p = p + 1 if b[p] < 128 else utf8_end(b, p, ends[i])
        bad[i] = p < 0
