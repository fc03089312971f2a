"""Series names to rows of state: a hash table of byte strings that looks up whole columns at a time."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.base import IntArray, UInt8Array

FREE = -1
"""In `table`: nothing here. In `starts`: the row belongs to nobody."""

FULL = -1
"""Returned in place of a row when the table holds as many names as it may."""

USED, FREED, BYTES = 0, 1, 2
"""Positions in `counts`: rows ever used, rows given back, bytes used in the pool."""


class NameTable(NamedTuple):
    """The arrays behind Names, as the kernels take them.

    table:  (2**k,) row whose name hashes here, FREE = none; linear probing
    pool:   bytes of all names
    starts: (rows,) first byte of the row's name, FREE = no name
    ends:   (rows,) one past the last byte
    freed:  (rows,) stack of rows given back
    counts: (3,) see USED, FREED, BYTES
    """

    table: IntArray
    pool: UInt8Array
    starts: IntArray
    ends: IntArray
    freed: IntArray
    counts: IntArray


@njit(cache=True, nogil=True, inline="always")
def _hash(data: UInt8Array, start: int, end: int) -> int:
    """FNV-1a, 64 bit; 0 <= hash < 2**63."""
    h = np.uint64(14695981039346656037)
    for i in range(start, end):
        h = (h ^ np.uint64(data[i])) * np.uint64(1099511628211)
    return int((h ^ (h >> np.uint64(32))) & np.uint64(0x7FFFFFFFFFFFFFFF))


@njit(cache=True, nogil=True, inline="always")
def _find(
    table: IntArray,
    pool: UInt8Array,
    firsts: IntArray,
    lasts: IntArray,
    data: UInt8Array,
    start: int,
    end: int,
) -> tuple[int, int]:
    """(row, place in the table) of this name; row FREE if it is not there, with the place where it would go."""
    mask = table.size - 1
    size = end - start
    place = _hash(data, start, end) & mask
    while True:
        row = table[place]
        if row == FREE:
            return FREE, place
        if lasts[row] - firsts[row] == size:
            first, differ = firsts[row], np.uint8(0)
            for i in range(size):  # without a branch, so that it is done many bytes at a time
                differ |= pool[first + i] ^ data[start + i]
            if differ == 0:
                return row, place
        place = (place + 1) & mask


@njit(cache=True, nogil=True, inline="always")
def find_or_add(
    table: IntArray,
    pool: UInt8Array,
    firsts: IntArray,
    lasts: IntArray,
    freed: IntArray,
    counts: IntArray,
    data: UInt8Array,
    start: int,
    end: int,
    most: int,
) -> int:
    """Row of this name, a new one if need be; FULL if there are `most` names already.

    Takes the arrays of a NameTable one by one: taking them out of the tuple for each name would cost ten times as much.
    There must be room in every array (Names.reserve).
    """
    row, place = _find(table, pool, firsts, lasts, data, start, end)
    if row != FREE:
        return int(row)
    if counts[USED] - counts[FREED] >= most:
        return FULL
    if counts[FREED] > 0:
        counts[FREED] -= 1
        row = freed[counts[FREED]]
    else:
        row = counts[USED]
        counts[USED] += 1
    first = counts[BYTES]
    for i in range(end - start):
        pool[first + i] = data[start + i]
    firsts[row], lasts[row] = first, first + end - start
    counts[BYTES] = first + end - start
    table[place] = row
    return int(row)


@njit(cache=True, nogil=True)
def _fill(names: NameTable) -> None:
    table, pool, firsts, lasts, _, counts = names
    table[:] = FREE
    for row in range(counts[USED]):
        if firsts[row] != FREE:
            _, place = _find(table, pool, firsts, lasts, pool, firsts[row], lasts[row])
            table[place] = row


@njit(cache=True, nogil=True)
def _add_all(names: NameTable, data: UInt8Array, starts: IntArray, ends: IntArray, most: int) -> IntArray:
    table, pool, firsts, lasts, freed, counts = names
    rows = np.empty(starts.size, np.int64)
    for i in range(starts.size):
        rows[i] = find_or_add(table, pool, firsts, lasts, freed, counts, data, starts[i], ends[i], most)
    return rows


class Names:
    """Which row of the state belongs to which name.

    Rows are handed out in order of first appearance; a row given back is the next to be used again.

    >>> names = Names()
    >>> names.add([b"pump-1", b"pump-2", b"pump-1"]).tolist()
    [0, 1, 0]
    >>> names.drop(np.array([0])); names.add([b"pump-3", b"pump-2"]).tolist()
    [0, 1]
    >>> names[1], len(names)
    (b'pump-2', 2)
    """

    def __init__(self) -> None:
        empty = np.full(16, FREE, np.int64)
        pool = np.zeros(256, np.uint8)
        self.arrays = NameTable(empty.copy(), pool, empty.copy(), empty.copy(), empty.copy(), np.zeros(3, np.int64))

    @property
    def used(self) -> int:
        """Rows that were ever used: the state needs so many."""
        return int(self.arrays.counts[USED])

    def __len__(self) -> int:
        return int(self.arrays.counts[USED] - self.arrays.counts[FREED])

    def __getitem__(self, row: int) -> bytes:
        start, end = int(self.arrays.starts[row]), int(self.arrays.ends[row])
        if start == FREE:
            raise KeyError(row)
        return self.arrays.pool[start:end].tobytes()

    def rows(self) -> IntArray:
        """The rows in use, rising."""
        return np.flatnonzero(self.arrays.starts[: self.used] != FREE)

    def reserve(self, names: int, size: int) -> None:
        """Make room for so many more names of so many bytes together."""
        a = self.arrays
        rows, pool, table = a.starts.size, a.pool.size, a.table.size
        while rows < self.used + names:
            rows *= 2
        while pool < a.counts[BYTES] + size:
            pool *= 2
        while table < 2 * rows:
            table *= 2
        self.arrays = a._replace(
            pool=_widen(a.pool, pool, 0),
            starts=_widen(a.starts, rows, FREE),
            ends=_widen(a.ends, rows, FREE),
            freed=_widen(a.freed, rows, FREE),
        )
        if table != a.table.size:
            self.arrays = self.arrays._replace(table=np.full(table, FREE, np.int64))
            _fill(self.arrays)

    def add(self, names: list[bytes], most: int = 2**62) -> IntArray:
        """Rows of these names, new ones for the unknown; FULL for those that no longer fit among `most`."""
        ends = np.cumsum(np.fromiter(map(len, names), np.int64, len(names)))
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
        data = np.frombuffer(b"".join(names), np.uint8)
        self.reserve(len(names), data.size)
        return _add_all(self.arrays, data, starts[: ends.size], ends, most)

    def drop(self, rows: IntArray) -> None:
        """Forget the names of these rows; the rows may be given to others."""
        a = self.arrays
        freed = int(a.counts[FREED])
        a.freed[freed : freed + len(rows)] = rows
        a.counts[FREED] += len(rows)
        a.starts[rows] = a.ends[rows] = FREE
        self._compact()

    def _compact(self) -> None:
        a = self.arrays
        rows = self.rows()
        sizes = a.ends[rows] - a.starts[rows]
        if 2 * sizes.sum() < a.counts[BYTES]:
            kept = b"".join(self[int(row)] for row in rows)
            a.ends[rows] = np.cumsum(sizes)
            a.starts[rows] = a.ends[rows] - sizes
            a.pool[: len(kept)] = np.frombuffer(kept, np.uint8)
            a.counts[BYTES] = len(kept)
        _fill(a)

    def dump(self) -> dict[str, NDArray[Any]]:
        """Named arrays: lengths (rows,) with FREE for rows in nobody's use, the bytes in row order, the freed rows."""
        a, used, rows = self.arrays, self.used, self.rows()
        lengths = np.full(used, FREE, np.int64)
        lengths[rows] = a.ends[rows] - a.starts[rows]
        data = b"".join(self[int(row)] for row in rows)
        freed = a.freed[: a.counts[FREED]].copy()
        return {"lengths": lengths, "bytes": np.frombuffer(data, np.uint8), "freed": freed}

    @classmethod
    def load(cls, dumped: dict[str, NDArray[Any]]) -> "Names":
        """The names of a dump."""
        names = cls()
        lengths, data, freed = dumped["lengths"], dumped["bytes"], dumped["freed"]
        names.reserve(lengths.size, data.size)
        a = names.arrays
        rows = np.flatnonzero(lengths != FREE)
        a.ends[rows] = np.cumsum(lengths[rows])
        a.starts[rows] = a.ends[rows] - lengths[rows]
        a.pool[: data.size] = data
        a.freed[: freed.size] = freed
        a.counts[:] = lengths.size, freed.size, data.size
        _fill(a)
        return names


def _widen(array: NDArray[Any], size: int, fill: int) -> NDArray[Any]:
    if size == array.size:
        return array
    wider = np.full(size, fill, array.dtype)
    wider[: array.size] = array
    return wider
