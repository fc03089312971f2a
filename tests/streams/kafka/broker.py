"""What the tests of this package ask of a broker: topics, records of every make, and how far a group has come."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from connectors.kafka import topics
from connectors.kafka.connection import Connection
from connectors.kafka.topics import admin

CODECS = (None, "gzip", "snappy", "lz4", "zstd")

EPOCH = 1_700_000_000
"""s; time of the first reading"""


class Sent(NamedTuple):
    """A record on its way to a topic. time: ms, None = now."""

    value: bytes | None
    partition: int = 0
    key: bytes | None = None
    time: int | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()


def at(bootstrap: str) -> Connection:
    return Connection(bootstrap=(bootstrap,))


def create(bootstrap: str, name: str, partitions: int = 4) -> None:
    topics.create(at(bootstrap), name, partitions=partitions)


def reading(i: int, *, series: int, value: float | None = None) -> bytes:
    """The i-th reading of the stream: one a second, which wobbles."""
    return b'{"series":"s%d","time":%d,"value":%.2f}' % (series, EPOCH + i, i * 7 % 11 if value is None else value)


def readings(n: int, *, first: int = 0, partitions: int = 4) -> list[Sent]:
    """Readings of eight series, dealt over the partitions."""
    return [Sent(reading(i, series=i % 8), i % 8 % partitions) for i in range(first, first + n)]


@asynccontextmanager
async def producer(bootstrap: str, **settings: Any) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that is flushed at the end."""
    made = AIOKafkaProducer(bootstrap_servers=bootstrap, **settings)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def put(made: AIOKafkaProducer, topic: str, records: Sequence[Sent]) -> None:
    """Send and wait for all."""
    for waiting in [
        await made.send(topic, r.value, r.key, partition=r.partition, timestamp_ms=r.time, headers=list(r.headers))
        for r in records
    ]:
        await waiting


async def send(bootstrap: str, topic: str, records: Sequence[Sent], **settings: Any) -> None:
    """Send these records with a producer of these settings."""
    async with producer(bootstrap, **settings) as made:
        await put(made, topic, records)


async def ends(bootstrap: str, topic: str, partitions: int = 4) -> dict[int, int]:
    """One past the last offset of each partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        found = await consumer.end_offsets([TopicPartition(topic, number) for number in range(partitions)])
    finally:
        await consumer.stop()
    return {place.partition: offset for place, offset in found.items()}


async def committed(bootstrap: str, group: str, topic: str, partitions: int = 4) -> dict[int, int | None]:
    """What a group has committed."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        return {place.partition: await consumer.committed(place) for place in places}
    finally:
        await consumer.stop()


async def commit(bootstrap: str, group: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Commit for a group that nobody is a member of."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        places = {TopicPartition(topic, number): offset for number, offset in offsets.items()}
        consumer.assign(list(places))
        await consumer.commit(places)
    finally:
        await consumer.stop()


def delete_records(bootstrap: str, topic: str, before: Mapping[int, int]) -> None:
    """Let retention take the records before these offsets, at once."""
    with admin(at(bootstrap)) as client:
        client.delete_records({TopicPartition(topic, number): offset for number, offset in before.items()})


def delete(bootstrap: str, topic: str) -> None:
    with admin(at(bootstrap)) as client:
        client.delete_topics([topic])


async def until(ready: Callable[[], bool], *, seconds: float = 60.0, what: str) -> None:
    """Ask again and again; AssertionError when the time is up."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        await asyncio.sleep(0.02)
