"""Record batches as they are: fetched from a broker undecoded, or built by aiokafka."""

import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import numpy as np
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from connectors.base import Records
from connectors.kafka.topics import admin
from streams.batches import CRC_END, take
from tests.streams.kafka import broker

Headers = Sequence[tuple[str, bytes | None]]
Row = tuple[int, int, bytes | None, bytes | None]
"""offset, time in ms, key, value"""

CODES = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


class One(NamedTuple):
    """A record of a batch. offset: above the batch's base; time: ms."""

    offset: int
    time: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


def batch(records: Sequence[One], *, base: int = 0, codec: str = "none") -> bytes:
    """These records as aiokafka's producer packs them."""
    builder = DefaultRecordBatchBuilder(2, CODES[codec], 0, -1, -1, -1, 1 << 24)
    for each in records:
        added = builder.append(each.offset, each.time, each.key, each.value, list(each.headers))
        assert added is not None
    return struct.pack(">q", base) + bytes(builder.build())[8:]


def patched(data: bytes, at: int, new: bytes) -> bytes:
    """The one batch in `data` with other bytes at a place, and its checksum made right again."""
    changed = data[:at] + new + data[at + len(new) :]
    return changed[: CRC_END - 4] + struct.pack(">I", calc_crc32c(changed[CRC_END:])) + changed[CRC_END:]


def rows(records: Records) -> list[Row]:
    """As comparable values."""
    times = records.times // 1_000_000
    assert np.array_equal(times * 1_000_000, records.times)
    return list(zip(records.offsets.tolist(), times.tolist(), list(records.keys), list(records.values), strict=True))


class Fetched(NamedTuple):
    """One answer of the broker for a partition."""

    data: bytes
    aborted: list[tuple[int, int]]
    stable: int


class Fetcher:
    """Asks a broker for the bytes of partition 0 of a topic."""

    def __init__(self, client: AIOKafkaClient, topic: str) -> None:
        self._client, self._topic = client, topic

    async def fetch(self, offset: int, *, size: int = 1 << 20, committed: bool = True) -> Fetched:
        node = self._client.cluster.leader_for_partition(TopicPartition(self._topic, 0))
        assert node is not None
        topics = [(self._topic, [(0, offset, size)])]
        answer = await self._client.send(node, FetchRequest(0, 0, 1 << 24, int(committed), topics))
        _, error, _, *rest = answer.topics[0][1][0]
        assert error == 0
        return Fetched(bytes(rest[-1]), list(rest[2] or []), rest[0])

    async def read(self, first: int, *, size: int = 1 << 20, committed: bool = True) -> list[Row]:
        """Everything from an offset on, slice by slice."""
        found: list[Row] = []
        offset, stable = first, first + 1
        while offset < stable:
            answer = await self.fetch(offset, size=size, committed=committed)
            stable = answer.stable
            slice_ = take(self._topic, 0, answer.data, offset, answer.aborted if committed else None)
            assert slice_.last >= offset, "no progress"
            found += rows(slice_.records())
            offset = slice_.last + 1
        return found


@asynccontextmanager
async def fetcher(bootstrap: str, topic: str) -> AsyncIterator[Fetcher]:
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        client.set_topics([topic])
        await client.force_metadata_update()
        yield Fetcher(client, topic)
    finally:
        await client.close()


async def read_by_aiokafka(bootstrap: str, topic: str, first: int, *, committed: bool) -> list[Row]:
    """What aiokafka's own consumer makes of a topic."""
    isolation = "read_committed" if committed else "read_uncommitted"
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level=isolation)
    await consumer.start()
    try:
        place = TopicPartition(topic, 0)
        consumer.assign([place])
        consumer.seek(place, first)
        end, found = (await consumer.end_offsets([place]))[place], []
        while await consumer.position(place) < end:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found += [(r.offset, r.timestamp, r.key, r.value) for r in records]
        return found
    finally:
        await consumer.stop()


def create(bootstrap: str, topic: str, **configs: str) -> None:
    """A topic of one partition with these settings, underscores for dots."""
    wanted = {
        "num_partitions": 1,
        "replication_factor": 1,
        "configs": {k.replace("_", "."): v for k, v in configs.items()},
    }
    with admin(broker.at(bootstrap)) as client:
        client.create_topics({topic: wanted})
        client.wait_for_topics([topic])
