"""The one front door of decoding: the decoder of a format."""

from streams.decode.csv_rows import CSVRows
from streams.decode.formats import CSV, JSON, KEY, RECORD_TIME, Format, LineProtocol, Telegraf, several
from streams.decode.found import KEY_PATH, Plan
from streams.decode.json_objects import ObjectDecoder
from streams.decode.line_protocol import Lines
from streams.decode.plain_lines import PlainLines
from streams.decode.readings import Decoder
from streams.decode.rowwise import Limits, RowDecoder
from streams.decode.shape import path_of
from streams.decode.telegraf import telegraf


def decoder(format: Format) -> Decoder:
    """The decoder of a format. Raises ValueError if its fields cannot be read from one object."""
    if isinstance(format, JSON):
        return _json(format)
    if isinstance(format, Telegraf):
        return telegraf(format)
    return _lines(format) if isinstance(format, LineProtocol) else _csv(format)


def _lines(format: LineProtocol) -> Decoder:
    series, variables = several(format.series) or (KEY,), several(format.values)
    plain = PlainLines.of(series=series, values=variables, unit=format.unit, max_name=format.max_name)
    limits = Limits(series, format.unit, True, format.max_bytes, format.max_name)
    return RowDecoder(format=Lines(format), variables=variables, limits=limits, plain=plain)


def _csv(format: CSV) -> Decoder:
    series, stamped = several(format.series) or (KEY,), format.time == RECORD_TIME
    limits = Limits(series, format.unit, stamped, format.max_bytes, format.max_name)
    return RowDecoder(format=CSVRows(format), variables=several(format.values), limits=limits)


def _json(format: JSON) -> Decoder:
    variables = several(format.values)
    plan = Plan(
        series=tuple(KEY_PATH if part == KEY else path_of(part) for part in several(format.series) or (KEY,)),
        time=None if format.time == RECORD_TIME else path_of(format.time),
        values=tuple(path_of(name) for name in variables),
        unit=format.unit,
        max_name=format.max_name,
    )
    return ObjectDecoder(
        plan=plan,
        items=path_of(format.items) if format.items else (),
        variables=variables,
        max_bytes=format.max_bytes,
        synonyms=lambda field: [path_of(field)],
    )
