"""What decoding gives back: readings in columns, and a named reason for everything that is not one."""

from dataclasses import dataclass
from typing import Protocol

import msgspec

from connectors.base import Column, FloatArray, IntArray, Records

REASONS: dict[str, str] = {
    "tombstone": "The record has no value: on a compacted topic it deletes its key.",
    "empty": "The record holds no reading: no bytes, only blanks, or an empty array.",
    "too_large": "The value is longer than the pipeline's max_bytes.",
    "invalid_utf8": "The value, or the key that names the series, is not UTF-8.",
    "invalid_json": "The value is not one JSON document; often it was cut off.",
    "too_deep": "The JSON is nested deeper than any reading needs.",
    "not_an_object": "The JSON is neither an object nor an array of objects.",
    "invalid_line": "The line is not InfluxDB line protocol.",
    "invalid_csv": "The rows are not CSV; often a quote was never closed.",
    "wrong_columns": "The row has more or fewer cells than the pipeline has columns.",
    "missing_series": "A field, tag or key that names the series is absent, null or empty.",
    "name_too_long": "The name of the series is longer than the pipeline's max_name.",
    "missing_time": "The time is absent or null.",
    "invalid_time": "The time is neither a number nor ISO 8601.",
    "before_1970": "The time lies before 1970.",
    "time_out_of_range": "The time lies after the year 2262, mostly because it is in another unit.",
    "missing_field": "Every variable of the reading is absent or null.",
    "wrong_type": "A needed field has a type that cannot be used, such as a number written as a string.",
    "not_finite": "A number is NaN, infinite, or too large for a 64-bit float.",
}
"""Every reason a record or a reading can be rejected for while decoding, and what it means."""


@dataclass(frozen=True, slots=True)
class Readings:
    """n readings of d variables, in the order of their records.

    records: (n,) row of the record in Records, never falling
    index:   (n,) which reading of its record, from 0
    series:  (n,) UTF-8 names, never null
    times:   (n,) ns since 1970, UTC
    values:  (n, d) NaN = missing, never all of a row; C-contiguous
    """

    records: IntArray
    index: IntArray
    series: Column
    times: IntArray
    values: FloatArray

    def __len__(self) -> int:
        return len(self.times)


class Reject(msgspec.Struct, frozen=True):
    """A record (index -1), or one reading of it, that cannot be used. `reason` is a key of REASONS."""

    record: int
    index: int
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Every record is in `readings`, in `rejects` (in the order of the records), or in both with different indexes.

    A record with a reject of index -1 has no other entry; any other record of k readings has the indexes 0 .. k - 1.
    """

    readings: Readings
    rejects: list[Reject]


class Decoder(Protocol):
    """Record bytes to readings. No bytes whatever make it raise."""

    variables: tuple[str, ...]
    """names of the d columns of the values"""

    def decode(self, records: Records) -> Decoded:
        """All readings of these records, and a reject for each that cannot be used."""

    def text(self, value: bytes, index: int, field: str) -> str | None:
        """One field or tag of one reading of a raw record, as text; None if absent. For rare use."""
