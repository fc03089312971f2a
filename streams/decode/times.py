"""Times to ns since 1970: integers, floats and ISO 8601, by the same few kernels in every lane."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from connectors.base import IntArray
from connectors.octets import Octets, octets
from streams.decode.octets import CodeArray
from streams.decode.octets import column as text_column

OK, MISSING, INVALID, EARLY, FAR = range(5)
TIME_REASONS = ("", "missing_time", "invalid_time", "before_1970", "time_out_of_range")
LAST = (1 << 63) - 1
DAYS_BEFORE = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334], np.int64)


@dataclass(frozen=True, slots=True)
class Clock:
    """One unit of time: `ns` in one of it, and `up / down` microseconds in one of it."""

    ns: int
    up: float
    down: float


CLOCKS = {
    "s": Clock(1_000_000_000, 1e6, 1.0),
    "ms": Clock(1_000_000, 1e3, 1.0),
    "us": Clock(1_000, 1.0, 1.0),
    "ns": Clock(1, 1.0, 1e3),
}


@njit(cache=True, nogil=True)
def from_int(count: int, ns: int) -> tuple[int, int]:
    """`count` units of `ns` each, exact: (ns since 1970, code)."""
    if count < 0:
        return 0, EARLY
    if count > LAST // ns:
        return 0, FAR
    return count * ns, OK


@njit(cache=True, nogil=True)
def from_float(count: float, up: float, down: float) -> tuple[int, int]:
    """A float time, rounded to microseconds, half to even: (ns since 1970, code)."""
    micros = np.rint(count * up / down)
    if micros < 0.0:
        return 0, EARLY
    if not micros < 9223372036854775.0:
        return 0, FAR
    return int(micros) * 1000, OK


@njit(cache=True, nogil=True)
def _digits(b: Octets, p: int, count: int) -> int:
    """The number written by `count` digits at p; -1 if they are not all digits."""
    value: int = 0
    for i in range(p, p + count):
        if b[i] < 48 or b[i] > 57:
            return -1
        value = value * 10 + b[i] - 48
    return value


@njit(cache=True, nogil=True)
def _day(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the Gregorian calendar, carried backwards as ISO 8601 does; -2**62 = no such day."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if year < 1 or month < 1 or month > 12 or day < 1:
        return -(1 << 62)
    length = 31 if month in (1, 3, 5, 7, 8, 10, 12) else 30
    if month == 2:
        length = 29 if leap else 28
    if day > length:
        return -(1 << 62)
    before = year - 1
    days: int = before * 365 + before // 4 - before // 100 + before // 400 + DAYS_BEFORE[month - 1] + day - 1
    return days + (1 if leap and month > 2 else 0) - 719162


@njit(cache=True, nogil=True)
def _offset(b: Octets, p: int, end: int) -> int:
    """Seconds east of UTC that `Z`, `+hh`, `+hhmm` or `+hh:mm` say; -2**62 = none of these."""
    if end - p == 1 and (b[p] == 90 or b[p] == 122):
        return 0
    length = end - p
    if (b[p] != 43 and b[p] != 45) or (length != 3 and length != 5 and length != 6):
        return -(1 << 62)
    if length == 6 and b[p + 3] != 58:
        return -(1 << 62)
    hours = _digits(b, p + 1, 2)
    minutes = 0 if length == 3 else _digits(b, end - 2, 2)
    if hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
        return -(1 << 62)
    east = hours * 3600 + minutes * 60
    return east if b[p] == 43 else -east


@njit(cache=True, nogil=True)
def _fraction(b: Octets, p: int, end: int) -> tuple[int, int]:
    """Nanoseconds of the `.123` or `,123` at p, 1 to 9 digits, and where it ends; (-1, p) = something else."""
    q = p + 1
    ns = 0
    while q < end and 48 <= b[q] <= 57 and q - p <= 9:
        ns = ns * 10 + b[q] - 48
        q += 1
    if q == p + 1:
        return -1, p
    for _ in range(10 - (q - p)):
        ns *= 10
    return ns, q


@njit(cache=True, nogil=True)
def from_iso(b: Octets, start: int, end: int) -> tuple[int, int]:
    """ISO 8601, extended form, to the day, minute, second or its fraction: (ns since 1970, code).

    No offset means UTC. Leap seconds and the hour 24 are invalid.
    """
    n = end - start
    if n < 10 or b[start + 4] != 45 or b[start + 7] != 45:
        return 0, INVALID
    year, month, day = _digits(b, start, 4), _digits(b, start + 5, 2), _digits(b, start + 8, 2)
    days = _day(year, month, day)
    seconds, ns = 0, 0
    if n > 10:
        if n < 16 or (b[start + 10] != 84 and b[start + 10] != 116 and b[start + 10] != 32) or b[start + 13] != 58:
            return 0, INVALID
        hour, minute, second = _digits(b, start + 11, 2), _digits(b, start + 14, 2), 0
        p = start + 16
        if p < end and b[p] == 58:
            second = _digits(b, p + 1, 2) if p + 3 <= end else -1
            p += 3
            if p < end and (b[p] == 46 or b[p] == 44):
                ns, p = _fraction(b, p, end)
        east = _offset(b, p, end) if p < end else 0
        if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59 or ns < 0:
            return 0, INVALID
        if east < -86400:
            return 0, INVALID
        seconds = hour * 3600 + minute * 60 + second - east
    if days < -800000:
        return 0, INVALID
    seconds += days * 86400
    if seconds < 0:
        return 0, EARLY
    if seconds >= LAST // 1_000_000_000:
        return 0, FAR
    return seconds * 1_000_000_000 + ns, OK


@njit(cache=True, nogil=True)
def _ints(counts: IntArray, ns: int, out: IntArray, codes: CodeArray) -> None:
    for i in range(counts.size):
        out[i], codes[i] = from_int(counts[i], ns)


@njit(cache=True, nogil=True)
def _floats(counts: NDArray[np.float64], up: float, down: float, out: IntArray, codes: CodeArray) -> None:
    for i in range(counts.size):
        out[i], codes[i] = from_float(counts[i], up, down)


@njit(cache=True, nogil=True)
def _texts(b: Octets, ends: IntArray, out: IntArray, codes: CodeArray) -> None:
    start = 0
    for i in range(ends.size):
        out[i], codes[i] = from_iso(b, start, ends[i])
        start = ends[i]


def column(times: Sequence[Any], clock: Clock) -> tuple[IntArray, CodeArray]:
    """(n,) ns since 1970 and (n,) codes of times that are int, float, str or None."""
    n = len(times)
    out, codes = np.zeros(n, np.int64), np.full(n, MISSING, np.int8)
    kinds = set(map(type, times))
    if len(kinds) == 1:
        _uniform(kinds.pop(), times, clock, out, codes)
        return out, codes
    for kind in kinds:
        rows = np.array([row for row, time in enumerate(times) if type(time) is kind], np.int64)
        some, some_codes = out[rows], codes[rows]
        _uniform(kind, [times[row] for row in rows], clock, some, some_codes)
        out[rows], codes[rows] = some, some_codes
    return out, codes


def _uniform(kind: type, times: Sequence[Any], clock: Clock, out: IntArray, codes: CodeArray) -> None:
    """Fill `out` and `codes` from times of one type; None stays missing."""
    n = len(times)
    if kind is float:
        _floats(np.fromiter(times, np.float64, n), clock.up, clock.down, out, codes)
    elif kind is int:
        _ints(_int64(times), clock.ns, out, codes)
        codes[[row for row, time in enumerate(times) if time > LAST] if max(times) > LAST else []] = FAR
    elif kind is str:
        texts = text_column(times)
        _texts(octets(texts.data), texts.ends, out, codes)


def _int64(counts: Sequence[int]) -> IntArray:
    """The integers, those beyond 64 bits at their limit."""
    try:
        return np.fromiter(counts, np.int64, len(counts))
    except OverflowError:
        return np.array([max(-LAST, min(LAST, count)) for count in counts], np.int64)


def explain(time: object, unit: str, code: int) -> str:
    """What was wrong with a time, in words."""
    shown = repr(time)[:60]
    if code != FAR or not isinstance(time, int | float) or time > 1e30:
        return shown
    fits = [name for name, clock in CLOCKS.items() if name != unit and 1e18 < float(time) * clock.ns < 4.2e18]
    return f"{shown}: looks like {fits[0]}, the pipeline says {unit}" if fits else f"{shown} {unit}"
