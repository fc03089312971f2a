"""Telegraf's JSON, as the objects it is: name, tags, fields and timestamp; alone, or many in `metrics`."""

from streams.decode.formats import KEY, RECORD_TIME, Telegraf, several
from streams.decode.found import KEY_PATH, Plan
from streams.decode.json_objects import ObjectDecoder
from streams.decode.shape import Path, path_of


def telegraf(format: Telegraf) -> ObjectDecoder:
    """A decoder of Telegraf's metrics."""
    variables = several(format.values)
    plan = Plan(
        series=tuple(_place(part) for part in several(format.series) or (KEY,)),
        time=None if format.time == RECORD_TIME else path_of(format.time),
        values=tuple(("fields", name) for name in variables),
        unit=format.unit,
        max_name=format.max_name,
    )
    return ObjectDecoder(
        plan=plan, items=("metrics",), variables=variables, max_bytes=format.max_bytes, synonyms=_places
    )


def _place(part: str) -> Path:
    if part == KEY:
        return KEY_PATH
    return ("name",) if part == "name" else ("tags", part)


def _places(field: str) -> list[Path]:
    return [_place(field), ("fields", field), (field,)]
