"""CSV: rows of cells, as RFC 4180 has them."""

import csv
import io
import math
from collections.abc import Iterator

from streams.decode import cells
from streams.decode.formats import CSV, KEY, RECORD_TIME, several
from streams.decode.rowwise import Fault, Row


class CSVRows:
    """The rows of records in CSV."""

    def __init__(self, format: CSV) -> None:
        at = {column: i for i, column in enumerate(format.columns)}
        self._header = list(format.columns)
        self._delimiter = format.delimiter
        self._series = [at.get(part) for part in several(format.series) or (KEY,)]
        self._time = None if format.time == RECORD_TIME else at[format.time]
        self._values = [at[value] for value in several(format.values)]

    def rows(self, text: str, key: str) -> Iterator[Row | Fault]:
        """The readings of one record."""
        return (self._row(row, key) for row in self._table(text))

    def cell(self, text: str, index: int, field: str) -> str | None:
        """One cell of the reading with this index."""
        table = self._table(text)
        if field not in self._header or index >= len(table):
            return None
        row, column = table[index], self._header.index(field)
        return row[column] or None if column < len(row) else None

    def _table(self, text: str) -> list[list[str]]:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=self._delimiter, strict=True)
        try:
            return [row for row in lines if any(map(str.strip, row)) and row != self._header]
        except csv.Error as error:
            raise Fault("invalid_csv", str(error)) from None

    def _row(self, row: list[str], key: str) -> Row | Fault:
        if len(row) != len(self._header):
            return Fault("wrong_columns", f"{len(row)} cells, the pipeline has {len(self._header)} columns")
        parts = [key if at is None else row[at] for at in self._series]
        time = None if self._time is None else cells.time(row[self._time].strip())
        values = []
        for at in self._values:
            cell = row[at].strip()
            value, reason = cells.number(cell) if cell else (math.nan, "")
            if reason:
                return Fault(reason, f"{self._header[at]}: {cell}")
            values.append(value)
        return Row(parts, time, values)
