"""Records into a topic: of a recording, or of another topic so that every series stands in one partition."""

import asyncio
from collections.abc import AsyncIterable, Callable

from connectors.base import Records
from connectors.kafka.connection import Connection
from connectors.kafka.reading import read
from connectors.kafka.topics import held
from connectors.kafka.writing import Writer, writer

Key = Callable[[bytes | None, bytes | None], bytes | None]
"""The series of a record, by its key and value; None or empty = it has none."""


async def produce(connection: Connection, topic: str, records: AsyncIterable[Records]) -> int:
    """Send records as they come, keys and values as they are, their time now; the number, when all are acknowledged.

    The pace is the source's. A record with a key goes where Kafka's clients would put it; those of one source partition
    that have none stay together. Raises Unreachable, also if there is no such topic.
    """
    count = 0
    async with writer(connection, topic=topic) as out:
        async for each in records:
            await _produce(out, topic, each)
            await out.send()
            count += len(each)
    return count


async def _produce(out: Writer, topic: str, records: Records) -> None:
    partitions = await out.partitions(topic)
    for key, value in zip(records.keys, records.values, strict=True):
        place = records.partition % len(partitions) if key is None else await out.partition(topic, key)
        await out.put(topic, place, key=key, value=value)


async def repartition(connection: Connection, source: str, target: str, key: Key, *, stop_at_end: bool = True) -> int:
    """Copy a topic so that every series stands in one partition; the number of records, when all are acknowledged.

    A copied record has the key that `key` finds, and its own value, time and headers; one without keeps its own key,
    or without that the number of its partition. Records of one source partition keep their order; a series that stood
    in several is interleaved as it was read. Of aborted transactions nothing is copied.

    stop_at_end: False = go on until cancelled; what is then not acknowledged may be missing

    Raises ValueError if the target holds records already, since a copy that is run again would double them;
    MissingTopic, Unreachable.
    """
    await asyncio.to_thread(_refuse_target, connection, source, target)
    count = 0
    async with writer(connection, topic=target) as out:
        partitions = await out.partitions(target)
        async for records in read(connection, source, follow=not stop_at_end):
            for record in records:
                found = key(record.key, record.value) or record.key
                place = record.partition % len(partitions) if found is None else await out.partition(target, found)
                await out.put(
                    target, place, key=found, value=record.value, time=record.timestamp, headers=record.headers
                )
            await out.send()
            count += len(records)
    return count


def _refuse_target(connection: Connection, source: str, target: str) -> None:
    if source == target:
        raise ValueError(f"the copy of '{source}' needs a topic of its own; got the same name")
    if there := held(connection, target):
        raise ValueError(
            f"topic '{target}' holds {there} records already; a copy into it would double or mix them. "
            "Delete it and create it again, or name another"
        )


async def spread(connection: Connection, topic: str, key: Key, *, sample: int) -> dict[bytes, set[int]]:
    """Series that stand in several partitions, and in which, among about the last `sample` records.

    Records without a series are passed over. Raises MissingTopic, Unreachable.
    """
    found: dict[bytes, set[int]] = {}
    async for records in read(connection, topic, last=sample):
        for record in records:
            if series := key(record.key, record.value):
                found.setdefault(series, set()).add(record.partition)
    return {series: partitions for series, partitions in found.items() if len(partitions) > 1}
