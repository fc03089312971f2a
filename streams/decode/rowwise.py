"""Formats whose records hold rows of text: each row judged on its own, gathered into drafts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from connectors.base import Column, IntArray, Records
from streams.decode.drafts import Drafts, judge, merge, nothing
from streams.decode.formats import KEY
from streams.decode.found import name
from streams.decode.plain_lines import PlainLines
from streams.decode.readings import Decoded, Reject
from streams.decode.screen import screen


@dataclass(frozen=True, slots=True)
class Row:
    """One reading as text. parts: of the series' name; time: None = missing; values: (d,) NaN = missing."""

    parts: Sequence[str | None]
    time: int | float | str | None
    values: Sequence[float]


class Fault(Exception):
    """A row, or a whole record, that cannot be used."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail[:120]


class Rows(Protocol):
    """A text format."""

    def rows(self, text: str, key: str) -> Iterable[Row | Fault]:
        """The readings of one record, in order. Raises Fault if the record cannot be parsed at all."""

    def cell(self, text: str, index: int, field: str) -> str | None:
        """One field of the reading with this index; None if absent. Raises Fault as `rows` does."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is common to the text formats. record_time: rows without a time have the broker's."""

    series: tuple[str, ...]
    unit: str
    record_time: bool
    max_bytes: int
    max_name: int


class RowDecoder:
    """Readings out of records of text rows. plain: a fast lane for what is plain; None = there is none."""

    def __init__(
        self, *, format: Rows, variables: tuple[str, ...], limits: Limits, plain: PlainLines | None = None
    ) -> None:
        self.variables = variables
        self._format, self._limits, self._plain = format, limits, plain

    def decode(self, records: Records) -> Decoded:
        """All readings of these records, and a reject for each that cannot be used."""
        limits = self._limits
        keyed = KEY in limits.series
        rows, rejects = screen(records, max_bytes=limits.max_bytes, max_name=limits.max_name, keyed=keyed)
        parts = []
        if self._plain is not None and rows.size:
            part, rows = self._scanned(records, rows, self._plain)
            parts.append(part)
        found: list[tuple[int, int, Row]] = []
        for row in rows.tolist():
            key = (records.keys[row] or b"").decode() if keyed else ""
            for index, each in enumerate(self._read(records.values[row] or b"", key, row, rejects)):
                if isinstance(each, Row):
                    found.append((row, index, each))
                else:
                    rejects.append(Reject(row, index, each.reason, each.detail))
        parts.append(Decoded(nothing(len(self.variables)), rejects))
        stamped = [each for each in found if each[2].time is not None or not limits.record_time]
        bare = [each for each in found if each[2].time is None and limits.record_time]
        parts += [self._judged(some, records if some is bare else None) for some in (stamped, bare) if some]
        return merge(parts)

    def text(self, value: bytes, index: int, field: str) -> str | None:
        """One field or tag of one reading of a raw record, as text; None if absent."""
        try:
            return self._format.cell(value.decode(), index, field) if index >= 0 else None
        except (UnicodeError, Fault):
            return None

    def _read(self, value: bytes, key: str, row: int, rejects: list[Reject]) -> Iterator[Row | Fault]:
        """The rows of a record; a reject if there are none."""
        try:
            rows = list(self._format.rows(value.decode(), key))
        except UnicodeError:
            rows = []
            rejects.append(Reject(row, -1, "invalid_utf8"))
        except Fault as fault:
            rows = []
            rejects.append(Reject(row, -1, fault.reason, fault.detail))
        else:
            if not rows:
                rejects.append(Reject(row, -1, "empty"))
        yield from rows

    def _scanned(self, records: Records, rows: IntArray, plain: PlainLines) -> tuple[Decoded, IntArray]:
        """What the fast lane read, and the rows that it left."""
        drafts, left = plain.read(records.rows(rows))
        return self._judge(replace(drafts, records=rows[drafts.records])), rows[left]

    def _judge(self, drafts: Drafts) -> Decoded:
        return judge(drafts, unit=self._limits.unit, max_name=self._limits.max_name)

    def _judged(self, found: list[tuple[int, int, Row]], bare: Records | None) -> Decoded:
        """The rows as readings; `bare`: with the times of these records."""
        numbers = np.array([row for row, _, _ in found], np.int64)
        index = np.array([index for _, index, _ in found], np.int64)
        times: IntArray | list[int | float | str | None] = [row.time for _, _, row in found]
        if bare is not None:
            times = bare.times[numbers]
        names: list[str | None] | Column = [name(row.parts) for _, _, row in found]
        values = np.array([row.values for _, _, row in found], np.float64)
        return self._judge(Drafts(numbers, index, names, times, values))
