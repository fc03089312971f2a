"""What the transport alone can do: raw record batches through Faust, checked and counted, and nothing else."""

import asyncio
import sys
import time
from collections.abc import Mapping
from uuid import uuid4

from connectors.kafka.connection import Connection
from streams.app import Group, consume
from streams.batches import Slice
from streams.steward import Backlog
from streams.transport import Found


class Counting:
    """An owner that counts records by the headers of their batches."""

    def __init__(self, records: int) -> None:
        self.round = 0
        self.backlog = Backlog()
        self._expected = records
        self.done = asyncio.Event()

    async def revoked(self) -> Mapping[int, int]:
        return {}

    async def assigned(self, found: Mapping[int, Found]) -> Mapping[int, int]:
        self.round += 1
        return {partition: there.first for partition, there in found.items()}

    async def take(self, slice_: Slice) -> None:
        self.backlog.add(sum(batch.records for batch in slice_.batches), time.monotonic())
        if self.backlog.records >= self._expected:
            self.done.set()


async def ceiling(group: Group, records: int) -> Backlog:
    """Count so many records of a topic, from its beginning."""
    owner = Counting(records)
    await consume(group, owner, owner.done)
    return owner.backlog


def main(bootstrap: str, topic: str, records: int) -> None:
    """In a process of its own: tell the seconds on standard output."""
    group = Group(id=f"bench.{uuid4().hex[:8]}", topic=topic, connection=Connection(bootstrap=(bootstrap,)))
    found = asyncio.run(ceiling(group, records))
    sys.stdout.write(f"records={found.records} seconds={found.seconds:.4f}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
