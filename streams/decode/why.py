"""Why a JSON value could not be used, in words: for the few that fail, and never on the path of a good one."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from streams.decode.readings import Reject
from streams.decode.shape import Path

WRONG = object()
"""what `dig` gives where the way leads through something that is not an object"""


def lenient(value: bytes) -> Any:
    """The JSON value, with NaN and Infinity where they stand. Raises ValueError, or RecursionError."""
    return json.loads(value.decode(), parse_int=_integer)


def _integer(text: str) -> int | float:
    # Python refuses to read integers of many thousand digits; they are beyond any float anyhow
    return int(text) if len(text) < 400 else math.inf


def _refuse(token: str) -> NoReturn:
    raise ValueError(token)


def unreadable(value: bytes, record: int) -> Reject:
    """The reject of a record that is not JSON, or no object."""
    if not value.strip(b" \t\r\n"):
        return Reject(record, -1, "empty")
    try:
        tree = lenient(value)
    except (ValueError, RecursionError) as error:
        return Reject(record, -1, "invalid_json", _short(error))
    try:
        json.loads(value.decode(), parse_int=_integer, parse_constant=_refuse)
    except ValueError as token:
        return Reject(record, -1, "not_finite", f"{token} is not JSON")
    if not isinstance(tree, dict | list):
        return Reject(record, -1, "not_an_object", f"a {_kind(tree)}")
    return Reject(record, -1, "invalid_json")


def dig(tree: Any, path: Path) -> Any:
    """What stands at `path`; None if absent or null."""
    for key in path:
        if tree is None:
            return None
        if not isinstance(tree, Mapping):
            return WRONG
        tree = tree.get(key)
    return tree


@dataclass(frozen=True, slots=True)
class Needed:
    """The fields that a reading needs, and may take from around it."""

    series: tuple[Path, ...]
    time: tuple[Path, ...]
    values: tuple[Path, ...]

    def fault(self, tree: Any, outer: Any = None) -> tuple[str, str] | None:
        """Reason and detail of the first field of a reading that cannot be used; None if all can."""
        if not isinstance(tree, dict):
            return "not_an_object", f"a {_kind(tree)}"
        for path in self.series:
            if fault := _text(dig(tree, path), dig(outer, path), path):
                return fault
        for path in self.time:
            if fault := _time(dig(tree, path), path):
                return fault
        return next((fault for path in self.values if (fault := _number(dig(tree, path), path))), None)


def _text(found: Any, around: Any, path: Path) -> tuple[str, str] | None:
    if found is None and around is None:
        return "missing_series", ".".join(path)
    if found is not None and (isinstance(found, bool) or not isinstance(found, str | int)):
        return "wrong_type", f"{'.'.join(path)} is a {_kind(found)}, not a text"
    return None


def _time(found: Any, path: Path) -> tuple[str, str] | None:
    if isinstance(found, bool) or not isinstance(found, int | float | str | None):
        return "wrong_type", f"{'.'.join(path)} is a {_kind(found)}, not a time"
    return _infinite(found, path)


def _number(found: Any, path: Path) -> tuple[str, str] | None:
    if isinstance(found, bool) or not isinstance(found, int | float | None):
        return "wrong_type", f"{'.'.join(path)} is a {_kind(found)}, not a number"
    return _infinite(found, path)


def _infinite(found: Any, path: Path) -> tuple[str, str] | None:
    try:
        finite = not isinstance(found, int | float) or math.isfinite(found)
    except OverflowError:
        finite = False
    return None if finite else ("not_finite", ".".join(path))


def _kind(value: Any) -> str:
    kinds = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null", type(WRONG): "scalar"}
    return kinds.get(type(value), "number")


def _short(error: Exception) -> str:
    return str(error)[:120]
