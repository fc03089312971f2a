"""JSON records to readings, in three lanes that agree bit for bit.

1. Flat objects, by the scanner, where it can.
2. The others that are provably one value each: joined, and decoded at once into structs of the needed fields.
3. Where that fails: one by one, and the faulty record's readings one by one, to name what is wrong.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from connectors.base import Column, IntArray, Records
from streams.decode import whole
from streams.decode.drafts import Drafts, judge, merge, nothing
from streams.decode.found import KEY_PATH, Found, Plan, drafts, spread
from streams.decode.parsers import Parsers
from streams.decode.piecewise import Piecewise
from streams.decode.readings import Decoded, Reject
from streams.decode.scan import MOST_VALUES, Fields, scan
from streams.decode.screen import screen
from streams.decode.shape import NUMBER, TEXT, TIME, Path, Shape, conflict
from streams.decode.times import CLOCKS
from streams.decode.why import WRONG, Needed, dig, lenient, unreadable


class ObjectDecoder:
    """Readings out of JSON objects, for JSON and Telegraf.

    plan:     the fields; items: where an array of readings stands in a record, () = nowhere
    synonyms: under which paths `text` looks for a field
    """

    def __init__(
        self,
        *,
        plan: Plan,
        items: Path,
        variables: tuple[str, ...],
        max_bytes: int,
        synonyms: Callable[[str], list[Path]],
    ) -> None:
        self.variables = variables
        self._plan, self._items, self._max_bytes, self._synonyms = plan, items, max_bytes, synonyms
        series = tuple(path for path in plan.series if path != KEY_PATH)
        times = () if plan.time is None else (plan.time,)
        if fault := conflict([*series, *times, *plan.values, *([items] if items else [])]):
            raise ValueError(f"decode: {fault}")
        typed = {**dict.fromkeys(series, TEXT), **dict.fromkeys(times, TIME), **dict.fromkeys(plan.values, NUMBER)}
        self._shape = Shape.of(typed, items)
        self._fields = _fields(plan, series) if not items else None
        self._objects = Parsers.of(self._shape.record)
        self._arrays = Parsers.of(list[self._shape.reading])  # type: ignore[name-defined]
        self._piecewise = Piecewise(needed=Needed(series, times, plan.values), shape=self._shape, items=items)

    def decode(self, records: Records) -> Decoded:
        """All readings of these records, and a reject for each that cannot be used."""
        plan = self._plan
        keyed = KEY_PATH in plan.series
        rows, rejects = screen(records, max_bytes=self._max_bytes, max_name=plan.max_name, keyed=keyed)
        parts = [Decoded(nothing(len(self.variables)), rejects)]
        if self._fields is not None and rows.size:
            part, rows = self._scanned(records, rows, self._fields)
            parts.append(part)
        if rows.size:
            parts += self._whole(records, rows)
        return merge(parts)

    def text(self, value: bytes, index: int, field: str) -> str | None:
        """One field of one reading of a raw record, as text; None if absent."""
        try:
            tree = lenient(value)
        except (ValueError, RecursionError):
            return None
        items = tree if isinstance(tree, list) else dig(tree, self._items) if self._items else None
        readings = items if isinstance(items, list) else [tree]
        if not 0 <= index < len(readings):
            return None
        around = [readings[index], *([tree] if isinstance(tree, dict) else [])]
        found = (dig(place, path) for place in around for path in self._synonyms(field))
        return next((_written(each) for each in found if each is not None and each is not WRONG), None)

    def _scanned(self, records: Records, rows: IntArray, fields: Fields) -> tuple[Decoded, IntArray]:
        """What the scanner read, and the rows that it left."""
        got = scan(records.values.rows(rows), fields)
        done = rows[got.records]
        names = records.keys.rows(done) if self._plan.series == (KEY_PATH,) else got.names
        times = records.times[done] if self._plan.time is None else got.times
        return self._judge(Drafts(done, got.index, names, times, got.values)), rows[got.left]

    def _judge(self, draft: Drafts) -> Decoded:
        return judge(draft, unit=self._plan.unit, max_name=self._plan.max_name)

    def _whole(self, records: Records, rows: IntArray) -> list[Decoded]:
        """The records that the scanner left: lanes 2 and 3."""
        kinds = whole.prove(records.values.rows(rows))
        unproven = np.flatnonzero((kinds != whole.OBJECT) & (kinds != whole.ARRAY))
        rejects = [_unproven(records.values, int(rows[i]), int(kinds[i])) for i in unproven]
        parts = [Decoded(nothing(len(self.variables)), rejects)]
        for kind in (whole.OBJECT, whole.ARRAY):
            some = rows[kinds == kind]
            if some.size:
                parts += self._typed(records, some, array=kind == whole.ARRAY)
        return parts

    def _typed(self, records: Records, rows: IntArray, *, array: bool) -> list[Decoded]:
        """Records of one kind: together if they can be, else each alone."""
        parsers = self._arrays if array else self._objects
        structs, good = parsers.structs(records.values.rows(rows))
        if good is None:
            return [self._drafted(records, *self._spread(structs, rows))]
        failed = rows[~good].tolist()
        pieces = [self._piecewise.read(records.values[row] or b"", row, array=array) for row in failed]
        return [self._drafted(records, *each) for each in (self._spread(structs, rows[good]), *pieces)]

    def _drafted(self, records: Records, found: Found, rejects: list[Reject]) -> Decoded:
        judged = self._judge(drafts(found, records, self._plan, self._shape))
        return Decoded(judged.readings, rejects + judged.rejects)

    def _spread(self, structs: list[Any], rows: IntArray) -> tuple[Found, list[Reject]]:
        """The readings in the records' structs, and a reject for each record that has none."""
        if structs and isinstance(structs[0], list):
            lists, owners = structs, None
        elif self._items:
            inside = self._shape.pick(structs, self._items)
            if all(each is None for each in inside):
                return Found(structs, rows, np.zeros(rows.size, np.int64)), []
            lists, owners = [[own] if i is None else i for own, i in zip(structs, inside, strict=True)], structs
        else:
            return Found(structs, rows, np.zeros(rows.size, np.int64)), []
        empty = [Reject(int(row), -1, "empty") for row, each in zip(rows, lists, strict=True) if not each]
        return spread(lists, rows, owners), empty


def _fields(plan: Plan, series: tuple[Path, ...]) -> Fields | None:
    """What the scanner looks for; None if the plan is not for it."""
    time = plan.time or ("",)
    named = series or (("",),)
    flat = all(len(path) == 1 for path in (time, *plan.values, *series))
    if not flat or len(plan.series) != 1 or len(plan.values) > MOST_VALUES:
        return None
    values = tuple(path[0] for path in plan.values)
    return Fields.of(series=named[0][0], time=time[0], values=values, clock=CLOCKS[plan.unit], max_name=plan.max_name)


def _unproven(values: Column, row: int, kind: int) -> Reject:
    if kind == whole.BAD_UTF8:
        return Reject(row, -1, "invalid_utf8")
    if kind == whole.DEEP:
        return Reject(row, -1, "too_deep", f"deeper than {whole.DEPTH}")
    return unreadable(values[row] or b"", row)


def _written(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None
