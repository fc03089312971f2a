"""InfluxDB line protocol: `measurement,tag=a field=1.5,other=2i 1700000000000000000`, each line a reading."""

import math
import re
from collections.abc import Iterator

from streams.decode import cells
from streams.decode.formats import KEY, MEASUREMENT, LineProtocol, several
from streams.decode.rowwise import Fault, Row

# every repetition is possessive, so that no line takes more than linear time
_NAME = r"(?:\\[,= ]|[^,= \n])++"
_PLACE = r"(?:\\[, ]|[^, \n])++"
_VALUE = r'(?:"(?:\\.|[^"\\])*+"|[^", \r\n][^, \r\n]*+)'
_LINE = re.compile(
    rf"(?P<measurement>{_PLACE})(?P<tags>(?:,{_NAME}={_NAME})*+) ++"
    rf"(?P<fields>{_NAME}={_VALUE}(?:,{_NAME}={_VALUE})*+)(?: ++(?P<time>-?\d++))?+[ \t\r]*+(?=\n|\Z)",
    re.DOTALL | re.ASCII,
)
_PAIR = re.compile(rf",?({_NAME})=({_VALUE})", re.DOTALL)
_TAG = re.compile(rf",({_NAME})=({_NAME})", re.DOTALL)
_GAP = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_ESCAPE = re.compile(r"\\([,= ])")
_QUOTED = re.compile(r'\\(["\\])')
_WHOLE = re.compile(r"-?\d++[iu]", re.ASCII)
_WORDS = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), 1.0),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), 0.0),
}


class Lines:
    """The lines of records in line protocol."""

    def __init__(self, format: LineProtocol) -> None:
        self._series = several(format.series) or (KEY,)
        self._values = several(format.values)

    def rows(self, text: str, key: str) -> Iterator[Row | Fault]:
        """The readings of one record."""
        for line in _lines(text):
            yield line if isinstance(line, Fault) else self._row(line, key)

    def cell(self, text: str, index: int, field: str) -> str | None:
        """One tag or field of the reading with this index, or its measurement."""
        line = next((line for i, line in enumerate(_lines(text)) if i == index), None)
        if line is None or isinstance(line, Fault):
            return None
        named = {MEASUREMENT: _plain(line["measurement"])} | _tags(line)
        value = _fields(line).get(field, "")
        return named.get(field) or (_QUOTED.sub(r"\1", value[1:-1]) if value[:1] == '"' else value) or None

    def _row(self, line: re.Match[str], key: str) -> Row | Fault:
        named = {MEASUREMENT: _plain(line["measurement"]), KEY: key} | _tags(line)
        fields, values = _fields(line), []
        for variable in self._values:
            value, reason = _number(fields[variable]) if variable in fields else (math.nan, "")
            if reason:
                return Fault(reason, f"{variable}: {fields[variable]}")
            values.append(value)
        time = None if line["time"] is None else cells.time(line["time"])
        return Row([named.get(part) for part in self._series], time, values)


def _lines(text: str) -> Iterator[re.Match[str] | Fault]:
    """Every line that is not blank or a comment. A line that cannot be parsed ends with its bytes, quotes or not."""
    position = 0
    while True:
        position = _GAP.match(text, position).end()  # type: ignore[union-attr]
        if position == len(text):
            return
        line = _LINE.match(text, position)
        if line is not None:
            yield line
            position = line.end()
        else:
            end = text.find("\n", position)
            end = len(text) if end < 0 else end
            yield Fault("invalid_line", text[position : min(end, position + 60)])
            position = end


def _tags(line: re.Match[str]) -> dict[str, str]:
    return {_plain(key): _plain(value) for key, value in _TAG.findall(line["tags"])}


def _fields(line: re.Match[str]) -> dict[str, str]:
    return {_plain(key): value for key, value in _PAIR.findall(line["fields"])}


def _plain(text: str) -> str:
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text


def _number(text: str) -> tuple[float, str]:
    if _WHOLE.fullmatch(text):
        return cells.number(text[:-1])
    word = _WORDS.get(text)
    return cells.number(text) if word is None else (word, "")
