"""Writing many records to chosen partitions, with the times and headers that they have."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from connectors.kafka.connection import Connection, Unreachable, quiet
from connectors.kafka.preflight import preflight
from connectors.kafka.producing import Headers, abandon, partition_of, partitions_of, start, why

_PATIENCE = 30.0
"""seconds without acknowledgement"""

_KEYS = 100_000
"""keys whose partition is remembered, because murmur2 is slow in Python"""


class Writer:
    """Records in whole batches, in order per partition, also those that have neither key nor value.

    Durable after `flush`. `put` and `flush` raise KafkaError, or TimeoutError after 30 s without acknowledgement; what
    was not acknowledged by then is lost with the producer.
    """

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._open: dict[tuple[str, int], Any] = {}
        self._sent: list[asyncio.Future[Any]] = []
        self._partitions: dict[str, list[int]] = {}
        self._places: dict[tuple[str, bytes], int] = {}

    async def partitions(self, topic: str) -> list[int]:
        """Numbers of the topic's partitions."""
        if topic not in self._partitions:
            self._partitions[topic] = await partitions_of(self._producer, topic)
        return self._partitions[topic]

    async def partition(self, topic: str, key: bytes) -> int:
        """Where Kafka's own clients would put this key."""
        found = self._places.get((topic, key))
        if found is None:
            if len(self._places) >= _KEYS:
                self._places.clear()
            found = self._places[topic, key] = partition_of(key, await self.partitions(topic))
        return found

    async def put(
        self,
        topic: str,
        partition: int,
        *,
        key: bytes | None,
        value: bytes | None,
        time: int | None = None,
        headers: Headers = (),
    ) -> None:
        """Append a record. `time`: ms since 1970; None = now."""
        record = {"key": key, "value": value, "timestamp": time, "headers": list(headers)}
        batch = self._open.get((topic, partition))
        if batch is None or batch.append(**record) is None:
            await self._send(topic, partition)
            batch = self._open[topic, partition] = self._producer.create_batch()
            batch.append(**record)

    async def send(self) -> None:
        """Let everything go; do not wait for acknowledgement."""
        for topic, partition in list(self._open):
            await self._send(topic, partition)

    async def flush(self) -> None:
        """Let everything go, and return when it is acknowledged."""
        await self.send()
        if self._sent:
            await asyncio.wait(self._sent, timeout=_PATIENCE)
            self._settle()
        if self._sent:
            raise TimeoutError

    async def _send(self, topic: str, partition: int) -> None:
        if batch := self._open.pop((topic, partition), None):
            # waits while the one before it stands in the queue: that is the back-pressure
            self._sent.append(await self._producer.send_batch(batch, topic, partition=partition))
            self._settle()

    def _settle(self) -> None:
        """Forget what was acknowledged; raise what was refused."""
        done = [future for future in self._sent if future.done()]
        self._sent = [future for future in self._sent if not future.done()]
        failures = [error for future in done if (error := future.exception())]
        if failures:
            raise failures[0]


@asynccontextmanager
async def writer(connection: Connection, *, topic: str) -> AsyncIterator[Writer]:
    """A writer that is flushed at the end. `topic`: what a failure is about, where the library does not say it.

    Raises Unreachable in one line for every failure.
    """
    with quiet():
        try:
            producer = await start(connection)
            try:
                opened = Writer(producer)
                yield opened
                await opened.flush()
            finally:
                await abandon(producer)
        except (KafkaError, TimeoutError) as error:
            await preflight(connection)
            raise Unreachable(why(error, topic)) from error
