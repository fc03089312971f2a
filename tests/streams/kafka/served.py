"""Workers in this process, served by Faust from a real broker, with sinks and snapshots in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from connectors.base import Records, Refused, Rows
from connectors.memory import MemorySink, MemorySnapshots, PointIdentity
from streams.app import Group, serve
from streams.decode.readings import Decoded, Decoder
from streams.pipeline import Pipeline
from streams.start import Position
from streams.steward import Steward
from streams.worker import Worker
from tests.streams import desk
from tests.streams.kafka.broker import at, until


class Noted:
    """A decoder that notes what it is given: (offset, key, value, attempt) of every record, by partition."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.variables = decoder.variables
        self.seen: dict[int, list[tuple[int, bytes | None, bytes | None, int]]] = {}

    def decode(self, records: Records) -> Decoded:
        attempts = [0] * len(records) if records.attempts is None else records.attempts.tolist()
        rows = zip(records.offsets.tolist(), list(records.keys), list(records.values), attempts, strict=True)
        self.seen.setdefault(records.partition, []).extend(rows)
        return self._decoder.decode(records)

    def text(self, value: bytes, index: int, field: str) -> str | None:
        return self._decoder.text(value, index, field)

    @property
    def count(self) -> int:
        return sum(map(len, self.seen.values()))

    def offsets(self) -> list[tuple[int, int]]:
        """(partition, offset) of every record, in the order in which each partition's came."""
        return [(number, row[0]) for number in sorted(self.seen) for row in self.seen[number]]


def scores(sink: MemorySink) -> Mapping[PointIdentity, Mapping[str, float | int | bool]]:
    """The points that came of readings; those of the measurement `worker` are about the worker."""
    return {name: fields for name, fields in sink.points.items() if name[0] == "scores"}


class Slow(MemorySink):
    """Accepts nothing until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()

    async def write(self, rows: Rows) -> Refused:
        await self.let.wait()
        return await super().write(rows)


@dataclass
class Served:
    """A worker and what is around it. `serve` may be called again: it is then another worker of the same pipeline.

    every: s between checkpoints
    """

    bootstrap: str
    topic: str
    sink: Any = field(default_factory=MemorySink)
    snapshots: MemorySnapshots = field(default_factory=MemorySnapshots)
    pipeline: Pipeline = field(default_factory=desk.pipeline)
    start: Position = "earliest"
    every: float = 0.2
    strict: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    """of the Group"""
    identity: str = "this"
    name: str = "group"

    @property
    def group(self) -> Group:
        settings = {"session_timeout": 6.0, "rebalance_timeout": 20.0, **self.settings}
        return Group(id=f"{self.name}.{self.topic}", topic=self.topic, connection=at(self.bootstrap), **settings)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["Serving"]:
        """A worker at work, until the end of the block: then it is stopped in order."""
        serving = Serving(self)
        serving.begin()
        await serving.begun.wait()
        try:
            yield serving
        finally:
            await serving.stop()


class Serving:
    """One run of `serve`."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._stop, self.begun = asyncio.Event(), asyncio.Event()
        self.noted = Noted(served.pipeline.decoder)
        self.steward: Steward
        self.task: asyncio.Task[None]

    def begin(self) -> None:
        s = self._served
        self.task = asyncio.create_task(serve(
            self._worker, s.group, start=s.start, every=s.every, identify=lambda: s.identity, stop=self._stop,
            ready=self._ready,
        ))  # fmt: skip

    def _worker(self, allowed: Callable[[], bool]) -> Worker:
        s = self._served
        return Worker(
            pipeline=replace(s.pipeline, decoder=self.noted), topic=s.topic, identity="", sinks={"memory": s.sink},
            snapshots=s.snapshots, strict=s.strict, allowed=allowed,
        )  # fmt: skip

    def _ready(self, steward: Steward) -> None:
        self.steward = steward
        self.begun.set()

    @property
    def owned(self) -> list[int]:
        return sorted(self.steward.worker.owned)

    async def until(self, ready: Callable[[], bool], *, seconds: float = 60.0, what: str) -> None:
        """Wait; what made the worker die is raised."""

        def alive() -> bool:
            if self.task.done():
                self.task.result()
                raise AssertionError(f"the worker ended before {what}")
            return ready()

        await until(alive, seconds=seconds, what=what)

    async def scored(self, count: int) -> None:
        """Wait until so many records were decoded."""
        await self.until(lambda: self.noted.count >= count, what=f"{count} records, of which {self.noted.count} came")

    async def read_to(self, ends: Mapping[int, int]) -> None:
        """Wait until each partition was read up to this offset, control batches included."""

        def there() -> bool:
            return {number: owned.partition.offset for number, owned in self.steward.worker.owned.items()} == ends

        await self.until(there, what=f"the offsets {ends}")

    async def fetched(self) -> int:
        """Records that were fetched so far, scored or waiting."""
        consumer = self.steward._log._slices  # type: ignore[attr-defined]
        return sum([await consumer.position(place) for place in consumer.assignment()])

    async def still(self) -> None:
        """Wait until nothing more is fetched."""
        before, same = -1, 0
        while same < 20:
            await asyncio.sleep(0.05)
            now = await self.fetched()
            before, same = now, same + 1 if now == before else 0

    async def stop(self) -> None:
        """Stop in order. Raises what made the worker die."""
        self._stop.set()
        await asyncio.wait_for(self.task, 60)
