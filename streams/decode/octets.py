"""Columns of strings joined, stacked and judged."""

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from connectors.base import Column, IntArray
from connectors.octets import Octets, octets, utf8_end

CodeArray = NDArray[np.int8]


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
def not_utf8(b: Octets, starts: IntArray, ends: IntArray, bad: CodeArray) -> None:
    """Set `bad` to 1 where a string is not UTF-8."""
    for i in range(starts.size):
        p = starts[i]
        while 0 <= p < ends[i]:
            p = p + 1 if b[p] < 128 else utf8_end(b, p, ends[i])
        bad[i] = p < 0
