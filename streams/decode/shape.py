"""The typed structs that msgspec decodes into: only the fields that are needed, everything else is passed over."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

Path = tuple[str, ...]
"""the keys that lead to a field"""

TEXT = str | int | None
TIME = int | float | str | None
NUMBER = float | None


@dataclass(frozen=True, slots=True)
class Shape:
    """Where a reading's series, time and values stand in an object, and the types that hold them.

    reading: struct of one reading; record: the same, and the array of readings if there is one.
    `attributes` says under which attribute both keep a path.
    """

    reading: type[Any]
    record: type[Any]
    attributes: Mapping[Path, str]

    @classmethod
    def of(cls, fields: Mapping[Path, Any], items: Path) -> "Shape":
        """The shape that has these fields, and an array of readings at `items`; () = none."""
        attributes: dict[Path, str] = {}
        reading = _struct(fields, (), "", attributes)
        if not items:
            return cls(reading, reading, attributes)
        record = _struct({**fields, items: list[reading] | None}, (), "", attributes)  # type: ignore[valid-type]
        return cls(reading, record, attributes)

    def pick(self, rows: Iterable[Any], path: Path) -> list[Any]:
        """The field at `path` of each struct; None where it, or what leads to it, is absent or null."""
        attribute = self.attributes[path]
        try:
            return list(map(attrgetter(attribute), rows))
        except AttributeError:
            return [_dig(row, attribute.split(".")) for row in rows]


def _dig(row: Any, attributes: list[str]) -> Any:
    for attribute in attributes:
        if row is None:
            return None
        row = getattr(row, attribute)
    return row


def _struct(fields: Mapping[Path, Any], at: Path, inside: str, attributes: dict[Path, str]) -> type[Any]:
    """The struct of the fields below `at`, whose own attribute is `inside`; notes every field's attribute.

    Attributes are numbered in order, so a struct with more fields at the end shares those of one with fewer.
    """
    depth = len(at)
    below = [path for path in fields if path[:depth] == at and len(path) > depth]
    keys = list(dict.fromkeys(path[depth] for path in below))
    members: list[tuple[str, Any, Any]] = []
    for number, key in enumerate(keys):
        path, name = (*at, key), f"f{number}"
        attribute = f"{inside}.{name}" if inside else name
        if path in fields:
            attributes[path] = attribute
            members.append((name, fields[path], None))
        else:
            nested = _struct(fields, path, attribute, attributes)
            members.append((name, nested | None, msgspec.field(default_factory=nested)))
    # nothing in these structs can refer back to them: kept from the garbage collector they cost a third less
    return msgspec.defstruct("Fields", members, rename={f"f{n}": key for n, key in enumerate(keys)}, gc=False)


def path_of(name: str) -> Path:
    """The path that a dotted name says."""
    return tuple(name.split("."))


def conflict(paths: Iterable[Path]) -> str | None:
    """What is wrong with these paths together: one that is there twice, or that leads through another."""
    known: list[Path] = []
    for path in paths:
        for other in known:
            short = min(len(path), len(other))
            if path[:short] == other[:short]:
                return f"{'.'.join(other)!r} and {'.'.join(path)!r} cannot both be read from one object"
        known.append(path)
    return None
