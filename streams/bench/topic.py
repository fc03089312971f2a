"""What `bench pipeline` reads: topics of JSON readings, one a record or many, in large or small batches."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiokafka import AIOKafkaProducer

from connectors.kafka import topics
from connectors.kafka.connection import Connection, aiokafka_settings

SERIES = 1000
PARTITIONS = 4
SPIKE_EVERY = 50_000
EPOCH_MS = 1_700_000_000_000
BATCH_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """readings in a record, records in a batch of the producer, and its codec (None = no compression)."""

    name: str
    readings: int
    per_record: int = 1
    per_batch: int = 10_000
    codec: str | None = None
    series: int = SERIES

    @property
    def records(self) -> int:
        """Records of all readings."""
        return -(-self.readings // self.per_record)


def create(connection: Connection, load: Load) -> str:
    """Create the topic of a load; its name."""
    topic = f"bench.{load.name}"
    topics.create(connection, topic, partitions=PARTITIONS)
    return topic


def fill(connection: Connection, load: Load) -> str:
    """Create a topic and send the readings, unless they are there; its name. A series keeps to a partition."""
    topic = create(connection, load)
    if topics.held(connection, topic) == 0:
        asyncio.run(_send(connection, topic, load))
    return topic


def value(series: int, reading: int, x: float) -> bytes:
    """A reading in about 60 bytes."""
    ms = EPOCH_MS + reading
    return b'{"series":"s%05d","time":%d.%03d,"value":%.6f}' % (series, ms // 1000, ms % 1000, x)


async def _send(connection: Connection, topic: str, load: Load) -> None:
    producer = AIOKafkaProducer(
        **aiokafka_settings(connection), acks="all", max_batch_size=BATCH_BYTES, compression_type=load.codec
    )
    await producer.start()
    try:
        sent = [
            await producer.send_batch(batch(producer, records), topic, partition=partition)
            for partition, records in _batches(load)
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def batch(producer: AIOKafkaProducer, records: list[tuple[bytes | None, bytes]]) -> Any:
    """These keys and values, ready to be sent. Raises ValueError if they do not fit."""
    made = producer.create_batch()
    for key, record in records:
        if made.append(key=key, value=record, timestamp=None) is None:
            raise ValueError(f"{len(records)} records do not fit into a batch of {BATCH_BYTES} bytes")
    made.close()
    return made


def _batches(load: Load) -> Iterator[tuple[int, list[tuple[bytes | None, bytes]]]]:
    """Partition and records of each batch, the partitions in turn."""
    full: list[list[tuple[bytes | None, bytes]]] = [[] for _ in range(PARTITIONS)]
    for partition, record in _records(load):
        full[partition].append(record)
        if len(full[partition]) == load.per_batch:
            yield partition, full[partition]
            full[partition] = []
    yield from ((partition, rest) for partition, rest in enumerate(full) if rest)


def _records(load: Load) -> Iterator[tuple[int, tuple[bytes | None, bytes]]]:
    values = np.random.default_rng(20240607).standard_normal(load.readings)
    values[SPIKE_EVERY - 1 :: SPIKE_EVERY] += 12.0
    if load.per_record == 1:
        for i, x in enumerate(values.tolist()):
            series = i % load.series
            yield series % PARTITIONS, (b"s%05d" % series, value(series, i, x))
        return
    # a record holds readings of series that keep to its partition
    for first in range(0, load.readings, load.per_record * PARTITIONS):
        for partition in range(PARTITIONS):
            rows = range(first + partition, min(first + load.per_record * PARTITIONS, load.readings), PARTITIONS)
            yield partition, (None, b"[" + b",".join(value(i % load.series, i, float(values[i])) for i in rows) + b"]")
