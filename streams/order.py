"""What becomes of a reading, judged by its time: taken, or refused as late, double, of the future."""

from dataclasses import dataclass

from numba import njit

from detectors.base import BoolArray, FloatArray, IntArray
from detectors.names import FULL

TAKEN, HELD, LATE, DUPLICATE, FUTURE, TIME_UNIT, TOO_MANY_SERIES = range(7)
"""What became of a reading."""

REASONS = {
    LATE: "late",
    DUPLICATE: "duplicate",
    FUTURE: "future",
    TIME_UNIT: "time_unit",
    TOO_MANY_SERIES: "too_many_series",
}

YEAR = 365.25 * 86_400e9
"""ns"""


@dataclass(slots=True)
class Rows:
    """Accepted readings, in the order in which the watches see them, (n,) each; values (n, d).

    index: which reading of its record; record: row of its record in the slice, -1 = it came in an earlier slice
    """

    slots: IntArray
    times: IntArray
    offsets: IntArray
    index: IntArray
    record: IntArray
    values: FloatArray

    def __len__(self) -> int:
        return len(self.slots)

    def at(self, which: BoolArray) -> "Rows":
        """These rows only."""
        columns = (self.slots, self.times, self.offsets, self.index, self.record)
        slots, times, offsets, index, record = (column[which] for column in columns)
        return Rows(slots, times, offsets, index, record, self.values[which])


@njit(cache=True, nogil=True)
def _wrong_unit(time: int, clock: int) -> bool:
    """Whether the time, read as s, ms, us or ns in place of what it was read as, falls within a year of the clock."""
    factor = 1e3
    for _ in range(3):
        if abs(time * factor - clock) < YEAR or abs(time / factor - clock) < YEAR:
            return True
        factor *= 1e3
    return False


@njit(cache=True, nogil=True)
def judge(time: int, clock: int, newest: int, slot: int, future: int) -> int:
    """What becomes of a reading, holding back aside. A clock of 0 or less was never set: it judges no time."""
    if slot == FULL:
        return TOO_MANY_SERIES
    if clock > 0 and time > clock and time - clock > future:
        return TIME_UNIT if _wrong_unit(time, clock) else FUTURE
    if time < clock // 2 and _wrong_unit(time, clock):
        return TIME_UNIT
    if time <= newest:
        return DUPLICATE if time == newest else LATE
    return TAKEN


@njit(cache=True, nogil=True)
def take_in_order(
    newest: IntArray,
    counts: IntArray,
    slots: IntArray,
    times: IntArray,
    records: IntArray,
    clocks: IntArray,
    future: int,
    fate: IntArray,
) -> None:
    """Lateness 0: a reading that is not newer than the newest of its series is refused. `fate` (n,) out."""
    for i in range(slots.size):
        slot = slots[i]
        newest_time = newest[slot] if slot != FULL else 0
        fate[i] = judge(times[i], clocks[records[i]], newest_time, slot, future)
        if fate[i] == TAKEN:
            newest[slot] = times[i]
            counts[slot] += 1
