"""The series of one partition: their names and rows, when each was heard, and what is known of each."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectors.base import Column
from detectors import table
from detectors.base import BoolArray, IntArray
from detectors.names import Names
from streams.pipeline import Pipeline
from streams.rows import Cut, Event, Seen, admit, new_marks

EVENTS = 4096
"""An admission stops at a record that would bring more silences than this, and goes on."""


class SeriesTable:
    """Rows of state for names, on the log clock.

    variants: (rows, watches) which variant of each watch scores the series
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.names = Names()
        self.seen = Seen.init(0)
        self.marks = new_marks()
        self.known = np.zeros(0, np.bool_)
        self.variants = np.zeros((0, len(pipeline.watches)), np.int64)
        self.assets: dict[int, str] = {}
        self._admitted = Names()
        self._admits = np.zeros(0, np.bool_)

    def __len__(self) -> int:
        return self.names.used

    def name(self, slot: int) -> str:
        """The name in this row."""
        return self.names[slot].decode()

    def screen(self, series: Column) -> BoolArray:
        """(n,) which readings the pipeline's patterns let in."""
        if not self._pipeline.include and not self._pipeline.exclude:
            return np.ones(len(series), np.bool_)
        if len(self._admitted) > 4 * self._pipeline.limits.max_series:
            self._admitted, self._admits = Names(), np.zeros(0, np.bool_)  # only a memory of fnmatch's answers
        rows = self._admitted.add([name or b"" for name in series])
        fresh = range(len(self._admits), self._admitted.used)
        answers = [self._pipeline.admits(self._admitted[row].decode()) for row in fresh]
        self._admits = np.concatenate([self._admits, np.array(answers, np.bool_)])
        return self._admits[rows]

    def reserve(self, more: int, size: int) -> None:
        """Room for so many more series with names of so many bytes together."""
        more = min(more, self._pipeline.limits.max_series - len(self.names))
        self.names.reserve(more, size)
        if (rows := len(self) + more) > len(self.known):
            extra = max(rows, 2 * len(self.known)) - len(self.known)
            self.seen = table.grow(self.seen, Seen.init(extra))
            self.known = np.concatenate([self.known, np.zeros(extra, np.bool_)])
            self.variants = np.concatenate([self.variants, np.zeros((extra, self.variants.shape[1]), np.int64)])

    def admit(
        self,
        record_times: IntArray,
        record_offsets: IntArray,
        records: IntArray,
        series: Column,
        begin: tuple[int, int],
        slots: IntArray,
        clocks: IntArray,
    ) -> Cut:
        """Move the log clock and find the rows of the readings, from (record, reading) on; see rows.admit."""
        seen, limits = self.seen, self._pipeline.limits
        out = np.empty((EVENTS + len(records), len(Event._fields)), np.int64)
        record, reading, count = admit(
            self.names.arrays, seen.clock, seen.offset, (seen.previous, seen.following, seen.queue), self.marks,
            record_times, record_offsets, records, np.frombuffer(series.data, np.uint8), series.starts, series.ends,
            (limits.silence_after, limits.forget_after, limits.max_series), *begin, slots, clocks,
            EVENTS, out,
        )  # fmt: skip
        return Cut(record, reading, [Event(*event) for event in out[:count].tolist()])

    def meet(self, slots: IntArray, asset: Callable[[int], str]) -> None:
        """Get to know the series of these readings that are new. `asset(i)`: the asset in the i-th of them."""
        for i in np.flatnonzero(~self.known[slots]).tolist():
            slot = int(slots[i])
            if self.known[slot]:
                continue
            self.known[slot] = True
            self._choose(slot)
            if self._pipeline.asset:
                self.assets[slot] = asset(i)

    def _choose(self, slot: int) -> None:
        if any(watch.overrides for watch in self._pipeline.watches):
            name = self.name(slot)
            self.variants[slot] = [watch.variant(name) for watch in self._pipeline.watches]

    def forget(self, slots: IntArray) -> None:
        """Give the rows of these series back."""
        table.put(self.seen, slots, Seen.init(len(slots)))
        self.known[slots] = False
        self.variants[slots] = 0
        for slot in slots.tolist():
            self.assets.pop(slot, None)
        self.names.drop(slots)

    def dump(self) -> dict[str, NDArray[Any]]:
        """Named arrays that share no memory with the table."""
        named = {f"names.{name}": array for name, array in self.names.dump().items()}
        named |= table.dump(table.take(self.seen, np.arange(len(self))), "seen")
        assets = json.dumps(sorted(self.assets.items())).encode()
        return named | {"marks": self.marks.copy(), "assets": np.frombuffer(assets, np.uint8)}

    def load(self, dumped: dict[str, NDArray[Any]]) -> None:
        """The series of a dump."""
        self.names = Names.load(_under("names.", dumped))
        self.seen = table.load(Seen.init(0), _under("seen.", dumped))
        self.marks = dumped["marks"].copy()
        self.assets = {int(slot): str(name) for slot, name in json.loads(dumped["assets"].tobytes())}
        self.known = np.zeros(len(self), np.bool_)
        self.known[self.names.rows()] = True
        self.variants = np.zeros((len(self), len(self._pipeline.watches)), np.int64)
        for slot in self.names.rows().tolist():
            self._choose(slot)


def _under(prefix: str, named: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in named.items() if name.startswith(prefix)}
