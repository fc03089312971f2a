"""Readings held back within a lateness, so that those which arrive out of order leave in order."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.base import FloatArray, IntArray
from detectors.names import FULL
from streams.order import DUPLICATE, HELD, TAKEN, Rows, judge

NONE = -1


class HoldBack:
    """Readings that wait until the clock has passed their time by the lateness.

    They leave in the order of their times, those of equal time in order of arrival. A binary heap of rows in a pool;
    the readings of one series are chained, so that a double is found at once.
    """

    def __init__(self, variables: int, lateness: int) -> None:
        self.lateness = lateness
        self.variables = variables
        self.chains = np.full(0, NONE, np.int64)
        """(series,) first held row of each series"""
        self.arrivals = 0
        self.held = 0
        self._resize(0)

    def _resize(self, capacity: int) -> None:
        # time, arrival, slot, offset, index, next of the same series
        self.rows = np.zeros((capacity, 6), np.int64)
        self.values = np.zeros((capacity, self.variables))
        self.heap = np.zeros(capacity, np.int64)
        self.free = np.arange(capacity, dtype=np.int64)[::-1].copy()

    def _reserve(self, more: int, series: int) -> None:
        if self.chains.size < series:
            wider = np.full(max(series, 2 * self.chains.size), NONE, np.int64)
            wider[: self.chains.size] = self.chains
            self.chains = wider
        if self.held + more > len(self.rows):
            held = self.dump()
            self._resize(max(2 * len(self.rows), self.held + more))
            self.load(held)

    def take(
        self,
        seen: tuple[IntArray, IntArray],
        slots: IntArray,
        times: IntArray,
        columns: tuple[IntArray, IntArray, IntArray],
        values: FloatArray,
        clocks: IntArray,
        first_record: int,
        future: int,
    ) -> tuple[IntArray, Rows]:
        """The fate of each reading, and the rows that leave now.

        seen: newest time and count of each series; columns: offset, index and record of each reading
        clocks: (records,) the log clock at each record of the cut, which begins with `first_record`
        """
        n = len(slots)
        self._reserve(n, len(seen[0]))
        fate = np.empty(n, np.int64)
        most = self.held + n
        out, out_values = np.empty((most, 5), np.int64), np.empty((most, self.variables))
        pool = (self.rows, self.values, self.heap, self.free, self.chains)
        self.held, self.arrivals, left = _hold(
            pool, self.held, self.arrivals, seen, slots, times, columns, values, clocks, first_record,
            (self.lateness, future), fate, out, out_values,
        )  # fmt: skip
        slot, time, offset, index, record = (np.ascontiguousarray(column) for column in out[:left].T)
        return fate, Rows(slot, time, offset, index, record, out_values[:left])

    def dump(self) -> dict[str, NDArray[Any]]:
        """Named arrays in the order in which the rows will leave."""
        at = self.heap[: self.held]
        order = at[np.lexsort((self.rows[at, 1], self.rows[at, 0]))]
        arrivals = np.array([self.arrivals])
        return {"rows": self.rows[order, :5], "values": self.values[order], "arrivals": arrivals}

    def load(self, dumped: dict[str, NDArray[Any]]) -> None:
        """Hold the rows of a dump."""
        n = len(dumped["rows"])
        self.arrivals = int(dumped["arrivals"][0])
        if n > len(self.rows):
            self._resize(n)
        self.rows[:n, :5], self.values[:n] = dumped["rows"], dumped["values"]
        self.heap[:n] = np.arange(n)  # rows in order are a heap
        capacity = len(self.rows)
        self.free[: capacity - n] = np.arange(capacity - 1, n - 1, -1)
        self.held = n
        slots = self.rows[:n, 2]
        self.chains = np.full(max(int(slots.max(initial=-1)) + 1, self.chains.size), NONE, np.int64)
        for row in range(n):
            self.rows[row, 5] = self.chains[slots[row]]
            self.chains[slots[row]] = row


@njit(cache=True, nogil=True)
def _before(rows: IntArray, a: int, b: int) -> bool:
    if rows[a, 0] != rows[b, 0]:
        return bool(rows[a, 0] < rows[b, 0])
    return bool(rows[a, 1] < rows[b, 1])


@njit(cache=True, nogil=True)
def _push(heap: IntArray, rows: IntArray, held: int, row: int) -> None:
    at = held
    while at > 0 and _before(rows, row, heap[(at - 1) // 2]):
        heap[at] = heap[(at - 1) // 2]
        at = (at - 1) // 2
    heap[at] = row


@njit(cache=True, nogil=True)
def _pop(heap: IntArray, rows: IntArray, held: int) -> int:
    """The row that leaves first; `held` counts it still."""
    top, row = heap[0], heap[held - 1]
    at, size = 0, held - 1
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and _before(rows, heap[child + 1], heap[child]):
            child += 1
        if not _before(rows, heap[child], row):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = row
    return int(top)


@njit(cache=True, nogil=True)
def _unchain(rows: IntArray, chains: IntArray, row: int) -> None:
    slot = rows[row, 2]
    at = chains[slot]
    if at == row:
        chains[slot] = rows[row, 5]
        return
    while rows[at, 5] != row:
        at = rows[at, 5]
    rows[at, 5] = rows[row, 5]


@njit(cache=True, nogil=True)
def _chained(rows: IntArray, chains: IntArray, slot: int, time: int) -> bool:
    at = chains[slot]
    while at != NONE:
        if rows[at, 0] == time:
            return True
        at = rows[at, 5]
    return False


@njit(cache=True, nogil=True)
def _hold(
    pool: tuple[IntArray, FloatArray, IntArray, IntArray, IntArray],
    held: int,
    arrivals: int,
    seen: tuple[IntArray, IntArray],
    slots: IntArray,
    times: IntArray,
    columns: tuple[IntArray, IntArray, IntArray],
    values: FloatArray,
    clocks: IntArray,
    first_record: int,
    limits: tuple[int, int],
    fate: IntArray,
    out: IntArray,
    out_values: FloatArray,
) -> tuple[int, int, int]:
    """Hold the readings of each record, then let go of what the clock at that record has passed by the lateness."""
    rows, held_values, heap, free, chains = pool
    newest, counts = seen
    lateness, future = limits
    capacity = len(rows)
    origin = np.full(capacity, NONE, np.int64)
    left, i = 0, 0
    for r in range(clocks.size):
        clock = clocks[r]
        while i < slots.size and columns[2][i] == first_record + r:
            slot = slots[i]
            fate[i] = judge(times[i], clock, newest[slot] if slot != FULL else 0, slot, future)
            if fate[i] == TAKEN and _chained(rows, chains, slot, times[i]):
                fate[i] = DUPLICATE
            if fate[i] == TAKEN:
                fate[i] = HELD
                row = free[capacity - held - 1]
                rows[row, 0], rows[row, 1], rows[row, 2] = times[i], arrivals, slot
                rows[row, 3], rows[row, 4], rows[row, 5] = columns[0][i], columns[1][i], chains[slot]
                held_values[row] = values[i]
                origin[row] = columns[2][i]
                chains[slot] = row
                _push(heap, rows, held, row)
                held += 1
                arrivals += 1
            i += 1
        while held > 0 and rows[heap[0], 0] <= clock - lateness:
            row = _pop(heap, rows, held)
            held -= 1
            free[capacity - held - 1] = row
            _unchain(rows, chains, row)
            slot = rows[row, 2]
            out[left, 0], out[left, 1], out[left, 2] = slot, rows[row, 0], rows[row, 3]
            out[left, 3], out[left, 4] = rows[row, 4], origin[row]
            out_values[left] = held_values[row]
            origin[row] = NONE
            newest[slot] = rows[row, 0]
            counts[slot] += 1
            left += 1
    return held, arrivals, left
