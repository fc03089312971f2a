"""The fast lane: flat objects in plain ASCII, read where they lie, without one Python object per record."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from connectors.base import BoolArray, Column, FloatArray, IntArray
from connectors.octets import Octets, octets
from streams.decode.decimals import FLOAT, LONG, NEGATIVE, nearest, number
from streams.decode.times import LAST, OK, Clock, from_float, from_int, from_iso

SERIES, TIME, VALUES = 0, 1, 2
RECORD, INDEX, NS, NAME_START, NAME_END = range(5)
MOST_VALUES = 60
"""a bit each in one integer, beside series and time"""


@dataclass(frozen=True, slots=True)
class Fields:
    """Which keys the scanner looks for: series, time, then the d values.

    keys: their bytes, one behind the other; ends: (2 + d,) where each ends; one of no bytes is not looked for
    """

    keys: Octets
    ends: IntArray
    clock: Clock
    max_name: int

    @classmethod
    def of(cls, *, series: str, time: str, values: tuple[str, ...], clock: Clock, max_name: int) -> "Fields":
        """The fields with these names; "" = no such field is needed."""
        keys = [name.encode() for name in (series, time, *values)]
        return cls(octets(b"".join(keys)), np.cumsum([len(key) for key in keys], dtype=np.int64), clock, max_name)


@dataclass(frozen=True, slots=True)
class Scanned:
    """The m readings of the records that the scanner could read, and which of the n records it left.

    records, index: (m,) row of the record, and which reading of it; names: lie in the scanned buffer; times: (m,) ns
    values: (m, d); left: (n,)
    """

    records: IntArray
    index: IntArray
    names: Column
    times: IntArray
    values: FloatArray
    left: BoolArray


def scan(records: Column, fields: Fields) -> Scanned:
    """Read those of n byte strings that are flat objects, or arrays of them, with all that is needed.

    What it reads equals what the typed decoder finds, bit for bit; anything unusual is left to that one.
    """
    b = octets(records.data)
    starts, ends = np.ascontiguousarray(records.starts), np.ascontiguousarray(records.ends)
    room = _room(b, starts, ends)
    marks, values = np.zeros((5, room), np.int64), np.empty((room, len(fields.ends) - VALUES))
    left = np.zeros(len(records), np.bool_)
    clock = (fields.clock.ns, fields.clock.up, fields.clock.down)
    m = _scan(b, starts, ends, fields.keys, fields.ends, clock, fields.max_name, marks, values, left)
    rows, index, times, name_starts, name_ends = marks[:, :m]
    return Scanned(rows, index, Column(records.data, name_starts, name_ends), times, values[:m], left)


@njit(cache=True, nogil=True)
def _room(b: Octets, starts: IntArray, ends: IntArray) -> int:
    """At least as many as there are readings: one per record, in an array one per opening brace."""
    room = 0
    for i in range(starts.size):
        p = starts[i]
        while p < ends[i] and _blank(b[p]):
            p += 1
        if p < ends[i] and b[p] == 91:
            for q in range(p, ends[i]):
                room += 1 if b[q] == 123 else 0
        else:
            room += 1
    return room


@njit(cache=True, nogil=True)
def _scan(
    b: Octets,
    starts: IntArray,
    ends: IntArray,
    keys: Octets,
    key_ends: IntArray,
    clock: tuple[int, float, float],
    max_name: int,
    marks: IntArray,
    values: FloatArray,
    left: BoolArray,
) -> int:
    """Fill `marks` (RECORD to NAME_END) and `values` with the readings, note the records left; how many readings."""
    m = 0
    for i in range(starts.size):
        p, last, first = starts[i], ends[i] - 1, m
        while last > p and _blank(b[last]):
            last -= 1
        while p < last and _blank(b[p]):
            p += 1
        array = p < last and b[p] == 91 and b[last] == 93
        left[i] = not array and (p >= last or b[p] != 123 or b[last] != 125)
        more = not left[i]
        if array:
            p = _skip(b, p + 1)
        while more:
            p = _object(b, p, last, keys, key_ends, clock, max_name, marks, values, m) if b[p] == 123 else -1
            if p < 0:
                break
            marks[RECORD, m], marks[INDEX, m] = i, m - first
            m += 1
            p = _skip(b, p + 1) if array else p
            more = array and b[p] == 44
            p = _skip(b, p + 1) if more else p
        if left[i] or p != last:
            left[i] = True
            m = first
    return m


@njit(cache=True, nogil=True)
def _object(
    b: Octets,
    p: int,
    last: int,
    keys: Octets,
    key_ends: IntArray,
    clock: tuple[int, float, float],
    max_name: int,
    marks: IntArray,
    values: FloatArray,
    m: int,
) -> int:
    """The brace that ends the flat object at p, read into row m; -1 = not for this lane.

    No byte beyond `last` is touched: it is a bracket, and nothing that is skipped can be one.
    """
    for j in range(values.shape[1]):
        values[m, j] = np.nan
    seen, numbers, more = 0, 0, True
    p = _skip(b, p + 1)
    while more:
        start, end = p + 1, _text_end(b, p, last)
        if end < 0:
            return -1
        p = _skip(b, end + 1)
        if b[p] != 58:
            return -1
        p = _skip(b, p + 1)
        role = _role(b, start, end, keys, key_ends)
        if role >= 0:
            if seen >> role & 1:
                return -1
            seen |= 1 << role
        if role == SERIES:
            end = _text_end(b, p, last)
            marks[NAME_START, m], marks[NAME_END, m] = p + 1, end
            p = end + 1 if 0 < end - p - 1 <= max_name else -1
        elif role == TIME:
            p, marks[NS, m] = _time(b, p, last, clock)
        elif role >= VALUES and b[p] != 110:
            p, values[m, role - VALUES] = _value(b, p)
            numbers += 1
        else:
            p = _unneeded(b, p, last)
        if p < 0:
            return -1
        p = _skip(b, p)
        more = b[p] == 44
        p = _skip(b, p + 1) if more else p
    needed = (1 if key_ends[SERIES] > 0 else 0) | (2 if key_ends[TIME] > key_ends[SERIES] else 0)
    return p if b[p] == 125 and seen & needed == needed and numbers > 0 else -1


@njit(cache=True, nogil=True)
def _blank(c: int) -> bool:
    return c == 32 or c == 10 or c == 13 or c == 9


@njit(cache=True, nogil=True)
def _skip(b: Octets, p: int) -> int:
    """The first byte from p that is no blank: at the latest, the bracket that ends the record."""
    while _blank(b[p]):
        p += 1
    return p


@njit(cache=True, nogil=True)
def _text_end(b: Octets, p: int, last: int) -> int:
    """The quote that ends the string at p; -1 if there is none before `last`, or anything but plain ASCII."""
    if b[p] != 34:
        return -1
    p += 1
    while p < last:
        c = b[p]
        if c == 34:
            return p
        if c < 32 or c > 127 or c == 92:
            return -1
        p += 1
    return -1


@njit(cache=True, nogil=True)
def _role(b: Octets, start: int, end: int, keys: Octets, key_ends: IntArray) -> int:
    """Which of the keys stands here; -1 = none of them."""
    first = 0
    for role in range(key_ends.size):
        length = key_ends[role] - first
        if length == end - start and length > 0 and b[start] == keys[first]:
            j = 1
            while j < length and b[start + j] == keys[first + j]:
                j += 1
            if j == length:
                return role
        first = key_ends[role]
    return -1


@njit(cache=True, nogil=True)
def _time(b: Octets, p: int, last: int, clock: tuple[int, float, float]) -> tuple[int, int]:
    """The time at p: (end, ns); end -1 = not for this lane."""
    ns, code = 0, -1
    end = -1
    if b[p] == 34:
        end = _text_end(b, p, last) + 1
        if end > 0:
            ns, code = from_iso(b, p + 1, end - 1)
    else:
        end, mantissa, power, flags = number(b, p)
        if end > 0 and flags & FLOAT:
            count, certain = nearest(mantissa, power, flags)
            if certain:
                ns, code = from_float(count, clock[1], clock[2])
        elif end > 0 and not flags & (LONG | NEGATIVE) and mantissa <= np.uint64(LAST):
            ns, code = from_int(int(mantissa), clock[0])
    return (end if code == OK else -1), ns


@njit(cache=True, nogil=True)
def _value(b: Octets, p: int) -> tuple[int, float]:
    """The number at p: (end, value); end -1 = not for this lane."""
    end, mantissa, power, flags = number(b, p)
    if end < 0:
        return -1, np.nan
    value, certain = nearest(mantissa, power, flags)
    return (end if certain else -1), value


@njit(cache=True, nogil=True)
def _unneeded(b: Octets, p: int, last: int) -> int:
    """One past the string, number or word at p; -1 = anything else."""
    c = b[p]
    if c == 34:
        return _text_end(b, p, last) + 1 or -1
    if c == 45 or 48 <= c <= 57:
        return number(b, p)[0]
    if p + 4 > last:
        return -1
    if c == 116 and b[p + 1] == 114 and b[p + 2] == 117 and b[p + 3] == 101:
        return p + 4
    if c == 110 and b[p + 1] == 117 and b[p + 2] == 108 and b[p + 3] == 108:
        return p + 4
    if c == 102 and p + 5 <= last and b[p + 1] == 97 and b[p + 2] == 108 and b[p + 3] == 115 and b[p + 4] == 101:
        return p + 5
    return -1
