"""Readings to rows: whose they are, what time it is, and who has fallen silent.

The log clock is the running maximum of record times. It is moved record by record, so that what it decides does not
depend on how the records were cut into slices.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.base import IntArray, UInt8Array
from detectors.names import FULL, NameTable, find_or_add

NEVER = np.iinfo(np.int64).min
FOREVER = np.iinfo(np.int64).max

NONE = -1
NOWHERE, ACTIVE, SILENT = 0, 1, 2
"""In which queue a series stands; both are ordered by when it was heard last."""

CLOCK, FIRST, LAST = 0, 1, 3
"""Positions in `marks`: the log clock; the heads of the active and the silent queue; their tails."""

SILENCE, HEARD, FORGOTTEN = 0, 1, 2
"""Events: a series was not heard for `silence_after`; it is heard again; it was not heard for `forget_after`."""


@dataclass(slots=True)
class Seen:
    """What is known of every series, (n,) each.

    time:     of its newest reading, NEVER = none yet
    clock:    the log clock when it was heard last
    offset:   of the record in which it was heard last
    count:    readings accepted
    previous, following, queue: its place among the others, by when they were heard last
    """

    time: IntArray
    clock: IntArray
    offset: IntArray
    count: IntArray
    previous: IntArray
    following: IntArray
    queue: NDArray[np.int8]

    @classmethod
    def init(cls, n: int) -> "Seen":
        """`n` series that were never heard."""
        never, none = np.full(n, NEVER), np.full(n, NONE, np.int64)
        zero = np.zeros(n, np.int64)
        return cls(never, never.copy(), none, zero, none.copy(), none.copy(), np.zeros(n, np.int8))


def new_marks() -> IntArray:
    """(5,) the clock before the first record, and two empty queues."""
    return np.array([NEVER, NONE, NONE, NONE, NONE])


class Event(NamedTuple):
    """What happened to a series, at which record of the slice; when and in which record it was heard last."""

    what: int
    """SILENCE, HEARD or FORGOTTEN"""
    slot: int
    record: int
    clock: int
    offset: int


class Cut(NamedTuple):
    """How far an admission went: all records before `record` and all readings before `reading` are done.

    It stops early where series are forgotten, since their rows of state must be reset before anything else happens.
    """

    record: int
    reading: int
    events: list[Event]


@njit(cache=True, nogil=True)
def _leave(previous: IntArray, following: IntArray, queue: NDArray[np.int8], marks: IntArray, slot: int) -> None:
    q = queue[slot] - 1
    before, after = previous[slot], following[slot]
    if before == NONE:
        marks[FIRST + q] = after
    else:
        following[before] = after
    if after == NONE:
        marks[LAST + q] = before
    else:
        previous[after] = before
    queue[slot] = NOWHERE
    previous[slot] = following[slot] = NONE


@njit(cache=True, nogil=True)
def _join(
    previous: IntArray, following: IntArray, queue: NDArray[np.int8], marks: IntArray, slot: int, which: int
) -> None:
    q = which - 1
    tail = marks[LAST + q]
    previous[slot], following[slot], queue[slot] = tail, NONE, which
    if tail == NONE:
        marks[FIRST + q] = slot
    else:
        following[tail] = slot
    marks[LAST + q] = slot


@njit(cache=True, nogil=True)
def _note(
    events: IntArray, at: int, what: int, slot: int, record: int, clocks_heard: IntArray, offsets_heard: IntArray
) -> None:
    events[at, 0], events[at, 1], events[at, 2] = what, slot, record
    events[at, 3], events[at, 4] = clocks_heard[slot], offsets_heard[slot]


@njit(cache=True, nogil=True)
def _expired(heard: int, after: int, clock: int) -> bool:
    return after != FOREVER and clock - heard > after


@njit(cache=True, nogil=True)
def admit(
    names: NameTable,
    clocks_heard: IntArray,
    offsets_heard: IntArray,
    links: tuple[IntArray, IntArray, NDArray[np.int8]],
    marks: IntArray,
    record_times: IntArray,
    record_offsets: IntArray,
    reading_records: IntArray,
    data: UInt8Array,
    starts: IntArray,
    ends: IntArray,
    limits: tuple[int, int, int],
    record: int,
    reading: int,
    slots: IntArray,
    clocks: IntArray,
    most: int,
    events: IntArray,
) -> tuple[int, int, int]:
    """Move the clock over the records from `record` on and find the rows of their readings from `reading` on.

    limits: silence_after, forget_after (ns, FOREVER = never), max_series
    slots:  (readings,) out: row of state, FULL = one series too many
    clocks: (records,) out: the log clock at each record
    events: (most + readings, 5) out: fields of Event; it stops at a record that would bring more than `most`
    Returns the record and reading to go on from, and the number of events.
    """
    silence_after, forget_after, max_series = limits
    table, pool, firsts, lasts, freed, used = names
    previous, following, queue = links
    count = 0
    while record < record_times.size:
        marks[CLOCK] = max(marks[CLOCK], record_times[record])
        clock = marks[CLOCK]
        clocks[record] = clock
        while marks[FIRST] != NONE and _expired(clocks_heard[marks[FIRST]], silence_after, clock):
            if count >= most:
                return record, reading, count
            slot = marks[FIRST]
            _leave(previous, following, queue, marks, slot)
            _join(previous, following, queue, marks, slot, SILENT)
            _note(events, count, SILENCE, slot, record, clocks_heard, offsets_heard)
            count += 1
        oldest = FIRST if silence_after == FOREVER else FIRST + 1
        forgotten = False
        while marks[oldest] != NONE and _expired(clocks_heard[marks[oldest]], forget_after, clock):
            if count >= most:
                return record, reading, count
            slot = marks[oldest]
            _leave(previous, following, queue, marks, slot)
            _note(events, count, FORGOTTEN, slot, record, clocks_heard, offsets_heard)
            count += 1
            forgotten = True
        if forgotten:
            return record, reading, count
        while reading < reading_records.size and reading_records[reading] == record:
            slot = find_or_add(
                table, pool, firsts, lasts, freed, used, data, starts[reading], ends[reading], max_series
            )
            slots[reading] = slot
            reading += 1
            if slot == FULL:
                continue
            if queue[slot] == SILENT:
                _note(events, count, HEARD, slot, record, clocks_heard, offsets_heard)
                count += 1
            if queue[slot] != NOWHERE:
                _leave(previous, following, queue, marks, slot)
            _join(previous, following, queue, marks, slot, ACTIVE)
            clocks_heard[slot], offsets_heard[slot] = clock, record_offsets[record]
        record += 1
    return record, reading, count
