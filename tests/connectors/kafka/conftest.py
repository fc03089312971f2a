"""A broker that guards its topics, and what stands in a topic, read plainly."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from warnings import catch_warnings, simplefilter

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from connectors.kafka.connection import SASL, Connection, Mechanism
from connectors.kafka.topics import admin, create, describe
from tests.servers.certificates import keystore
from tests.servers.fixtures import Secure, need
from tests.servers.kafka import LIB, PASSWORD, USER, Kafka

with catch_warnings():
    simplefilter("ignore", DeprecationWarning)  # as in connectors/kafka/topics.py
    from kafka.admin import (
        ACL,
        ACLOperation,
        ACLPermissionType,
        ConfigResource,
        ConfigResourceType,
        ResourcePattern,
        ResourceType,
    )

_GUARD = """
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
listener.name.old.ssl.client.auth=required
advertised.listeners={advertised}
listener.name.sasl_plaintext.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
"""


class Guarded(Kafka):
    """Access control: the plain listener may do everything, the user of the SASL one nothing until it is granted.

    OLD has a good certificate and asks for ours; SSL sends its clients to an address where nobody is.
    """

    def _format(self, *, scram: bool) -> None:
        advertised = {**self.listeners, "SSL": "127.0.0.1:1"}
        with self._properties.open("a") as file:
            file.write(_GUARD.format(advertised=",".join(f"{name}://{at}" for name, at in advertised.items())))
        super()._format(scram=scram)


@pytest.fixture(scope="session")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Guarded, Secure]]:
    """The broker itself, to hold it up, and where it is."""
    need(LIB, "Kafka")
    folder = tmp_path_factory.mktemp("guarded")
    store, certificate = keystore(folder, "good")
    server = Guarded(folder, keystores=(store, store))
    yield server, Secure(server.listeners, certificate, certificate)
    server.stop()


@pytest.fixture
def guarded(guard: tuple[Guarded, Secure]) -> Secure:
    return guard[1]


@pytest.fixture
def kafka(bootstrap: str) -> Connection:
    return Connection(bootstrap=(bootstrap,))


@pytest.fixture
def made(kafka: Connection, topic: str) -> str:
    """A topic with four partitions, which keeps records of any time."""
    assert create(kafka, topic, partitions=4, retention=-1)
    return topic


def user(
    secure: Secure, *, mechanism: Mechanism = "SCRAM-SHA-512", name: str = USER, password: str = PASSWORD
) -> Connection:
    """As this user, at the SASL listener."""
    sasl = SASL(mechanism=mechanism, username=name, password=password)
    return Connection(bootstrap=(secure.listeners["SASL_PLAINTEXT"],), sasl=sasl)


@dataclass(frozen=True)
class Held:
    """A record as it stands in a topic."""

    partition: int
    offset: int
    time: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def held(connection: Connection, topic: str) -> list[Held]:
    """All committed records, partition by partition."""
    return asyncio.run(_held(connection, topic, describe(connection, topic).partitions))


async def _held(connection: Connection, topic: str, partitions: int) -> list[Held]:
    consumer = AIOKafkaConsumer(bootstrap_servers=list(connection.bootstrap), isolation_level="read_committed")
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(places)
        found: list[ConsumerRecord] = []
        while [place for place in places if await consumer.position(place) < ends[place]]:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found += records
    finally:
        await consumer.stop()
    rows = [Held(r.partition, r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in found]
    return sorted(rows, key=lambda row: (row.partition, row.offset))


def send(connection: Connection, topic: str, records: Sequence[tuple[bytes | None, bytes | None]], **more: Any) -> None:
    """Produce these keys and values, one by one, as any client would."""
    asyncio.run(_send(connection, topic, records, more))


async def _send(
    connection: Connection, topic: str, records: Sequence[tuple[bytes | None, bytes | None]], more: dict[str, Any]
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=list(connection.bootstrap), acks="all")
    await producer.start()
    try:
        for sent in [await producer.send(topic, value, key, **more) for key, value in records]:
            await sent
    finally:
        await producer.stop()


def grant(owner: Connection, topic: str, *operations: str) -> None:
    """Allow the user of the SASL listener these operations on a topic."""
    pattern = ResourcePattern(ResourceType.TOPIC, topic)
    with admin(owner) as client:
        client.create_acls(
            [
                ACL(f"User:{USER}", "*", ACLOperation[operation], ACLPermissionType.ALLOW, pattern)
                for operation in operations
            ]
        )


def alter(owner: Connection, topic: str, configs: dict[str, str]) -> None:
    """Change settings of a topic."""
    with admin(owner) as client:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])
