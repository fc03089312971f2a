"""What all that produces has in common: one idempotent producer, the place of a key, and words for failures."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from aiokafka.partitioner import DefaultPartitioner

from connectors.kafka.connection import Connection, Unreachable, aiokafka_settings
from connectors.kafka.preflight import preflight
from connectors.kafka.topics import missing, not_allowed

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)

REFUSED = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError, UnknownTopicOrPartitionError)
"""what a person must put right"""

Headers = Sequence[tuple[str, bytes | None]]

_START = 10.0
"""seconds for connecting, and for the producer's identity"""

_BATCH = 65_536
"""bytes of one partition sent at once"""

_LARGEST = 64 * 2**20
"""bytes: below the 100 MiB at which a broker hangs up instead of refusing; what is larger is refused here"""

_murmur2 = DefaultPartitioner()


class Message(NamedTuple):
    """A record to be; it goes to the partition of `place`, which need not be its key."""

    place: bytes
    key: bytes
    value: bytes
    headers: Headers


async def start(connection: Connection, *, answer: float = 10.0) -> AIOKafkaProducer:
    """A producer whose retries neither repeat nor reorder, acknowledged by all replicas.

    answer: seconds to wait for one answer, before it is asked again

    Raises Unreachable, or one of REFUSED if the user may write nowhere.
    """
    producer = AIOKafkaProducer(
        **aiokafka_settings(connection), enable_idempotence=True, acks="all", linger_ms=0, max_batch_size=_BATCH,
        max_request_size=_LARGEST, request_timeout_ms=int(answer * 1000),
    )  # fmt: skip
    try:
        async with asyncio.timeout(_START):
            await producer.start()
    except BaseException as error:
        await producer.stop()
        if isinstance(error, REFUSED) or not isinstance(error, (KafkaError, OSError, TimeoutError)):
            raise
        await preflight(connection)
        raise Unreachable(f"kafka.bootstrap: {why(error)}") from error
    return producer


async def abandon(producer: AIOKafkaProducer) -> None:
    """Give up what is still on its way: a version delivered late would stand above a newer one.

    Its own `stop` first waits, without end, until everything is delivered, hence the private names (aiokafka is
    pinned).
    """
    producer._closed = True
    try:
        if sender := producer._sender.sender_task:
            sender.cancel()
            await asyncio.wait([sender])
    finally:
        await producer.client.close()


async def partitions_of(producer: AIOKafkaProducer, topic: str) -> list[int]:
    """Numbers of the topic's partitions. Raises UnknownTopicOrPartitionError, TopicAuthorizationFailedError."""
    cluster = producer.client.cluster
    if cluster.partitions_for_topic(topic) is None:
        # the library's own question is asked again and again until its time is up
        await producer.client.add_topic(topic)
        await producer.client.force_metadata_update()
    found = cluster.partitions_for_topic(topic)
    if found is None:
        raise (TopicAuthorizationFailedError if topic in cluster.unauthorized_topics else UnknownTopicOrPartitionError)(
            topic
        )
    return sorted(found)


def partition_of(key: bytes, partitions: Sequence[int]) -> int:
    """Where Kafka's own clients would put this key."""
    return int(_murmur2(key, partitions, partitions))


def why(error: BaseException, topic: str = "") -> str:
    """A failure in one line. `topic`: where the error does not name one itself."""
    if isinstance(error, (TopicAuthorizationFailedError, UnknownTopicOrPartitionError)):
        topic = str(next(iter(error.args), topic))
    match error:
        case TopicAuthorizationFailedError():
            return not_allowed(topic, "Write")
        case ClusterAuthorizationFailedError():
            return not_allowed(topic, "Write (brokers before 2.8: and IdempotentWrite on the cluster)")
        case UnknownTopicOrPartitionError():
            return missing(topic)
        case MessageSizeTooLargeError() | RecordListTooLargeError():
            return f"topic '{topic}' does not accept a record as large as this; raise its max.message.bytes"
        case TimeoutError():
            return "no acknowledgement in time"
        case KafkaError():
            return f"{type(error).__name__}: {getattr(error, 'description', '') or error.args or ''}".rstrip(": ()")
    return str(error) or type(error).__name__
