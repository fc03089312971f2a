"""What goes into a topic is what was given; a keyed copy holds the same records, each series in one partition."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from aiokafka import AIOKafkaProducer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.base import Column, Records
from connectors.kafka.connection import Connection, Unreachable
from connectors.kafka.copy import produce, repartition, spread
from connectors.kafka.topics import MissingTopic, create
from connectors.recordings import Recording
from tests.connectors.kafka.conftest import Held, grant, held, send, user
from tests.servers.fixtures import Secure
from tests.servers.process import wait_until

pytestmark = pytest.mark.servers

Pair = tuple[bytes | None, bytes | None]


async def slices(pairs: list[Pair], *, partitions: int = 3) -> AsyncIterator[Records]:
    """These records, dealt to partitions in turn."""
    for number in range(partitions):
        mine = pairs[number::partitions]
        keys, values = Column.of([key for key, _ in mine]), Column.of([value for _, value in mine])
        yield Records("recorded", number, np.arange(len(mine)), keys, values, np.zeros(len(mine), np.int64))


def series(_: bytes | None, value: bytes | None) -> bytes | None:
    """The first letter of the value."""
    return value[:1] if value else None


def pairs_of(records: list[Held]) -> list[tuple[bytes, bytes]]:
    return sorted((record.key or b"-", record.value or b"-") for record in records)


# produce


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.none() | st.binary(max_size=5), st.none() | st.binary(max_size=50)), max_size=40))
def test_whatever_is_sent_arrives(kafka: Connection, made: str, pairs: list[Pair]) -> None:
    before = len(held(kafka, made))
    assert asyncio.run(produce(kafka, made, slices(pairs))) == len(pairs)
    found = sorted(held(kafka, made), key=lambda record: record.time)
    assert len(found) == before + len(pairs)
    assert {(record.key, record.value) for record in found} >= set(pairs)


def test_a_recording_goes_to_a_topic_with_its_series_in_order(kafka: Connection, made: str, tmp_path: Path) -> None:
    for name in ("p1", "p2", "p3"):
        rows = "".join(f"2026-01-01T00:00:{second:02d}Z,{second}\n" for second in range(60))
        (tmp_path / f"{name}.csv").write_text("timestamp,flow\n" + rows)
    recording = Recording(sorted(tmp_path.glob("*.csv")), topic="recorded", chunk=7)
    assert asyncio.run(produce(kafka, made, recording.read(dict.fromkeys(recording.partitions, 0)))) == 180
    found: dict[bytes | None, list[Held]] = {}
    for record in held(kafka, made):
        found.setdefault(record.key, []).append(record)
    assert set(found) == {b"p1", b"p2", b"p3"}
    for records in found.values():
        assert len({record.partition for record in records}) == 1
        assert [json.loads(record.value or b"")["flow"] for record in records] == list(range(60))


def test_keys_go_where_kafkas_clients_put_them_and_none_stay_together(kafka: Connection, made: str) -> None:
    keys = [b"k%d" % number for number in range(50)]
    send(kafka, made, [(key, b"theirs") for key in keys])
    pairs: list[Pair] = [(key, b"ours") for key in keys] + [(None, b"none")] * 30
    asyncio.run(produce(kafka, made, slices(pairs, partitions=1)))
    places: dict[bytes | None, set[int]] = {}
    for record in held(kafka, made):
        places.setdefault(record.key, set()).add(record.partition)
    assert {len(found) for found in places.values()} == {1}
    assert places[None] == {0}
    assert set.union(*places.values()) == {0, 1, 2, 3}


def test_a_record_too_large_is_told_with_the_setting(kafka: Connection, made: str) -> None:
    with pytest.raises(Unreachable, match=rf"topic '{made}' does not accept .*; raise its max\.message\.bytes"):
        asyncio.run(produce(kafka, made, slices([(b"k", bytes(2**21))], partitions=1)))


def test_nowhere_to_send_is_told_in_one_line(kafka: Connection, topic: str) -> None:
    with pytest.raises(Unreachable, match=rf"there is no topic '{topic}'\. To create it: watchkeeper topics create"):
        asyncio.run(produce(kafka, topic, slices([(b"k", b"v")])))
    with pytest.raises(Unreachable, match=r"kafka\.bootstrap: nothing answers at 127\.0\.0\.1:1"):
        asyncio.run(produce(Connection(bootstrap=("127.0.0.1:1",)), topic, slices([(b"k", b"v")])))


# repartition, spread


def scatter(connection: Connection, topic: str, count: int) -> None:
    """Records of the series a to h, each in all partitions, with times and headers."""
    for number in range(4):
        pairs = [(None, b"%c%03d" % (97 + at % 8, at)) for at in range(number, count, 4)]
        send(connection, topic, pairs, partition=number, timestamp_ms=1_700_000_000_000 + number,
             headers=[("from", b"%d" % number), ("from", b"again")])  # fmt: skip


def test_a_copy_has_every_series_in_one_partition_and_loses_nothing(kafka: Connection, made: str) -> None:
    scatter(kafka, made, 400)
    send(kafka, made, [(b"own", b""), (None, b""), (b"gone", None)], partition=2)
    target = f"{made}.keyed"
    create(kafka, target, partitions=5, retention=-1)
    assert asyncio.run(repartition(kafka, made, target, series)) == 403
    source, copied = held(kafka, made), held(kafka, target)
    assert [r for r in copied if r.value and r.key != r.value[:1]] == []
    assert {len({r.partition for r in copied if r.key == bytes([97 + n])}) for n in range(8)} == {1}
    assert sorted((r.value or b"-", r.time, r.headers) for r in copied) == sorted(
        (r.value or b"-", r.time, r.headers) for r in source
    )
    assert {r.key for r in copied if not r.value} == {b"own", None, b"gone"}
    for number in range(4):
        for key in {r.key for r in copied}:
            mine = [r.value for r in copied if r.key == key and ("from", b"%d" % number) in r.headers]
            assert mine == sorted(mine, key=lambda value: value or b"")
    with pytest.raises(ValueError, match=f"topic '{target}' holds 403 records already"):
        asyncio.run(repartition(kafka, made, target, series))


def test_series_that_stand_in_several_partitions_are_found_in_the_last_records(kafka: Connection, made: str) -> None:
    send(kafka, made, [(None, b"old")] * 3, partition=0)
    for number in range(4):
        send(kafka, made, [(None, b"a"), (None, b"%d" % number), (b"k", None)], partition=number)
    send(kafka, made, [(None, b"old")], partition=1)
    assert asyncio.run(spread(kafka, made, series, sample=12)) == {b"a": {0, 2, 3}}
    assert asyncio.run(spread(kafka, made, series, sample=100)) == {b"a": {0, 1, 2, 3}, b"o": {0, 1}}


def test_records_of_aborted_and_open_transactions_are_not_copied(kafka: Connection, made: str) -> None:
    target = f"{made}.keyed"
    create(kafka, target, partitions=2)

    async def run() -> int:
        producer = AIOKafkaProducer(bootstrap_servers=list(kafka.bootstrap), transactional_id=made)
        await producer.start()
        try:
            async with producer.transaction():
                await producer.send_and_wait(made, b"kept", partition=0)
            await producer.begin_transaction()
            await producer.send_and_wait(made, b"aborted", partition=0)
            await producer.abort_transaction()
            await producer.begin_transaction()
            await producer.send_and_wait(made, b"open", partition=1)
            copied = await repartition(kafka, made, target, series)
            await producer.abort_transaction()
            return copied
        finally:
            await producer.stop()

    assert asyncio.run(run()) == 1
    assert [(record.key, record.value) for record in held(kafka, target)] == [(b"k", b"kept")]


async def test_a_copy_that_follows_goes_on_until_cancelled(kafka: Connection, made: str) -> None:
    target = f"{made}.keyed"
    await asyncio.to_thread(create, kafka, target, partitions=2)
    await asyncio.to_thread(send, kafka, made, [(None, b"first")])
    following = asyncio.create_task(repartition(kafka, made, target, series, stop_at_end=False))

    def arrived(count: int) -> bool:
        return len(held(kafka, target)) == count

    await asyncio.to_thread(wait_until, lambda: arrived(1), seconds=10, what="the first record")
    await asyncio.to_thread(send, kafka, made, [(None, b"second")])
    await asyncio.to_thread(wait_until, lambda: arrived(2), seconds=10, what="the second record")
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following


def test_topics_that_are_not_there_or_the_same(kafka: Connection, made: str) -> None:
    with pytest.raises(MissingTopic, match=f"did you mean '{made}'"):
        asyncio.run(repartition(kafka, made, made[:-1], series))
    with pytest.raises(ValueError, match="needs a topic of its own"):
        asyncio.run(repartition(kafka, made, made, series))
    with pytest.raises(MissingTopic):
        asyncio.run(spread(kafka, made[:-1], series, sample=10))


def test_missing_permissions_are_named(guarded: Secure, topic: str) -> None:
    owner, mine = Connection(bootstrap=(guarded.listeners["PLAINTEXT"],)), user(guarded)
    target = f"{topic}.keyed"
    for name in (topic, target):
        create(owner, name, partitions=2)
    send(owner, topic, [(None, b"a")])
    grant(owner, target, "WRITE")
    with pytest.raises(Unreachable, match=rf"topic '{topic}': not allowed .* the ACL Describe on"):
        asyncio.run(repartition(mine, topic, target, series))
    grant(owner, topic, "READ")
    assert asyncio.run(repartition(mine, topic, target, series)) == 1
