"""Things that go wrong at a chosen moment: crashes, sinks that refuse for a while, snapshot folders that fail."""

import itertools
from dataclasses import dataclass, field

import numpy as np

from connectors.base import Claim, Records, Refused, Rows, Sink, SinkBusy, Snapshot, Snapshots


class Crash(BaseException):
    """The process is gone. Nothing may catch it and go on."""


@dataclass
class Moment:
    """Counts the moments at which a process can die, and dies at the chosen one."""

    crash_at: int | None = None
    passed: int = 0

    def pass_(self) -> None:
        self.passed += 1
        if self.passed - 1 == self.crash_at:
            raise Crash


@dataclass
class MortalSink:
    """Passes rows on; the process may die before they are accepted, or after."""

    sink: Sink
    moment: Moment
    busy: frozenset[int] = frozenset()
    """writes, counted from 0, that are refused"""
    writes: int = 0

    async def write(self, rows: Rows) -> Refused:
        self.writes += 1
        if self.writes - 1 in self.busy:
            raise SinkBusy("the sink rests", retry_after=0.0)
        self.moment.pass_()
        refused = await self.sink.write(rows)
        self.moment.pass_()
        return refused

    async def close(self) -> None:
        await self.sink.close()


@dataclass
class MortalSnapshots:
    """Passes snapshots on; the process may die before they are durable, or after; or the folder fails."""

    snapshots: Snapshots
    moment: Moment
    failing: frozenset[int] = frozenset()
    """writes, counted from 0, that fail"""
    writes: int = field(default=0)

    def read(self, name: str) -> Snapshot | None:
        return self.snapshots.read(name)

    def newest(self, name: str) -> tuple[int, int, int] | None:
        return self.snapshots.newest(name)

    def write(self, name: str, snapshot: Snapshot) -> int:
        self.writes += 1
        if self.writes - 1 in self.failing:
            raise OSError("no space left on device")
        self.moment.pass_()
        size = self.snapshots.write(name, snapshot)
        self.moment.pass_()
        return size

    def claim(self, name: str, offset: int) -> Claim:
        return self.snapshots.claim(name, offset)

    def left(self, name: str, offset: int) -> None:
        self.snapshots.left(name, offset)


def cut(records: Records, rng: np.random.Generator, pieces: int) -> list[Records]:
    """The records in consecutive slices of random sizes."""
    edges = np.unique(np.concatenate([[0, len(records)], rng.integers(0, len(records) + 1, pieces)]))
    return [records.rows(slice(int(a), int(b))) for a, b in itertools.pairwise(edges)]
