"""What a topic still holds of a time, as a source that ends."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import numpy as np
from aiokafka.structs import ConsumerRecord

from connectors.base import Column, Records
from connectors.kafka.connection import Connection
from connectors.kafka.reading import Span, read, spans_between


class History:
    """The records of a topic from one time to before another, by their own times, without a consumer group.

    Nothing is committed, and a worker on the same topic is not disturbed. Of aborted transactions nothing is read.
    begin, end: ns since 1970. Raises MissingTopic, Unreachable.
    """

    def __init__(self, connection: Connection, topic: str, *, begin: int, end: int) -> None:
        self.topic, self.identity = topic, f"history:{topic}"
        self._connection = connection
        self._spans: dict[int, Span] = asyncio.run(spans_between(connection, topic, begin, end))
        self.partitions: Sequence[int] = sorted(self._spans)

    def bounds(self, partition: int) -> tuple[int, int | None]:
        """First offset of the time, and one past the last."""
        return self._spans[partition]

    async def read(self, start: Mapping[int, int]) -> AsyncIterator[Records]:
        """Slices as the broker gives them."""
        spans = {partition: (first, self._spans[partition][1]) for partition, first in start.items()}
        async for found in read(self._connection, self.topic, spans=spans):
            yield _records(self.topic, found)


def _records(topic: str, found: Sequence[ConsumerRecord]) -> Records:
    return Records(
        topic,
        found[0].partition,
        np.array([record.offset for record in found]),
        Column.of([record.key for record in found]),
        Column.of([record.value for record in found]),
        np.array([record.timestamp * 1_000_000 for record in found]),
    )
