"""Files of recorded readings as rows of record bytes: tables (CSV, Parquet) and lines (JSON, line protocol, text)."""

import re
from pathlib import Path
from typing import Protocol

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from connectors.base import Column, FloatArray, IntArray
from connectors.recording_times import column_times, line_times

HIDDEN = ("label", "split")
"""Columns that begin so say what is to be found: they never reach a detector."""


class RecordedFile(Protocol):
    """The rows of one file.

    times: (rows,) ns since 1970 of each reading; where it is not known the last known one, 0 before the first
    first: what tells this file from another, whatever was appended to it
    """

    rows: int
    times: IntArray
    first: bytes

    def records(self, begin: int, end: int) -> tuple[Column, Column]:
        """Keys and values of the rows from `begin` to before `end`."""


class Table:
    """Rows of a CSV or Parquet file as JSON objects."""

    def __init__(self, path: Path, *, time: str, series: str) -> None:
        table = _visible(path, _read_table(path, time, series))
        self.rows = table.num_rows
        self.names_series = series in table.column_names
        self.times = column_times(table, time)
        self._table, self._path, self._series = table, path, series
        self._loose = path.suffix == ".csv", {time, series}
        self._template = self._row_template()
        self.first = orjson.dumps([path.stem, table.column_names, self._first_row()])

    def holds_several_series(self) -> bool:
        """Whether its rows belong to more than one."""
        return self.names_series and len(set(self._keys(self._table))) > 1

    def records(self, begin: int, end: int) -> tuple[Column, Column]:
        part = self._table.slice(begin, end - begin)
        cells = [self._written(name, part.column(name)) for name in part.column_names]
        return self._keys(part), Column.of([self._template % row for row in zip(*cells, strict=True)])

    def _written(self, name: str, column: pa.ChunkedArray) -> list[bytes]:
        """The JSON of a column. One word among the numbers of a CSV does not make words of the others."""
        from_csv, named = self._loose
        if from_csv and name not in named and pa.types.is_string(column.type):
            return [_number_or_text(cell) for cell in column.to_pylist()]
        return _cells(column)

    def _row_template(self) -> bytes:
        """One format for every row, so that a row costs one substitution and no dict."""
        names = [orjson.dumps(name).replace(b"%", b"%%") + b":%b" for name in self._table.column_names]
        if not self.names_series:
            pair = orjson.dumps(self._series) + b":" + orjson.dumps(self._path.stem)
            names.append(pair.replace(b"%", b"%%"))
        return b"{" + b",".join(names) + b"}"

    def _keys(self, part: pa.Table) -> Column:
        if not self.names_series:
            return _same(self._path.stem.encode(), part.num_rows)
        names = part.column(self._series).to_pylist()
        return Column.of([None if name is None else str(name).encode() for name in names])

    def _first_row(self) -> str:
        """Of a CSV as it stands there: what a later row says may change what its cells are taken for."""
        if self._path.suffix == ".csv":
            with self._path.open("rb") as lines:
                return b"".join(next(lines, b"").rstrip(b"\r\n") + b"\n" for _ in range(2)).decode(errors="replace")
        return self.records(0, 1)[1].data.decode() if self.rows else ""


class Lines:
    """Lines of a text file as they stand, an empty one included. A line ends with a line feed and nothing else."""

    def __init__(self, path: Path, *, time: str) -> None:
        data = path.read_bytes()
        breaks = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
        ends = breaks if not data or data.endswith(b"\n") else np.append(breaks, len(data))
        self._values = Column(data, np.append(0, ends + 1)[: len(ends)], ends)
        self._key = path.stem.encode()
        self.rows = len(ends)
        self.times = line_times(self._values, path.suffix, time)
        self.first = orjson.dumps(path.stem) + (self._values[0] or b"" if self.rows else b"")

    def records(self, begin: int, end: int) -> tuple[Column, Column]:
        return _same(self._key, end - begin), self._values.rows(slice(begin, end))


def open_file(path: Path, *, time: str, series: str) -> RecordedFile:
    """The rows of this file. Raises ValueError where its ending or its content cannot be a recording."""
    try:
        if path.suffix in (".csv", ".parquet"):
            return Table(path, time=time, series=series)
        if path.suffix in (".jsonl", ".lp", ".txt"):
            return Lines(path, time=time)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"cannot read recording {path}: {error}") from error
    raise ValueError(f"{path}: a recording ends in .csv, .parquet, .jsonl, .lp or .txt; got {path.suffix!r}")


def labels(path: Path) -> IntArray | None:
    """(rows,) 1 anomalous, 0 normal, -1 unknown, from `label_window` (NAB), else `label`; None if there is neither.

    Raises ValueError if the file cannot be read, or a label is something else.
    """
    if path.suffix not in (".csv", ".parquet"):
        return None
    try:
        table = _read_table(path, "", "")
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"cannot read labels of {path}: {error}") from error
    for name in ("label_window", "label"):
        if name in table.column_names:
            return _label_values(path, table.column(name))
    return None


def event_kinds(path: Path, known: IntArray) -> tuple[str, ...]:
    """What `label_kind` says in the first row of each run of anomalous rows; empty if there is no such column.

    known: (rows,) as `labels` gives them. Raises ValueError if the file cannot be read.
    """
    try:
        table = _read_table(path, "timestamp", "series")
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"cannot read labels of {path}: {error}") from error
    if "label_kind" not in table.column_names:
        return ()
    begins = np.flatnonzero(np.diff(np.concatenate([[0], known == 1]).astype(np.int8)) == 1)
    kinds = table.column("label_kind").cast(pa.string()).take(pa.array(begins)).to_pylist()
    return tuple(kind or "" for kind in kinds)


def numbers(path: Path, *, time: str = "timestamp", series: str = "series") -> tuple[tuple[str, ...], FloatArray]:
    """Names of the numeric columns of a CSV or Parquet file that a detector may read, and their values (rows, d).

    A cell without a number is NaN. Raises ValueError if the file cannot be read, or has no such column.
    """
    try:
        table = _visible(path, _read_table(path, time, series))
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    names = [field.name for field in table.schema if field.name not in (time, series) and _is_number(field.type)]
    if not names:
        raise ValueError(f"{path}: no column of numbers; there are {', '.join(table.column_names)}")
    columns = [pc.fill_null(table.column(name).cast(pa.float64()), float("nan")).to_numpy() for name in names]
    return tuple(names), np.column_stack(columns)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _label_values(path: Path, column: pa.ChunkedArray) -> IntArray:
    try:
        values: FloatArray = pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(f"{path}: labels must be 1, 0 or null; got {column.type}") from error
    if wrong := set(values[~np.isnan(values)].tolist()) - {0.0, 1.0}:
        raise ValueError(f"{path}: labels must be 1, 0 or null; got {sorted(wrong)[:3]}")
    return np.nan_to_num(values, nan=-1).astype(np.int64)


def _read_table(path: Path, time: str, series: str) -> pa.Table:
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            return file.read().combine_chunks()
    return _read_csv(path, time, series).combine_chunks()


def _read_csv(path: Path, time: str, series: str) -> pa.Table:
    """A CSV file whose times are the text that stands there, or numbers; an empty text cell is null."""
    texts = {time: pa.string(), series: pa.string()}
    table = _parse_csv(path, texts)
    stamps = {field.name: pa.string() for field in table.schema if pa.types.is_temporal(field.type)}
    if stamps:
        table = _parse_csv(path, texts | stamps)
    for at, name in enumerate(table.column_names):
        column = table.column(at)
        if pa.types.is_string(column.type):
            column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
            table = table.set_column(at, name, _numbers(column) if name == time else column)
    return table


def _parse_csv(path: Path, types: dict[str, pa.DataType]) -> pa.Table:
    options = pyarrow.csv.ConvertOptions(column_types=types)
    return pyarrow.csv.read_csv(
        path, convert_options=options, parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True)
    )


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as numbers if every cell is one."""
    for kind in (pa.int64(), pa.float64()):
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            continue
    return column


def _visible(path: Path, table: pa.Table) -> pa.Table:
    """The columns that may be read by a detector."""
    names = table.column_names
    if len(set(names)) < len(names):
        raise ValueError(f"{path}: every column needs a name of its own; got {', '.join(names)}")
    table = table.select([name for name in names if not name.startswith(HIDDEN)])
    kinds = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in table.schema.types]
    table = table.cast(pa.schema(list(zip(table.column_names, kinds, strict=True))))
    for field in table.schema:
        if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            raise ValueError(f"{path}: column {field.name} holds bytes, which JSON cannot carry; leave it out")
    return table


def _cells(column: pa.ChunkedArray) -> list[bytes]:
    """The JSON text of each cell; null, NaN and the infinities are null."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _iso(column.cast(pa.timestamp("s")).to_numpy() if pa.types.is_date(kind) else column.to_numpy())
    if pa.types.is_decimal(kind):
        column, kind = column.cast(pa.float64()), pa.float64()
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    if is_number and (pa.types.is_floating(kind) or not column.null_count):
        numbers = np.ascontiguousarray(column.to_numpy())
        return orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    return [orjson.dumps(cell, default=str) for cell in column.to_pylist()]


NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
"""as JSON writes one"""


def _number_or_text(cell: str | None) -> bytes:
    return cell.encode() if cell is not None and NUMBER.fullmatch(cell) else orjson.dumps(cell)


def _iso(times: NDArray[np.datetime64]) -> list[bytes]:
    """ISO 8601 with Z; digits below the second, down to the column's unit, where they are not all zero."""
    seconds = times.astype("M8[s]")
    text = np.datetime_as_string(seconds)
    if np.any(finer := (seconds != times) & ~np.isnat(times)):
        text = np.where(finer, np.datetime_as_string(times), text)
    return [b"null" if cell == b"NaT" else b'"%bZ"' % cell for cell in text.astype(bytes).tolist()]


def _same(key: bytes, n: int) -> Column:
    return Column(key, np.zeros(n, np.int64), np.full(n, len(key), np.int64))
