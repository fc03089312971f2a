"""How records are written: the configuration of decoding, one struct per format."""

from typing import Literal

import msgspec

Unit = Literal["s", "ms", "us", "ns"]
Names = tuple[str, ...] | str
"""one name, or several in order"""

KEY = "@key"
RECORD_TIME = "@record"
MEASUREMENT = "@measurement"


def several(names: Names) -> tuple[str, ...]:
    """The names as a tuple."""
    return (names,) if isinstance(names, str) else names


def _check(owner: str, values: Names, limits: dict[str, int]) -> None:
    variables = several(values)
    if not variables or "" in variables or len(set(variables)) < len(variables):
        raise ValueError(f"{owner}.values must name at least one field, each once; got {variables!r}")
    for name, limit in limits.items():
        if limit < 1:
            raise ValueError(f"{owner}.{name} must be at least 1 byte; got {limit}")


class JSON(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="format", tag="json"):
    """A JSON object per record, or an array of objects. Dots in a name step into nested objects.

    series:    fields joined by "/" to the name of the series; "@key" = the record key; none = the record key alone
    time:      field with the time; "@record" = the broker's time
    unit:      of times that are numbers; ISO 8601 is understood in any case. Integers are exact,
               floats are rounded to microseconds whatever the unit, half to even
    values:    fields of the variables
    items:     field with an array of readings; what a reading lacks of series and time is taken from the record
    max_bytes: longest value that is read
    max_name:  longest name of a series, bytes
    """

    values: Names
    series: Names = ()
    time: str = "time"
    unit: Unit = "s"
    items: str = ""
    max_bytes: int = 1_048_576
    max_name: int = 512

    def __post_init__(self) -> None:
        _check("JSON", self.values, {"max_bytes": self.max_bytes, "max_name": self.max_name})


class Telegraf(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="format", tag="telegraf"
):
    """Telegraf's JSON: one metric per record, or a batch `{"metrics": [...]}`.

    series: "name" (the measurement), names of tags, or "@key"; joined by "/"
    values: names within `fields`
    time, unit, max_bytes, max_name: as in JSON; `unit` is Telegraf's json_timestamp_units
    """

    values: Names
    series: Names = ("name",)
    time: str = "timestamp"
    unit: Unit = "s"
    max_bytes: int = 1_048_576
    max_name: int = 512

    def __post_init__(self) -> None:
        _check("Telegraf", self.values, {"max_bytes": self.max_bytes, "max_name": self.max_name})


class LineProtocol(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="format", tag="line_protocol"
):
    """InfluxDB line protocol, each line a reading; blank lines and # comments are skipped.

    series: "@measurement", names of tags, or "@key"; joined by "/"
    values: names of fields; booleans read as 1 and 0
    unit:   of the timestamps; a line without one has the broker's time
    max_bytes, max_name: as in JSON
    """

    values: Names
    series: Names = (MEASUREMENT,)
    unit: Unit = "ns"
    max_bytes: int = 1_048_576
    max_name: int = 512

    def __post_init__(self) -> None:
        _check("LineProtocol", self.values, {"max_bytes": self.max_bytes, "max_name": self.max_name})


class CSV(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="format", tag="csv"):
    """Rows of comma-separated values, each a reading; blank lines, and lines that repeat the header, are skipped.

    columns:   names of the cells, in order
    values:    names of the columns with the variables; an empty cell is missing
    delimiter: one character
    series, time, unit, max_bytes, max_name: as in JSON, with names of columns
    """

    columns: tuple[str, ...]
    values: Names
    series: Names = ()
    time: str = "time"
    unit: Unit = "s"
    delimiter: str = ","
    max_bytes: int = 1_048_576
    max_name: int = 512

    def __post_init__(self) -> None:
        _check("CSV", self.values, {"max_bytes": self.max_bytes, "max_name": self.max_name})
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise ValueError(f"CSV.delimiter must be one character, no quote or line end; got {self.delimiter!r}")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"CSV.columns must name each column once; got {self.columns!r}")
        wanted = {*several(self.series), self.time, *several(self.values)} - {KEY, RECORD_TIME}
        if absent := sorted(wanted - set(self.columns)):
            raise ValueError(f"CSV.columns must hold {', '.join(absent)}; got {self.columns!r}")


Format = JSON | Telegraf | LineProtocol | CSV
"""Open: a new format is a struct here, and a branch in `decoder`."""
