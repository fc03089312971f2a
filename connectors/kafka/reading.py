"""Reading a topic from somewhere to its present end, without a consumer group."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from aiokafka.structs import ConsumerRecord

from connectors.kafka.connection import Connection, Unreachable, aiokafka_settings, quiet
from connectors.kafka.preflight import preflight
from connectors.kafka.producing import why
from connectors.kafka.topics import describe, not_allowed

_PATIENCE = 30.0
"""seconds without a record before the end"""

_POLL = 200
"""ms"""

_LATEST = 2**62
"""ms; a broker looks no further"""


Span = tuple[int, int]
"""first offset, and one past the last"""


async def read(
    connection: Connection,
    topic: str,
    *,
    last: int | None = None,
    spans: Mapping[int, Span] | None = None,
    follow: bool = False,
) -> AsyncIterator[Sequence[ConsumerRecord]]:
    """Slices of one partition each, in order per partition; of aborted transactions nothing.

    last:   about so many records, the same number of each partition; None = from the beginning
    spans:  partition -> what to read of it, and of no other; None = to the present end
    follow: go on at the end and wait for more, for ever

    Raises MissingTopic, Unreachable.
    """
    partitions = (await asyncio.to_thread(describe, connection, topic)).partitions
    wanted = range(partitions) if spans is None else spans
    async with _reaching(connection, topic) as consumer:
        places = [TopicPartition(topic, number) for number in wanted]
        async for records in _slices(consumer, places, last=last, spans=spans or {}, follow=follow):
            yield records


async def spans_between(connection: Connection, topic: str, begin: int, end: int) -> dict[int, Span]:
    """What each partition holds of the time from `begin` to before `end`, ns since 1970, by its records' times.

    Raises MissingTopic, Unreachable.
    """
    partitions = (await asyncio.to_thread(describe, connection, topic)).partitions
    places = [TopicPartition(topic, number) for number in range(partitions)]
    async with _reaching(connection, topic) as consumer:
        ends = await consumer.end_offsets(places)
        found = [
            await consumer.offsets_for_times(dict.fromkeys(places, min(max(-(-at // 1_000_000), 0), _LATEST)))
            for at in (begin, end)
        ]
    first, past = ({p: at[p].offset if at.get(p) else ends[p] for p in places} for at in found)
    return {p.partition: (first[p], past[p]) for p in places}


@asynccontextmanager
async def _reaching(connection: Connection, topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer, and errors that say what is wrong."""
    with quiet():
        try:
            async with _consumer(connection) as consumer:
                yield consumer
        except TopicAuthorizationFailedError as error:
            raise Unreachable(not_allowed(topic, "Read")) from error
        except (KafkaError, TimeoutError) as error:
            await preflight(connection)
            raise Unreachable(f"topic '{topic}': {why(error, topic)}") from error


@asynccontextmanager
async def _consumer(connection: Connection) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **aiokafka_settings(connection), group_id=None, enable_auto_commit=False, isolation_level="read_committed",
        auto_offset_reset="earliest", max_partition_fetch_bytes=4 * 2**20, request_timeout_ms=10_000,
    )  # fmt: skip
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def _slices(
    consumer: AIOKafkaConsumer,
    places: list[TopicPartition],
    *,
    last: int | None,
    spans: Mapping[int, Span],
    follow: bool,
) -> AsyncIterator[Sequence[ConsumerRecord]]:
    consumer.assign(places)
    begins, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
    share = None if last is None else -(-last // len(places))
    for place in places:
        first, past = spans.get(place.partition, (begins[place], ends[place]))
        ends[place] = min(past, ends[place])
        consumer.seek(place, max(begins[place], first if share is None else ends[place] - share))
    clock = asyncio.get_running_loop().time
    heard = clock()
    while follow or [place for place in places if await consumer.position(place) < ends[place]]:
        found = await consumer.getmany(timeout_ms=_POLL)
        for place, records in found.items():
            if kept := records if follow else [record for record in records if record.offset < ends[place]]:
                yield kept
        if found or follow:
            heard = clock()
        elif clock() - heard > _PATIENCE:
            raise TimeoutError
