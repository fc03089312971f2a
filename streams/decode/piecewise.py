"""The last lane: a record that failed as a whole, its readings one by one, each fault with its name."""

from typing import Any

import msgspec
import numpy as np

from streams.decode.found import Found
from streams.decode.parsers import FAULTS, parse
from streams.decode.readings import Reject
from streams.decode.shape import TEXT, TIME, Path, Shape
from streams.decode.why import Needed, lenient, unreadable

_raw = parse(msgspec.Raw)
_raws = parse(list[msgspec.Raw])


class Piecewise:
    """Takes records apart that `shape` cannot decode. items: as in Shape."""

    def __init__(self, *, needed: Needed, shape: Shape, items: Path) -> None:
        self._needed, self._items = needed, items
        self._reading = parse(shape.reading)
        # the first fields of a shape have the same attributes without those behind them
        around = {**dict.fromkeys(needed.series, TEXT), **dict.fromkeys(needed.time, TIME)}
        self._around = parse(Shape.of(around, ()).reading)
        self._inside = Shape.of({items: list[msgspec.Raw] | None} if items else {}, ())
        self._record = parse(self._inside.reading)

    def read(self, value: bytes, row: int, *, array: bool) -> tuple[Found, list[Reject]]:
        """The readings that can be used, and a reject for each of the others, or one for the record."""
        owner, pieces = None, []
        structs, index, rejects = [], [], []
        try:
            _raw(value)
            owner, pieces = (None, _raws(value)) if array else self._pieces(value)
            rejects = [] if pieces else [Reject(row, -1, "empty")]
        except msgspec.ValidationError as error:
            rejects = [Reject(row, -1, "wrong_type", str(error)[:120])]
        except FAULTS:
            rejects = [unreadable(value, row)]
        for i, piece in enumerate(pieces):
            try:
                structs.append(self._reading(piece))
                index.append(i)
            except FAULTS as error:
                fault = self._fault(bytes(piece), value if owner is not None else b"null", error)
                rejects.append(Reject(row, i, *fault))
        owners = None if owner is None else [owner] * len(index)
        return Found(structs, np.full(len(index), row, np.int64), np.array(index, np.int64), owners), rejects

    def _pieces(self, value: bytes) -> tuple[Any, list[Any]]:
        """The struct around the readings of an object, if any, and the raw readings."""
        inside = self._inside.pick([self._record(value)], self._items)[0] if self._items else None
        return (None, [value]) if inside is None else (self._around(value), inside)

    def _fault(self, piece: bytes, around: bytes, error: Exception) -> tuple[str, str]:
        """Reason and detail of a reading that could not be decoded."""
        try:
            return self._needed.fault(lenient(piece), lenient(around)) or ("wrong_type", str(error)[:120])
        except ValueError:
            return "invalid_json", str(error)[:120]
