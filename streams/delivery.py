"""Rows to several sinks, each with an outbox of its own: one that rests does not hold up the others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from connectors.base import Alerts, DeadLetters, Points, Refused, Rows, Sink
from streams.outbox import Outbox

Kind = type[Points] | type[Alerts] | type[DeadLetters]


class Mark(NamedTuple):
    """How much had been put into each of these outboxes, and how many rows had been refused."""

    outboxes: tuple[Outbox, ...]
    counts: tuple[int, ...]
    refused: int


@dataclass(frozen=True, slots=True)
class Only:
    """A sink that is given rows of these kinds, and none of the others."""

    sink: Sink
    kinds: tuple[Kind, ...]

    async def write(self, rows: Rows) -> Refused:
        return await self.sink.write(rows) if isinstance(rows, self.kinds) else Refused()

    async def close(self) -> None:
        await self.sink.close()


def always() -> bool:
    """Writing is allowed."""
    return True


class Delivery:
    """All sinks of a worker, by name. `allowed`: as in Outbox."""

    def __init__(self, sinks: Mapping[str, Sink], allowed: Callable[[], bool] = always) -> None:
        self._sinks, self._allowed = sinks, allowed
        self.outboxes = self._new()

    def _new(self) -> list[Outbox]:
        return [Outbox(name, sink, bury=self.put, allowed=self._allowed) for name, sink in self._sinks.items()]

    async def put(self, rows: Rows) -> None:
        """Queue these rows for every sink."""
        for outbox in self.outboxes:
            await outbox.put(rows)

    def mark(self) -> Mark:
        """Everything that was put so far."""
        return _mark(self.outboxes)

    async def accepted(self, mark: Mark) -> None:
        """Return when every sink has accepted all that was put before the mark, and the dead letters made of it.

        Raises Abandoned if that was discarded.
        """
        for outbox, count in zip(mark.outboxes, mark.counts, strict=True):
            await outbox.accepted(count)
        if (now := _mark(mark.outboxes)).refused > mark.refused:
            await self.accepted(now)

    async def drain(self) -> None:
        """Return when every sink has accepted everything that was put."""
        await self.accepted(self.mark())

    async def discard(self) -> None:
        """Forget what waits: the partitions that it came from are another worker's. Who waits for it is told so."""
        abandoned, self.outboxes = self.outboxes, self._new()
        for outbox in abandoned:
            await outbox.close()

    async def close(self) -> None:
        """Let go of the writers. What was not accepted is not written."""
        for outbox in self.outboxes:
            await outbox.close()


def _mark(outboxes: Sequence[Outbox]) -> Mark:
    counts = tuple(outbox.count for outbox in outboxes)
    return Mark(tuple(outboxes), counts, sum(outbox.refused for outbox in outboxes))
