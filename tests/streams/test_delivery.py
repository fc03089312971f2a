"""Several sinks beside each other: none holds up the others, nothing is lost, what is refused becomes a dead letter."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from connectors.base import Alert, Alerts, Column, DeadLetters, Origin, Points, Refused, Rows, SinkBusy
from connectors.memory import MemorySink, MemorySnapshots
from streams.delivery import Delivery, Only
from streams.outbox import Abandoned
from streams.refused import OF_AN_ALERT
from streams.worker import Worker
from tests.streams.desk import pipeline, records


def points(n: int, first: int = 0) -> Points:
    series = Column.of([b"a"] * n)
    origin = Origin("desk", 3, np.arange(first, first + n), np.zeros(n, np.int64))
    tags = {"pipeline": "desk", "watch": "level"}
    return Points("scores", tags, series, np.arange(first, first + n), {"score": np.ones(n)}, origin)


def alert(name: str) -> Alert:
    return Alert(
        id=name, pipeline="desk", series="a", watch="level", kind="anomaly", state="open", opened=7, started=7,
        topic="desk", partition=3, first_offset=41, last_offset=42,
    )  # fmt: skip


class Resting(MemorySink):
    """Busy until it is woken."""

    def __init__(self) -> None:
        super().__init__()
        self.awake = asyncio.Event()

    async def write(self, rows: Rows) -> Refused:
        if not self.awake.is_set():
            raise SinkBusy("resting", retry_after=0.001)
        return await super().write(rows)


class Counting(MemorySink):
    """Knows how often it was written to."""

    writes = 0

    async def write(self, rows: Rows) -> Refused:
        self.writes += 1
        return await super().write(rows)


class Picky(MemorySink):
    """Never accepts the second row."""

    async def write(self, rows: Rows) -> Refused:
        if isinstance(rows, DeadLetters) or len(rows) < 2:
            return await super().write(rows)
        return Refused([1], ["field type conflict"], [b"scores,series=a score=1"])


async def until(ready: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not ready():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_a_sink_that_rests_does_not_hold_up_the_others() -> None:
    slow, quick = Resting(), MemorySink()
    delivery = Delivery({"slow": slow, "quick": quick})
    for first in range(0, 50, 10):
        await delivery.put(points(10, first))
    await until(lambda: len(quick.points) == 50)
    assert not slow.points
    assert delivery.outboxes[0].busy_since
    slow.awake.set()
    await delivery.drain()
    assert slow.points == quick.points
    assert not delivery.outboxes[0].busy_since
    assert delivery.outboxes[0].retries > 0
    await delivery.close()


async def test_who_waits_for_what_is_discarded_is_told_and_the_next_rows_go_on() -> None:
    slow = Resting()
    delivery = Delivery({"slow": slow})
    putting = asyncio.create_task(_put(delivery, 100))
    await until(lambda: delivery.outboxes[0].count >= 32)
    mark = delivery.mark()
    waiting = asyncio.create_task(delivery.accepted(mark))
    await asyncio.sleep(0)
    await delivery.discard()
    for task in (putting, waiting, asyncio.create_task(delivery.accepted(mark))):
        with pytest.raises(Abandoned, match="slow"):
            await asyncio.wait_for(task, 10)
    slow.awake.set()
    await delivery.put(points(3, 900))
    await delivery.drain()
    assert len(slow.points) == 3
    await delivery.close()


async def test_what_waits_for_a_slow_sink_is_written_together() -> None:
    counting = Counting()
    delivery = Delivery({"slow": counting})
    for number in range(10):
        await delivery.put(Alerts([alert(f"{number}")]))
    await delivery.drain()
    assert [each.id for each in counting.alerts.values()] == [f"{number}" for number in range(10)]
    assert counting.writes == 1
    await delivery.close()


async def test_a_full_outbox_is_the_back_pressure() -> None:
    slow = Resting()
    delivery = Delivery({"slow": slow})
    putting = asyncio.create_task(_put(delivery, 100))
    await until(lambda: delivery.outboxes[0].count >= 16)
    done, _ = await asyncio.wait([putting], timeout=0.05)
    assert not done
    assert delivery.outboxes[0].count <= 32  # as many in hand as may wait
    slow.awake.set()
    await putting
    await delivery.drain()
    assert len(slow.points) == 100
    await delivery.close()


async def _put(delivery: Delivery, n: int) -> None:
    for first in range(n):
        await delivery.put(points(1, first))


async def test_a_mark_is_reached_when_what_was_put_before_it_is_accepted_everywhere() -> None:
    slow, quick = Resting(), MemorySink()
    delivery = Delivery({"quick": quick, "slow": slow})
    await delivery.put(points(3))
    mark = delivery.mark()
    await delivery.put(points(3, 3))
    waiting = asyncio.create_task(delivery.accepted(mark))
    await until(lambda: len(quick.points) == 6)
    assert not waiting.done()
    slow.awake.set()
    await waiting
    assert len(slow.points) >= 3
    await delivery.close()


async def test_what_a_sink_refuses_becomes_a_dead_letter_with_its_reason_before_the_mark_is_reached() -> None:
    database, broker = Picky(), MemorySink()
    delivery = Delivery({"database": Only(database, (Points, Alerts)), "broker": Only(broker, (Alerts, DeadLetters))})
    await delivery.put(points(3, 40))
    await delivery.put(Alerts([alert("a1"), alert("a2")]))
    await delivery.drain()
    (point, raised) = sorted(broker.dead.values(), key=lambda letter: -letter.index)
    assert (point.topic, point.partition, point.offset, point.index) == ("desk", 3, 41, 0)
    assert (point.reason, point.detail, point.key) == ("refused", "level: field type conflict", b"a")
    assert point.value == b"scores,series=a score=1"
    assert (raised.offset, raised.index, raised.detail) == (41, OF_AN_ALERT, "alert a2: field type conflict")
    assert not broker.points
    assert delivery.mark().refused == 2
    await delivery.close()


async def test_nothing_is_written_while_it_is_not_allowed_and_what_waits_can_be_discarded() -> None:
    sink, allowed = MemorySink(), [False]
    delivery = Delivery({"sink": sink}, lambda: allowed[0])
    await delivery.put(points(5))
    done, _ = await asyncio.wait([asyncio.create_task(delivery.drain())], timeout=0.3)
    assert not done
    assert not sink.points
    await delivery.discard()
    allowed[0] = True
    await delivery.put(points(2, 100))
    await delivery.drain()
    assert {time for *_, time in sink.points} == {100, 101}
    await delivery.close()


async def test_a_sink_that_fails_for_good_ends_the_worker() -> None:
    class Broken(MemorySink):
        async def write(self, rows: Rows) -> Refused:
            raise ArithmeticError("broken for good")

    delivery = Delivery({"broken": Broken()})
    await delivery.put(points(1))
    with pytest.raises(ArithmeticError, match="for good"):
        await delivery.drain()
    with pytest.raises(ArithmeticError, match="for good"):
        await delivery.put(points(1))
    await delivery.close()


async def test_records_are_processed_while_a_checkpoint_waits_for_a_sink() -> None:
    slow, snapshots = Resting(), MemorySnapshots()
    worker = Worker(pipeline=pipeline(), topic="desk", identity="t", sinks={"slow": slow}, snapshots=snapshots)
    await worker.assign(0)
    await worker.process([records([(float(s), "a", float(s), 20.0 + s % 5) for s in range(40)])])
    saving = asyncio.create_task(worker.checkpoint())
    await asyncio.sleep(0)
    await worker.process([records([(float(s), "a", float(s), 20.0 + s % 5) for s in range(40, 60)], first=40)])
    assert worker.partitions[0].offset == 60
    assert not saving.done()
    slow.awake.set()
    assert await saving == {0: 40}
    saved = snapshots.read("desk/desk/0")
    assert saved is not None
    assert saved.offset == 40
    assert saved.metadata["counts"]["accepted"] == 40
    assert await worker.checkpoint() == {0: 60}
    await worker.close()
