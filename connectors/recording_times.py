"""When recorded readings were measured: nanoseconds since 1970 of columns and lines.

A reading whose time is not known has the last known one, 0 before the first.
"""

import math
from datetime import UTC, datetime

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import BoolArray, Column, FloatArray, IntArray

LAST = np.iinfo(np.int64).max
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def column_times(table: pa.Table, name: str) -> IntArray:
    """(rows,) from the column of this name: datetimes, ISO 8601 text or seconds."""
    if name not in table.column_names:
        return np.zeros(table.num_rows, np.int64)
    column = table.column(name)
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s"))
    return _known(*_read_times(column))


def _read_times(column: pa.ChunkedArray) -> tuple[IntArray, BoolArray]:
    """Nanoseconds of each cell, and which of them are known."""
    if pa.types.is_string(column.type):
        column = _parsed(column)
    if pa.types.is_timestamp(column.type):
        known = ~column.is_null().to_numpy()
        scale = 10**9 // PER_SECOND[column.type.unit]
        ticks = pc.fill_null(column.cast(pa.int64()), 0).to_numpy()
        known &= np.abs(ticks) <= LAST // scale
        return np.where(known, ticks, 0) * scale, known
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return _from_seconds(pc.fill_null(column.cast(pa.float64(), safe=False), float("nan")).to_numpy())
    return np.zeros(len(column), np.int64), np.zeros(len(column), np.bool_)


def _parsed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts as timestamps. Arrow wants a zone in all of them or in none; anything else goes one by one."""
    for kind in (pa.timestamp("ns", "UTC"), pa.timestamp("ns")):
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            continue
    return pa.chunked_array([pa.array([moment(text) for text in column.to_pylist()], pa.timestamp("ns"))])


def _from_seconds(seconds: FloatArray) -> tuple[IntArray, BoolArray]:
    known = np.abs(seconds) < LAST // 10**9
    whole = np.floor(np.where(known, seconds, 0.0))
    # A float of today in nanoseconds is 256 ns coarse, hence in two steps.
    below = np.rint((np.where(known, seconds, 0.0) - whole) * 1e9)
    return whole.astype(np.int64) * 10**9 + below.astype(np.int64), known


def line_times(lines: Column, suffix: str, name: str) -> IntArray:
    """(rows,) of JSON lines and of line protocol; a line that is broken has none, and text never has."""
    if suffix == ".txt":
        return np.zeros(len(lines), np.int64)
    of = _last_number if suffix == ".lp" else lambda line: moment(_field(line, name))
    found = [of(line or b"") for line in lines]
    known = np.array([time is not None for time in found], np.bool_)
    return _known(np.array([time or 0 for time in found], np.int64), known)


def _last_number(line: bytes) -> int | None:
    """The nanoseconds that end a line of line protocol."""
    last = line.rstrip().rsplit(b" ", 1)[-1]
    return int(last) if last.isdigit() and len(last) < 20 and int(last) <= LAST else None


def _field(line: bytes, name: str) -> object:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value.get(name) if isinstance(value, dict) else None


def moment(value: object) -> int | None:
    """Nanoseconds since 1970 of a number of seconds or an ISO 8601 text (UTC where it names no zone), or None."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not abs(value) < LAST // 10**9:
            return None
        return math.floor(value) * 10**9 + round((value - math.floor(value)) * 1e9)
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - datetime.fromtimestamp(0, UTC)
    nanoseconds = ((since.days * 86_400 + since.seconds) * 10**6 + since.microseconds) * 1000
    return nanoseconds if abs(nanoseconds) <= LAST else None


def _known(times: IntArray, known: BoolArray) -> IntArray:
    """Where a time is not known, the last one that was; 0 before the first."""
    last = np.maximum.accumulate(np.where(known, np.arange(len(times)), -1)) if len(times) else times
    return np.where(last >= 0, times[last], 0)
