"""What the sink has accepted stands in the topics; a broker that cannot take it makes it busy, with the setting."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from hypothesis import given

from connectors.base import Alert, Alerts, DeadLetter, DeadLetters, Refused, Rows, SinkBusy
from connectors.kafka import cloud_events, dead_letter
from connectors.kafka.cloud_events import Form, event, stage
from connectors.kafka.connection import Connection
from connectors.kafka.sink import LATER, KafkaSink
from connectors.kafka.topics import create, own_topics
from tests.connectors.kafka.conftest import Guarded, Held, alter, grant, held, user
from tests.connectors.test_sinks import alert, dead, letter, points, raised
from tests.servers.fixtures import Secure

SECOND = 10**9


@pytest.fixture
def own(kafka: Connection, topic: str) -> tuple[str, str]:
    """Topics for alerts and dead letters."""
    names = f"{topic}.alerts", f"{topic}.dead"
    for name, wanted in own_topics(*names).items():
        create(kafka, name, partitions=4, **wanted)
    return names


def written(connection: Connection, own: tuple[str, str], *rows: Rows, form: Form = "structured") -> list[Refused]:
    """Write these, then close."""

    async def write() -> list[Refused]:
        sink = KafkaSink(connection, alerts=own[0], dead=own[1], form=form)
        try:
            return [await sink.write(each) for each in rows]
        finally:
            await sink.close()

    return asyncio.run(write())


def as_event(record: Held) -> Any:
    assert record.value is not None
    return from_kafka_event(KafkaMessage(dict(record.headers), record.key, record.value))


# how an alert and a dead letter become records


@given(raised)
def test_an_event_holds_the_whole_alert(given: Alert) -> None:
    told = event(given)
    assert msgspec.convert(told.get_data(), Alert) == given
    assert told.get_id() == event(given).get_id()
    assert told.get_subject() == (given.series or None)


def test_an_event_says_what_happened_where_and_when() -> None:
    told = event(alert(opened=1_700_000_000_123_456_789))
    assert told.get_type() == "watchkeeper.alert.opened"
    assert told.get_source() == "/watchkeeper/pumps"
    assert told.get_time() == datetime(2023, 11, 14, 22, 13, 20, 123456, UTC)
    closed = event(alert(state="closed", closed=1_700_000_001 * SECOND))
    assert closed.get_type() == "watchkeeper.alert.closed"
    assert closed.get_time() == datetime(2023, 11, 14, 22, 13, 21, tzinfo=UTC)
    assert event(alert(pipeline="hall 2/ö")).get_source() == "/watchkeeper/hall%202%2F%C3%B6"


def test_an_open_alert_whose_peak_rose_has_changed() -> None:
    assert stage(alert(opened=5)) == "opened"
    assert stage(alert(opened=5, peak_time=5)) == "opened"
    assert stage(alert(opened=5, peak_time=6)) == "changed"
    assert stage(alert(opened=5, peak_time=6, state="closed", closed=9)) == "closed"


def test_each_version_of_an_alert_has_an_id_of_its_own() -> None:
    versions = [alert(), alert(peak_time=6), alert(peak_time=7), alert(state="closed", closed=9)]
    ids = [event(version).get_id() for version in versions]
    assert len(set(ids)) == 4
    assert {each.partition("-")[0] for each in ids} == {"a1"}


def test_numbers_that_are_not_finite_are_absent() -> None:
    values = {"flow": float("nan"), "pressure": 1.0, "level": float("inf")}
    sent = cloud_events.message(alert(actual=values, peak_score=float("nan")), form="structured")
    data = json.loads(sent.value, parse_constant=pytest.fail)["data"]
    assert data["actual"] == {"pressure": 1.0}
    assert data["peak_score"] is None


@given(dead)
def test_a_dead_letter_is_read_as_it_was_written(given: DeadLetter) -> None:
    sent = dead_letter.message(given)
    assert dead_letter.stored(sent.value, sent.headers) == (given, None)
    assert sent.key == f"{given.pipeline}/{given.topic}/{given.partition}/{given.offset}/{given.index}".encode()
    cut = dead_letter.cut_message(given)
    assert dead_letter.stored(cut.value, cut.headers).cut == len(given.value or b"")


def test_another_record_is_no_dead_letter() -> None:
    headers = dict(dead_letter.message(letter()).headers)
    for missing in headers.keys() - {"message", "attempt"}:
        with pytest.raises(ValueError, match="missing required field"):
            dead_letter.stored(b"", [(name, value) for name, value in headers.items() if name != missing])
    with pytest.raises(ValueError, match="Expected `int`"):
        dead_letter.stored(b"", list({**headers, "source_offset": b"x"}.items()))


# alerts


@pytest.mark.servers
@pytest.mark.parametrize("form", ["structured", "binary"])
def test_alerts_are_cloud_events(kafka: Connection, own: tuple[str, str], form: Form) -> None:
    versions = [alert(asset="m1"), alert(asset="m1", peak_time=6), alert(asset="m1", state="closed", closed=9)]
    assert written(kafka, own, Alerts(versions), form=form) == [Refused()]
    records = held(kafka, own[0])
    assert [record.key for record in records] == [b"a1"] * 3
    events = [as_event(record) for record in records]
    assert [each.get_type().rpartition(".")[2] for each in events] == ["opened", "changed", "closed"]
    assert [msgspec.convert(each.get_data(), Alert) for each in events] == versions
    content = {dict(record.headers)["content-type"] for record in records}
    assert content == {b"application/cloudevents+json" if form == "structured" else b"application/json"}
    assert {each.get_specversion() for each in events} == {"1.0"}


@pytest.mark.servers
def test_alerts_of_one_asset_stand_in_one_partition_in_order(kafka: Connection, own: tuple[str, str]) -> None:
    assets = [f"machine {number % 12}" if number % 3 else "" for number in range(300)]
    rows = [alert(f"id{n}", asset=asset, series=f"series {n % 7}") for n, asset in enumerate(assets)]
    assert written(kafka, own, Alerts(rows[:200]), Alerts(rows[200:])) == [Refused()] * 2
    found: dict[str, set[int]] = {}
    order: dict[int, list[int]] = {}
    for record in held(kafka, own[0]):
        told = msgspec.convert(as_event(record).get_data(), Alert)
        found.setdefault(told.asset or told.series, set()).add(record.partition)
        order.setdefault(record.partition, []).append(int(told.id[2:]))
    assert {len(partitions) for partitions in found.values()} == {1}
    assert all(numbers == sorted(numbers) for numbers in order.values())
    assert sorted(n for numbers in order.values() for n in numbers) == list(range(300))
    assert len(order) == 4


@pytest.mark.servers
async def test_the_partition_is_the_one_of_kafkas_own_clients(kafka: Connection, own: tuple[str, str]) -> None:
    """murmur2("foobar") = -790332482 (Kafka's own UtilsTest), of which Java takes the lower 31 bits."""
    sink = KafkaSink(kafka, alerts=own[0], dead=own[1])
    await sink.write(Alerts([alert(asset="foobar")]))
    await sink.close()
    (record,) = await asyncio.to_thread(held, kafka, own[0])
    assert record.partition == (-790332482 & 0x7FFFFFFF) % 4


@pytest.mark.servers
def test_a_row_written_again_has_the_same_key_value_and_place(kafka: Connection, own: tuple[str, str]) -> None:
    rows = (Alerts([alert("a1"), alert("a2")]), DeadLetters([letter(1), letter(2)]))
    assert written(kafka, own, *rows, *rows) == [Refused()] * 4
    for name in own:
        said = [(r.partition, r.key, r.value, r.headers) for r in held(kafka, name)]
        assert len(said) == 4
        assert len(set(said)) == 2


@pytest.mark.servers
def test_points_go_nowhere_and_nothing_is_nothing(kafka: Connection, own: tuple[str, str]) -> None:
    assert written(kafka, own, points(3), Alerts([]), DeadLetters([])) == [Refused()] * 3
    assert held(kafka, own[0]) == held(kafka, own[1]) == []


@pytest.mark.servers
def test_an_alert_that_is_no_json_is_refused_and_the_rest_written(kafka: Connection, own: tuple[str, str]) -> None:
    rows = [alert("a1"), alert("a2", evidence={"what": object()}), alert("a3"), alert("\ud800")]
    (refused,) = written(kafka, own, Alerts(rows))
    assert list(refused.rows) == [1, 3]
    assert "object" in refused.reasons[0]
    assert "surrogates" in refused.reasons[1]
    assert {record.key for record in held(kafka, own[0])} == {b"a1", b"a3"}


@pytest.mark.servers
def test_an_alert_too_large_is_refused_with_its_bytes_and_the_rest_written(
    kafka: Connection, own: tuple[str, str]
) -> None:
    rows = [alert(f"a{n}", asset="one", evidence={"x": "y" * (2**21 if n in (1, 3) else 9)}) for n in range(6)]
    (refused,) = written(kafka, own, Alerts(rows))
    assert list(refused.rows) == [1, 3]
    assert all("kafka.alerts: topic" in reason and "max.message.bytes" in reason for reason in refused.reasons)
    assert b"y" * 2**21 in refused.values[0]
    last = [record.key for record in held(kafka, own[0])]
    assert set(last) == {b"a0", b"a2", b"a4", b"a5"}
    assert last[-1] == b"a5"


# dead letters


@pytest.mark.servers
def test_dead_letters_have_their_bytes_and_headers(kafka: Connection, own: tuple[str, str]) -> None:
    rows = [
        letter(7, key=b"\x00k", value=b"\xff", detail="why", attempt=2),
        letter(8, value=None),
        letter(9, value=b""),
    ]
    assert written(kafka, own, DeadLetters(rows)) == [Refused()]
    records = {record.key: record for record in held(kafka, own[1])}
    seventh = records[b"pumps/t/0/7/-1"]
    assert seventh.value == b"\xff"
    assert dict(seventh.headers) == {
        "pipeline": b"pumps", "source_topic": b"t", "source_partition": b"0", "source_offset": b"7", "index": b"-1",
        "time": b"7", "reason": b"invalid_json", "message": b"why", "attempt": b"2", "source_key": b"\x00k",
    }  # fmt: skip
    assert records[b"pumps/t/0/8/-1"].value == records[b"pumps/t/0/9/-1"].value == b""
    assert "source_key" not in dict(records[b"pumps/t/0/8/-1"].headers)
    assert [dead_letter.stored(r.value or b"", r.headers).letter for _, r in sorted(records.items())] == rows


@pytest.mark.servers
def test_a_dead_letter_too_large_is_cut_and_says_so(kafka: Connection, own: tuple[str, str]) -> None:
    rows = [letter(1), letter(2, value=b"x" * 2**21, key=b"k" * 2000), letter(3), letter(4, value=b"y" * 70 * 2**20)]
    assert written(kafka, own, DeadLetters(rows)) == [Refused()]
    found = {r.key: dead_letter.stored(r.value or b"", r.headers) for r in held(kafka, own[1])}
    assert found[b"pumps/t/0/1/-1"] == (rows[0], None)
    assert found[b"pumps/t/0/3/-1"] == (rows[2], None)
    kept, before = found[b"pumps/t/0/2/-1"]
    assert (kept.value, kept.key, before) == (b"x" * 1024, b"k" * 1024, 2**21)
    assert found[b"pumps/t/0/4/-1"].cut == 70 * 2**20


@pytest.mark.servers
def test_a_topic_that_takes_small_batches_only_gets_every_row(kafka: Connection, topic: str) -> None:
    create(kafka, topic, partitions=1)
    alter(kafka, topic, {"max.message.bytes": "2000"})
    rows = [letter(offset, value=bytes(500)) for offset in range(20)]
    assert written(kafka, (topic, topic), DeadLetters(rows)) == [Refused()]
    assert {r.key for r in held(kafka, topic)} == {dead_letter.identity(row) for row in rows}


@pytest.mark.servers
def test_text_that_is_not_utf8_is_refused(kafka: Connection, own: tuple[str, str]) -> None:
    (refused,) = written(kafka, own, DeadLetters([letter(1), letter(2, detail="\ud800"), letter(3)]))
    assert list(refused.rows) == [1]
    assert len(held(kafka, own[1])) == 2


# a broker that cannot


async def busy(sink: KafkaSink, rows: Rows) -> SinkBusy:
    with pytest.raises(SinkBusy) as told:
        await sink.write(rows)
    return told.value


@asynccontextmanager
async def opened(connection: Connection, alerts: str, dead: str, **more: Any) -> AsyncIterator[KafkaSink]:
    sink = KafkaSink(connection, alerts=alerts, dead=dead, **more)
    try:
        yield sink
    finally:
        await sink.close()


@pytest.mark.servers
async def test_a_missing_topic_makes_it_busy_until_it_is_there(kafka: Connection, topic: str) -> None:
    async with opened(kafka, topic, topic) as sink:
        told = await busy(sink, Alerts([alert()]))
        assert str(told) == (
            f"kafka.alerts: there is no topic '{topic}'. To create it: watchkeeper topics create {topic}"
        )
        assert told.retry_after == LATER
        assert str(await busy(sink, DeadLetters([letter()]))).startswith("kafka.dead: there is no topic")
        await asyncio.to_thread(create, kafka, topic, partitions=1)
        assert await sink.write(Alerts([alert()])) == Refused()


async def test_nobody_answers(topic: str) -> None:
    async with opened(Connection(bootstrap=("127.0.0.1:1",)), topic, topic) as sink:
        told = await busy(sink, Alerts([alert()]))
        assert str(told) == "kafka.bootstrap: nothing answers at 127.0.0.1:1 (connection refused)"
        assert 0 < told.retry_after < LATER


@pytest.mark.servers
async def test_a_missing_permission_makes_it_busy_until_it_is_granted(guarded: Secure, topic: str) -> None:
    owner = Connection(bootstrap=(guarded.listeners["PLAINTEXT"],))
    await asyncio.to_thread(create, owner, topic, partitions=1)
    async with opened(user(guarded), topic, topic) as sink:
        told = await busy(sink, Alerts([alert()]))
        assert f"kafka.alerts: topic '{topic}': not allowed" in str(told)
        assert "grant this user the ACL Write" in str(told)
        assert told.retry_after == LATER
        await asyncio.to_thread(grant, owner, topic, "DESCRIBE")
        assert "grant this user the ACL Write" in str(await busy(sink, Alerts([alert()])))
        await asyncio.to_thread(grant, owner, topic, "WRITE")
        assert await sink.write(Alerts([alert()])) == Refused()
        assert await sink.write(DeadLetters([letter()])) == Refused()
    assert len(await asyncio.to_thread(held, owner, topic)) == 2


@pytest.mark.servers
async def test_a_broker_that_hangs_makes_it_busy_and_an_old_version_never_comes_last(
    guard: tuple[Guarded, Secure], topic: str
) -> None:
    broker, secure = guard
    owner = Connection(bootstrap=(secure.listeners["PLAINTEXT"],))
    await asyncio.to_thread(create, owner, topic, partitions=1)
    async with opened(owner, topic, topic, timeout=1.0) as sink:
        assert await sink.write(Alerts([alert("before")])) == Refused()
        broker.process.send(signal.SIGSTOP)
        try:
            told = await busy(sink, Alerts([alert("a1", alarms=1), alert("a1", alarms=2)]))
        finally:
            broker.process.send(signal.SIGCONT)
        assert str(told).startswith(f"kafka.bootstrap: {owner.bootstrap[0]} is open, but silent for 3 s")
        assert told.retry_after < LATER
        assert await sink.write(Alerts([alert("a1", alarms=3)])) == Refused()
    versions = [as_event(record).get_data().get("alarms", 0) for record in await asyncio.to_thread(held, owner, topic)]
    assert versions in ([0, 3], [0, 1, 2, 3])


# use


@pytest.mark.servers
async def test_writes_that_overlap_are_delivered_in_the_order_of_their_calls(
    kafka: Connection, own: tuple[str, str]
) -> None:
    async with opened(kafka, *own) as sink:
        await asyncio.gather(*[sink.write(Alerts([alert(alarms=version)])) for version in range(20)])
    records = await asyncio.to_thread(held, kafka, own[0])
    assert [as_event(record).get_data().get("alarms", 0) for record in records] == list(range(20))


@pytest.mark.servers
async def test_a_write_that_is_cancelled_leaves_the_sink_usable(kafka: Connection, own: tuple[str, str]) -> None:
    async with opened(kafka, *own) as sink:
        writing = asyncio.create_task(sink.write(DeadLetters([letter(offset) for offset in range(3000)])))
        await asyncio.wait([writing], timeout=0.02)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        assert await sink.write(DeadLetters([letter(5, attempt=9)])) == Refused()
    last = [r for r in await asyncio.to_thread(held, kafka, own[1]) if r.key == b"pumps/t/0/5/-1"][-1]
    assert dict(last.headers)["attempt"] == b"9"


async def test_a_closed_sink_says_so_and_closing_twice_is_nothing(topic: str) -> None:
    sink = KafkaSink(Connection(bootstrap=("127.0.0.1:1",)), alerts=topic, dead=topic)
    for _ in range(2):
        await sink.close()
    with pytest.raises(ValueError, match="the sink is closed"):
        await sink.write(Alerts([]))


def test_other_settings_are_refused() -> None:
    nowhere: Any = Connection(bootstrap=("127.0.0.1:1",))
    with pytest.raises(ValueError, match=r"kafka\.cloudevents is 'structured' or 'binary'; got 'both'"):
        KafkaSink(nowhere, alerts="a", dead="d", form="both")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"KafkaSink\.timeout must be above 0"):
        KafkaSink(nowhere, alerts="a", dead="d", timeout=0)
