"""Points to InfluxDB's line protocol by columns: no Python object for a line, a number or a name."""

import re
from dataclasses import dataclass, replace

import numpy as np
import orjson

from connectors.base import BoolArray, Column, FloatArray, IntArray, Points, Refused
from connectors.line_kernels import (
    BACKSLASH,
    BOOLEAN,
    EMPTY,
    INTEGER,
    LINE_BREAK,
    NOT_UTF8,
    CodeArray,
    judge,
    weave,
)
from connectors.octets import Octets, octets

_FIELDLESS = 5
_REASONS = {
    EMPTY: "the series is empty",
    NOT_UTF8: "the series is not UTF-8 text",
    LINE_BREAK: "the series holds a line break, which no tag of InfluxDB can",
    BACKSLASH: "the series ends in a backslash, which no tag of InfluxDB can",
    _FIELDLESS: "no field holds a number",
}
NO_FIELD = _REASONS[_FIELDLESS]

_RESERVED = {"series", "time", "_time", "_start", "_stop", "_measurement", "_field", "_value"}
"""ours, and tags that InfluxDB 2.7 refuses, or that end its queries in a panic"""

_MISREAD = re.compile(r"[\0-\x1f]|\\[,= ]|\\\Z")
"""in a name: what InfluxDB 2.7 skips, cuts or reads as an escape"""

_SUFFIXES = {"f": 0, "i": INTEGER, "u": INTEGER, "b": BOOLEAN}


@dataclass(frozen=True, slots=True)
class Lines:
    """n lines in one buffer, so that any run of them is one slice.

    ends:    (n,) one past the line break of each
    rows:    (n,) the row that each was made of
    refused: rows that line protocol cannot hold, why, and their series
    """

    data: memoryview
    ends: IntArray
    rows: IntArray
    refused: Refused

    def __len__(self) -> int:
        return len(self.ends)

    def between(self, first: int, last: int) -> bytes:
        """The lines from `first` up to `last`, which is not among them."""
        begin = int(self.ends[first - 1]) if first else 0
        return bytes(self.data[begin : int(self.ends[last - 1])]) if first < last else b""


def encode(points: Points) -> Lines:
    """One line for each point: tags sorted by name, `series` among them, then the fields that are finite, and the time.

    Constant tags that are empty are left out. Refused is what InfluxDB 2.7 was seen to refuse, to cut or to give back
    as something else: points without any field; a series that is empty, not UTF-8, holds a line break or ends in a
    backslash. A measurement, a tag or the name of a field that it cannot hold refuses all points.
    """
    if reason := _refusal(points):
        return Lines(memoryview(b""), np.zeros(0, np.int64), np.zeros(0, np.int64), _all_refused(points, reason))
    codes = np.zeros(len(points), np.int8)
    size = judge(*_strings(points.series), codes)
    rows = np.flatnonzero(codes == 0)
    data, ends = _woven(points if len(rows) == len(points) else _part(points, rows), size)
    written = np.diff(ends, prepend=0) > 0
    codes[rows[~written]] = _FIELDLESS
    return Lines(data, ends[written], rows[written], _refused(points.series, codes))


def escaped(text: str) -> bytes:
    """A tag, its name, or the name of a field."""
    return re.sub(rb"([,= ])", rb"\\\1", text.encode())


def tag_problem(text: str) -> str:
    """What keeps this from being the value of a tag; empty = nothing."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "is not UTF-8 text"
    if "\n" in text or "\r" in text:
        return "holds a line break, which no tag of InfluxDB can"
    return "ends in a backslash, which no tag of InfluxDB can" if text.endswith("\\") else ""


def _refusal(points: Points) -> str:
    """What keeps every one of these points from being a line; empty = nothing."""
    if points.measurement.startswith("#"):
        return f"InfluxDB takes the measurement {points.measurement!r} for a comment"
    names = [("measurement", points.measurement), *(("tag", name) for name in points.tags)]
    for what, name in [*names, *(("field", name) for name in points.fields)]:
        if not name or _MISREAD.search(name) or tag_problem(name):
            return f"InfluxDB cannot hold a {what} named {name!r}"
    for name, value in points.tags.items():
        if name in _RESERVED:
            return f"InfluxDB keeps no tag named {name!r} beside its own and the series"
        if problem := tag_problem(value):
            return f"the tag {name} {problem}; got {value!r}"
    return "InfluxDB drops a field named 'time'; give the variable another name" if "time" in points.fields else ""


def _all_refused(points: Points, reason: str) -> Refused:
    n = len(points)
    return Refused(tuple(range(n)), (reason,) * n, tuple(bytes(name or b"") for name in points.series))


def _refused(series: Column, codes: CodeArray) -> Refused:
    rows = np.flatnonzero(codes).tolist()
    reasons = tuple(_REASONS[code] for code in codes[rows].tolist())
    return Refused(tuple(rows), reasons, tuple(bytes(series[row] or b"") for row in rows))


def _part(points: Points, rows: IntArray) -> Points:
    fields = {name: column[rows] for name, column in points.fields.items()}
    return replace(points, series=points.series.rows(rows), times=points.times[rows], fields=fields, origin=None)


def _strings(column: Column) -> tuple[Octets, IntArray, IntArray]:
    return octets(column.data), np.ascontiguousarray(column.starts), np.ascontiguousarray(column.ends)


def _woven(points: Points, size: int) -> tuple[memoryview, IntArray]:
    """The lines of points that are fit for it, and where each ends. `size`: bytes of their series when escaped."""
    head, tail = _around(points)
    names = [escaped(name) + b"=" for name in points.fields]
    columns = [*points.fields.values(), points.times]
    texts = [_numbers(column) for column in columns]
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    cursors = np.cumsum(lengths) - lengths
    suffixes = np.array([_SUFFIXES[column.dtype.kind] for column in points.fields.values()], np.int8)
    # the comma behind a number's text makes room for its suffix; each name takes a comma, the time a space and a break
    constant = len(head) + len(tail) + sum(map(len, names)) + len(names) + 2
    out = np.empty(constant * len(points) + size + int(lengths.sum()), np.uint8)
    ends = np.empty(len(points), np.int64)
    name_ends = np.cumsum(np.fromiter(map(len, names), np.int64, len(names)))
    frame = (octets(head), octets(tail), octets(b"".join(names)), name_ends, suffixes)
    end = weave(frame, _strings(points.series), octets(b"".join(texts)), cursors, out, ends)
    return out[:end].data, ends


def _numbers(column: FloatArray | IntArray | BoolArray) -> bytes:
    """The shortest decimals that give the same numbers, with a comma after each."""
    return orjson.dumps(np.ascontiguousarray(column), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] + b","


def _around(points: Points) -> tuple[bytes, bytes]:
    """What stands before the series in every line, and what between it and the fields."""
    tags = sorted((name.encode(), name, value) for name, value in points.tags.items() if value)
    pairs = [(key, escaped(name) + b"=" + escaped(value)) for key, name, value in tags]
    before = [pair for key, pair in pairs if key < b"series"]
    after = [pair for key, pair in pairs if key > b"series"]
    measurement = re.sub(rb"([, ])", rb"\\\1", points.measurement.encode())
    return b",".join([measurement, *before, b"series="]), b"".join(b"," + pair for pair in after) + b" "
