"""The fast lane of line protocol: plain ASCII lines without escapes or quotes, read where they lie."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from connectors.base import BoolArray, Column, FloatArray, IntArray, Records
from connectors.octets import Octets, octets
from streams.decode.decimals import FLOAT, NEGATIVE, nearest, number
from streams.decode.drafts import Drafts
from streams.decode.formats import KEY, MEASUREMENT
from streams.decode.times import CLOCKS, LAST, OK, from_int

RECORD, INDEX, NS, NAME_START, NAME_END = range(5)


@dataclass(frozen=True, slots=True)
class PlainLines:
    """What the scanner of lines looks for.

    parts: of the series, in order; values: fields; words: the bytes of all of these, one behind the other;
    ends: where each ends, the parts first; ns: in one unit of the timestamps
    """

    parts: int
    words: Octets
    ends: IntArray
    measured: int
    ns: int
    max_name: int

    @classmethod
    def of(cls, *, series: tuple[str, ...], values: tuple[str, ...], unit: str, max_name: int) -> "PlainLines | None":
        """A scanner for these parts and fields; None if they are not for this lane."""
        parts = () if series == (KEY,) else series
        if KEY in parts or len(set(parts)) < len(parts) or len(parts) + len(values) > 60:
            return None
        words = [word.encode() for word in (*parts, *values)]
        ends = np.cumsum([len(word) for word in words], dtype=np.int64)
        measured = parts.index(MEASUREMENT) if MEASUREMENT in parts else -1
        return cls(len(parts), octets(b"".join(words)), ends, measured, CLOCKS[unit].ns, max_name)

    def read(self, records: Records) -> tuple[Drafts, BoolArray]:
        """The lines of those records that hold nothing but plain ones, and which records are left."""
        b, values = octets(records.values.data), records.values
        starts, ends = np.ascontiguousarray(values.starts), np.ascontiguousarray(values.ends)
        room = _room(b, starts, ends)
        marks, numbers = np.zeros((5, room), np.int64), np.empty((room, self.ends.size - self.parts))
        left, names = np.zeros(len(records), np.bool_), np.empty(int((ends - starts).sum()), np.uint8)
        told = (self.parts, self.measured, self.ns, self.max_name)
        stamps = np.ascontiguousarray(records.times)
        m = _read(b, starts, ends, stamps, self.words, self.ends, told, marks, numbers, names, left)
        rows, index, times, first, last = marks[:, :m]
        written = names[: last[-1] if m else 0].tobytes()
        series = Column(written, first, last) if self.parts else records.keys.rows(rows)
        return Drafts(rows, index, series, times, numbers[:m]), left


@njit(cache=True, nogil=True)
def _room(b: Octets, starts: IntArray, ends: IntArray) -> int:
    """As many as there are lines."""
    room = starts.size
    for i in range(starts.size):
        for p in range(starts[i], ends[i]):
            room += 1 if b[p] == 10 else 0
    return room


@njit(cache=True, nogil=True)
def _read(
    b: Octets,
    starts: IntArray,
    ends: IntArray,
    stamps: IntArray,
    words: Octets,
    word_ends: IntArray,
    told: tuple[int, int, int, int],
    marks: IntArray,
    values: FloatArray,
    names: Octets,
    left: BoolArray,
) -> int:
    """Fill `marks`, `values` and `names` with the readings, note the records left; how many readings."""
    parts, measured, ns, max_name = told
    spans = np.zeros((2, parts), np.int64)
    m, used = 0, 0
    for i in range(starts.size):
        end, first, before = ends[i], m, used
        p = _gap(b, starts[i], end)
        while 0 <= p < end:
            for j in range(values.shape[1]):
                values[m, j] = np.nan
            p, seen = _tags(b, p, end, words, word_ends[:parts], measured, spans)
            if p < 0 or seen != (1 << parts) - 1:
                p = -1
                break
            p = _fields(b, p, end, words, word_ends, parts, values, m)
            if p < 0:
                break
            p, marks[NS, m] = _stamp(b, p, end, ns, stamps[i])
            if p < 0:
                break
            marks[RECORD, m], marks[INDEX, m], marks[NAME_START, m] = i, m - first, used
            used = _name(b, spans, names, used)
            marks[NAME_END, m] = used
            if used - marks[NAME_START, m] > max_name:
                p = -1
                break
            m += 1
            p = _gap(b, p, end)
        left[i] = p < 0 or m == first
        if left[i]:
            m, used = first, before
    return m


@njit(cache=True, nogil=True)
def _gap(b: Octets, p: int, end: int) -> int:
    """The next line that is not blank or a comment; -1 = a comment that is not ASCII."""
    while p < end:
        if b[p] == 35:
            while p < end and b[p] != 10:
                if b[p] >= 128:
                    return -1
                p += 1
        elif b[p] == 32 or b[p] == 10 or b[p] == 13 or b[p] == 9:
            p += 1
        else:
            break
    return p


@njit(cache=True, nogil=True)
def _word(b: Octets, start: int, end: int, words: Octets, ends: IntArray, first: int) -> int:
    """Which of the words from `first` on stands here; -1 = none of them."""
    for i in range(first, ends.size):
        begin = ends[i - 1] if i else 0
        length = ends[i] - begin
        if length == end - start:
            j = 0
            while j < length and b[start + j] == words[begin + j]:
                j += 1
            if j == length:
                return i
    return -1


@njit(cache=True, nogil=True)
def _until(b: Octets, p: int, end: int, equals: bool) -> int:
    """The comma or blank behind the plain text at p, or with `equals` the equals sign; -1 = no plain text."""
    first = p
    while p < end:
        c = b[p]
        if c == 44 or c == 32 or (equals and c == 61) or c == 10 or c == 13:
            return p if p > first else -1
        if c < 32 or c > 127 or c == 92 or c == 34:
            return -1
        p += 1
    return end if p > first else -1


@njit(cache=True, nogil=True)
def _tags(
    b: Octets, p: int, end: int, words: Octets, ends: IntArray, measured: int, spans: IntArray
) -> tuple[int, int]:
    """Note where the parts of the series stand: (first field, which parts were seen); -1 = not for this lane."""
    seen, q = 0, _until(b, p, end, False)
    if measured >= 0:
        spans[0, measured], spans[1, measured] = p, q
        seen = 1 << measured
    while 0 < q < end and b[q] == 44:
        equal = _until(b, q + 1, end, True)
        if equal < 0 or equal >= end or b[equal] != 61:
            return -1, 0
        part = _word(b, q + 1, equal, words, ends, 0)
        q = _until(b, equal + 1, end, True)
        if part >= 0:
            if seen >> part & 1:
                return -1, 0
            seen |= 1 << part
            spans[0, part], spans[1, part] = equal + 1, q
    if q < 0 or q >= end or b[q] != 32:
        return -1, 0
    while q < end and b[q] == 32:
        q += 1
    return q, seen


@njit(cache=True, nogil=True)
def _fields(b: Octets, p: int, end: int, words: Octets, ends: IntArray, parts: int, values: FloatArray, m: int) -> int:
    """One past the fields, those that are needed in row m; -1 = not for this lane."""
    seen, more = 0, True
    while more:
        equal = _until(b, p, end, True)
        if equal < 0 or equal >= end or b[equal] != 61:
            return -1
        q = _until(b, equal + 1, end, False)
        if q < 0:
            return -1
        field = _word(b, p, equal, words, ends, parts) - parts
        if field >= 0:
            # a number at the very end of a record has no byte behind it that would end it
            if seen >> field & 1 or q >= end:
                return -1
            seen |= 1 << field
            certain, values[m, field] = _value(b, equal + 1, q)
            if not certain:
                return -1
        more = q < end and b[q] == 44
        p = q + 1 if more else q
    return p if seen else -1


@njit(cache=True, nogil=True)
def _value(b: Octets, p: int, end: int) -> tuple[bool, float]:
    """Whether the text is a plain number, t, f, true or false; and the number."""
    c = b[p]
    if end - p == 1 and (c == 116 or c == 84 or c == 102 or c == 70):
        return True, 1.0 if c == 116 or c == 84 else 0.0
    if end - p == 4 and c == 116 and b[p + 1] == 114 and b[p + 2] == 117 and b[p + 3] == 101:
        return True, 1.0
    if end - p == 5 and c == 102 and b[p + 1] == 97 and b[p + 2] == 108 and b[p + 3] == 115 and b[p + 4] == 101:
        return True, 0.0
    q, mantissa, power, flags = number(b, p)
    if q > 0 and q < end and not flags & FLOAT and (b[q] == 105 or b[q] == 117):
        q += 1
    if q != end or (flags == NEGATIVE and mantissa == np.uint64(0)):
        return False, np.nan
    value, certain = nearest(mantissa, power, flags)
    return certain, value


@njit(cache=True, nogil=True)
def _stamp(b: Octets, p: int, end: int, ns: int, otherwise: int) -> tuple[int, int]:
    """The timestamp at p, or that of the record: (end of the line, ns); -1 = not for this lane."""
    while p < end and b[p] == 32:
        p += 1
    time, code = otherwise, OK
    if p < end and 48 <= b[p] <= 57:
        q, mantissa = p, np.uint64(0)
        while q < end and 48 <= b[q] <= 57:
            mantissa = mantissa * np.uint64(10) + np.uint64(b[q] - 48)
            q += 1
        if q - p > 19 or mantissa > np.uint64(LAST):
            return -1, 0
        time, code = from_int(int(mantissa), ns)
        p = q
    while p < end and (b[p] == 32 or b[p] == 13 or b[p] == 9):
        p += 1
    return (p if code == OK and (p >= end or b[p] == 10) else -1), time


@njit(cache=True, nogil=True)
def _name(b: Octets, spans: IntArray, names: Octets, used: int) -> int:
    """Write the parts of a series behind each other, slashes between; where they end."""
    for part in range(spans.shape[1]):
        if part:
            names[used] = 47
            used += 1
        for p in range(spans[0, part], spans[1, part]):
            names[used] = b[p]
            used += 1
    return used
