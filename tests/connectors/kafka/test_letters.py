"""Dead letters are read back as they were written, and their records go where they came from, once."""

import asyncio
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.base import DeadLetter, DeadLetters
from connectors.kafka.connection import Connection, Unreachable
from connectors.kafka.dead_letter import cut_message, identity
from connectors.kafka.letters import ATTEMPT, dead_letters, replay
from connectors.kafka.sink import KafkaSink
from connectors.kafka.topics import MissingTopic, create, own_topics
from tests.connectors.kafka.conftest import Held, grant, held, send, user
from tests.connectors.test_sinks import dead, letter
from tests.servers.fixtures import Secure

pytestmark = pytest.mark.servers

SECOND = 10**9


@pytest.fixture
def grave(kafka: Connection, topic: str) -> str:
    """A topic for dead letters."""
    name = f"{topic}.dead"
    create(kafka, name, partitions=3, **own_topics("", name)[name])
    return name


def bury(connection: Connection, grave: str, *letters: DeadLetter) -> None:
    async def write() -> None:
        sink = KafkaSink(connection, alerts=grave, dead=grave)
        refused = await sink.write(DeadLetters(letters))
        await sink.close()
        assert not refused

    asyncio.run(write())


def from_topic(topic: str, offset: int, **more: Any) -> DeadLetter:
    """A letter of a record of this topic."""
    given: dict[str, Any] = {"time": (1_700_000_000 + offset) * SECOND, "partition": offset % 4, "topic": topic}
    return letter(offset, **(given | more))


# reading


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(dead, max_size=20, unique_by=identity))
def test_whatever_is_written_is_read_back(kafka: Connection, letters: list[DeadLetter]) -> None:
    grave = f"test.{uuid4().hex}"
    create(kafka, grave, partitions=3)
    bury(kafka, grave, *letters)
    assert sorted(dead_letters(kafka, grave), key=identity) == sorted(letters, key=identity)


def test_the_newest_come_first_in_their_last_version(kafka: Connection, grave: str) -> None:
    old, late, split = (
        letter(1),
        letter(2, reason="late", pipeline="fans"),
        [letter(3, index=i, time=9) for i in (0, 1)],
    )
    bury(kafka, grave, old, late, *split, letter(4, time=9))
    bury(kafka, grave, letter(1, attempt=1, detail="again"))
    newest = [letter(4, time=9), *split[::-1], late, letter(1, attempt=1, detail="again")]
    assert dead_letters(kafka, grave) == newest
    assert dead_letters(kafka, grave, limit=2) == newest[:2]
    assert dead_letters(kafka, grave, pipeline="fans") == dead_letters(kafka, grave, reason="late") == [late]
    assert dead_letters(kafka, grave, pipeline="pumps", reason="late") == []


def test_a_null_value_deletes_and_comes_back_after(kafka: Connection, grave: str) -> None:
    bury(kafka, grave, letter(1), letter(2))
    send(kafka, grave, [(identity(letter(1)), None)])
    assert dead_letters(kafka, grave) == [letter(2)]
    bury(kafka, grave, letter(1, attempt=1))
    assert dead_letters(kafka, grave) == [letter(2), letter(1, attempt=1)]


def test_other_records_are_passed_over(kafka: Connection, grave: str) -> None:
    send(kafka, grave, [(b"k", b"v"), (b"k", None)])
    send(kafka, grave, [(b"k", b"v")], headers=[("source_topic", b"\xff"), ("index", b"x")])
    assert dead_letters(kafka, grave) == []


def test_a_missing_topic(kafka: Connection, grave: str) -> None:
    with pytest.raises(MissingTopic, match=f"did you mean '{grave}'"):
        dead_letters(kafka, grave[:-1])


# replay


def replayed(records: list[Held]) -> list[tuple[Any, ...]]:
    return sorted((r.partition, r.key, r.value, r.time, r.headers) for r in records)


def test_records_go_back_with_key_value_time_partition_and_attempt(kafka: Connection, made: str, grave: str) -> None:
    letters = [
        from_topic(made, 0, key=b"a", value=b"1"),
        from_topic(made, 1, key=None, value=b"2", attempt=4),
        from_topic(made, 2, key=b"", value=None),
        from_topic(made, 3, key=None, value=None),
    ]
    bury(kafka, grave, *letters, from_topic(made, 9))
    told = replay(kafka, grave, letters)
    assert (told.records, told.letters, list(told.left)) == (4, 4, [])
    expected = [
        (n, each.key, each.value, each.time // 10**6, ((ATTEMPT, b"%d" % (each.attempt + 1)),))
        for n, each in enumerate(letters)
    ]
    assert replayed(held(kafka, made)) == expected
    assert dead_letters(kafka, grave) == [from_topic(made, 9)]


def test_a_record_of_which_several_readings_are_dead_goes_back_once(kafka: Connection, made: str, grave: str) -> None:
    readings = [from_topic(made, 5, index=index, attempt=index, value=b"whole") for index in range(3)]
    bury(kafka, grave, *readings)
    told = replay(kafka, grave, readings)
    assert (told.records, told.letters) == (1, 3)
    (record,) = held(kafka, made)
    assert (record.value, record.headers) == (b"whole", ((ATTEMPT, b"3"),))
    assert dead_letters(kafka, grave) == []


def test_what_was_cut_is_gone_or_is_to_be_skipped_stays(kafka: Connection, made: str, grave: str) -> None:
    good, crashed = from_topic(made, 1), from_topic(made, 2, reason="crashed")
    large, gone = from_topic(made, 3, value=b"x" * 2**21), from_topic(made, 4)
    bury(kafka, grave, good, crashed, large)
    told = replay(kafka, grave, [good, crashed, large, gone], skip={"crashed"})
    assert (told.records, told.letters) == (1, 1)
    assert [(each.offset, why) for each, why in told.left] == [
        (2, "its reason is crashed"),
        (3, f"it was cut: {2**21} bytes were too large for the dead-letter topic"),
        (4, "it is no longer in the topic: replayed, or too old"),
    ]
    assert [each.offset for each in dead_letters(kafka, grave)] == [3, 2]
    assert replay(kafka, grave, [good]).records == 0
    assert len(held(kafka, made)) == 1


def test_what_is_replayed_is_what_stands_in_the_topic(kafka: Connection, made: str, grave: str) -> None:
    bury(kafka, grave, from_topic(made, 1, attempt=3, value=b"stands"))
    assert replay(kafka, grave, [from_topic(made, 1, attempt=0, value=b"given")]).records == 1
    (record,) = held(kafka, made)
    assert (record.value, record.headers) == (b"stands", ((ATTEMPT, b"4"),))


def test_a_source_topic_that_is_missing_stops_all_before_anything_is_sent(
    kafka: Connection, made: str, grave: str
) -> None:
    letters = [from_topic(made, 1), from_topic(f"{made}.gone", 2)]
    bury(kafka, grave, *letters)
    with pytest.raises(Unreachable, match=f"there is no topic '{made}.gone'"):
        replay(kafka, grave, letters)
    assert held(kafka, made) == []
    assert len(dead_letters(kafka, grave)) == 2


def test_a_topic_with_fewer_partitions_takes_them_all(kafka: Connection, made: str, grave: str) -> None:
    bury(kafka, grave, from_topic(made, 1, partition=7))
    assert replay(kafka, grave, dead_letters(kafka, grave)).records == 1
    assert [record.partition for record in held(kafka, made)] == [3]


def test_missing_permissions_are_named(guarded: Secure, topic: str) -> None:
    owner, mine = Connection(bootstrap=(guarded.listeners["PLAINTEXT"],)), user(guarded)
    grave = f"{topic}.dead"
    for name in (topic, grave):
        create(owner, name, partitions=4, retention=-1)
    bury(owner, grave, from_topic(topic, 1))
    grant(owner, grave, "DESCRIBE")
    with pytest.raises(Unreachable, match=rf"topic '{grave}': not allowed .* the ACL Read on"):
        dead_letters(mine, grave)
    grant(owner, grave, "READ")
    letters = dead_letters(mine, grave)
    assert len(letters) == 1
    grant(owner, grave, "WRITE")
    with pytest.raises(Unreachable, match=rf"topic '{topic}': not allowed .* the ACL Write on"):
        replay(mine, grave, letters)
    grant(owner, topic, "WRITE")
    assert replay(mine, grave, letters).records == 1


def test_a_cut_letter_is_shorter_than_any_topic_takes() -> None:
    large = msgspec.structs.replace(letter(1), value=bytes(10**7), key=bytes(10**6), detail="x" * 10**6)
    sent = cut_message(large)
    assert len(sent.value) + sum(len(value or b"") for _, value in sent.headers) < 4000
