"""Faust on slices of raw record batches: every record once and in order, and offsets that never run ahead."""

import asyncio
from importlib.metadata import version

import pytest
from aiokafka import AIOKafkaProducer

from connectors.base import Refused, Rows, SinkBusy, Snapshot
from connectors.memory import MemorySink, MemorySnapshots
from streams.transport import PINNED
from tests.streams.kafka import broker
from tests.streams.kafka.broker import CODECS, Sent
from tests.streams.kafka.served import Served, Slow, scores

pytestmark = pytest.mark.servers


def test_the_libraries_whose_private_names_are_bound_anew_are_the_tested_ones() -> None:
    assert {name: version(name) for name in PINNED} == PINNED


async def mixed(bootstrap: str, topic: str, n: int) -> list[Sent]:
    """Small batches in every codec, and between them transactions, of which every second is aborted.

    Returns what was committed.
    """
    kept = broker.readings(n)
    parts = [kept[n * i // 10 : n * (i + 1) // 10] for i in range(10)]
    for number, part in enumerate(parts):
        codec = CODECS[number % len(CODECS)]
        if number % 2 == 0:
            await broker.send(bootstrap, topic, part, compression_type=codec, max_batch_size=500)
            continue
        async with broker.producer(
            bootstrap, compression_type=codec, max_batch_size=500, transactional_id=f"{topic}.{number}"
        ) as made:
            async with made.transaction():
                await broker.put(made, topic, part)
            await abort(made, topic)
    return kept


async def abort(made: AIOKafkaProducer, topic: str) -> None:
    """A transaction of which nothing may ever be scored."""
    await made.begin_transaction()
    await broker.put(made, topic, broker.readings(100))
    await made.abort_transaction()


async def test_every_record_arrives_once_and_in_order_and_all_offsets_are_committed(bootstrap: str, made: str) -> None:
    sent = await mixed(bootstrap, made, 10_000)
    served = Served(bootstrap, made)
    async with served.serve() as serving:
        await serving.read_to(await broker.ends(bootstrap, made))
        async with broker.producer(bootstrap, transactional_id=made) as another:
            await abort(another, made)
        # a fetch without a record in it
        await serving.read_to(await broker.ends(bootstrap, made))
    for number, rows in serving.noted.seen.items():
        assert [value for _, _, value, _ in rows] == [r.value for r in sent if r.partition == number]
        offsets = [offset for offset, *_ in rows]
        assert offsets == sorted(set(offsets))
    ends = await broker.ends(bootstrap, made)
    assert max(ends.values()) > max(rows[-1][0] for rows in serving.noted.seen.values()) + 1
    assert await broker.committed(bootstrap, served.group.id, made) == ends


async def test_aborted_records_are_read_if_so_configured(bootstrap: str, made: str) -> None:
    sent = await mixed(bootstrap, made, 1000)
    async with Served(bootstrap, made, settings={"isolation": "read_uncommitted"}).serve() as serving:
        await serving.scored(len(sent) + 500)
    assert serving.noted.count == len(sent) + 500


class Refusing(MemorySink):
    """Busy until it is told otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.refusing, self.asked = True, 0

    async def write(self, rows: Rows) -> Refused:
        self.asked += 1
        if self.refusing:
            raise SinkBusy("resting", retry_after=0.01)
        return await super().write(rows)


async def test_nothing_is_committed_while_a_sink_refuses(bootstrap: str, made: str) -> None:
    await broker.send(bootstrap, made, broker.readings(400))
    sink = Refusing()
    served = Served(bootstrap, made, sink=sink, every=0.05, settings={"rebalance_timeout": 2.0})
    async with served.serve() as serving:
        await serving.scored(400)
        await serving.until(lambda: sink.asked > 5, what="some tries")
    # stopped while it refuses: the last checkpoint does not come about either
    assert not any((await broker.committed(bootstrap, served.group.id, made)).values())
    assert not any(each.offset for written in served.snapshots.written.values() for each in written)
    sink.refusing = False
    async with served.serve() as again:
        await again.scored(400)
    assert again.noted.offsets() == serving.noted.offsets()
    assert await broker.committed(bootstrap, served.group.id, made) == await broker.ends(bootstrap, made)


class Read(MemorySnapshots):
    """Snapshots that count how often each is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: dict[str, int] = {}

    def read(self, name: str) -> Snapshot | None:
        self.reads[name] = self.reads.get(name, 0) + 1
        return super().read(name)


async def trickle(bootstrap: str, topic: str, enough: asyncio.Event) -> int:
    """Send readings until it is enough; how many."""
    count = 0
    async with broker.producer(bootstrap, linger_ms=5) as made:
        while not enough.is_set():
            await broker.put(made, topic, broker.readings(40, first=count))
            count += 40
            await asyncio.sleep(0.02)
    return count


async def test_two_workers_one_after_the_other_and_together_do_what_one_does(bootstrap: str, made: str) -> None:
    """A, then A and B, then B; meanwhile readings keep coming."""
    snapshots, sink, enough = Read(), MemorySink(), asyncio.Event()
    served = Served(bootstrap, made, sink=sink, snapshots=snapshots)
    sending = asyncio.create_task(trickle(bootstrap, made, enough))
    async with served.serve() as a, served.serve() as b:
        await a.until(lambda: len(a.owned) == 2 and len(b.owned) == 2, what="two partitions each")
        there = b.noted.count
        await b.scored(there + 200)
        await a.stop()
        await b.until(lambda: len(b.owned) == 4, what="all partitions at the one that is left")
        enough.set()
        sent = await sending
        await b.until(lambda: a.noted.count + b.noted.count >= sent, what="the rest")
    ends = await broker.ends(bootstrap, made)
    everything = [(number, offset) for number in range(4) for offset in range(ends[number])]
    assert sorted(a.noted.offsets() + b.noted.offsets()) == everything
    assert await broker.committed(bootstrap, served.group.id, made) == ends
    alone = Served(bootstrap, made, name="alone")
    async with alone.serve() as one:
        await one.scored(sent)
    assert scores(sink) == scores(alone.sink)
    assert len(scores(sink)) > 1000


async def test_a_partition_that_comes_back_to_its_owner_is_not_read_from_its_snapshot(
    bootstrap: str, made: str
) -> None:
    await broker.send(bootstrap, made, broker.readings(400))
    snapshots = Read()
    served = Served(bootstrap, made, snapshots=snapshots)
    async with served.serve() as a:
        await a.scored(400)
        async with served.serve() as b:
            await b.until(lambda: len(a.owned) == 2 and len(b.owned) == 2, what="two partitions each")
            stayed, went = a.owned, b.owned
        await a.until(lambda: len(a.owned) == 4, what="all partitions again")
    assert {number: snapshots.reads[f"desk/{made}/{number}"] for number in stayed} == dict.fromkeys(stayed, 1)
    assert {number: snapshots.reads[f"desk/{made}/{number}"] for number in went} == dict.fromkeys(went, 3)


async def test_a_static_member_that_comes_back_in_time_disturbs_nobody(bootstrap: str, made: str) -> None:
    snapshots, sink = MemorySnapshots(), MemorySink()
    one, other = (
        Served(bootstrap, made, sink=sink, snapshots=snapshots, settings={"instance": name, "session_timeout": 30.0})
        for name in ("one", "other")
    )
    async with other.serve() as stays:
        async with one.serve() as goes:
            await goes.until(lambda: len(goes.owned) == len(stays.owned) == 2, what="two partitions each")
            round_, mine = stays.steward.round, goes.owned
        async with one.serve() as back:
            await back.until(lambda: back.owned == mine, what="the same partitions again")
            await broker.send(bootstrap, made, broker.readings(1000))
            await stays.scored(500)
            await back.scored(500)
        assert stays.steward.round == round_


async def test_a_sink_that_stands_still_bounds_what_is_fetched(bootstrap: str, made: str) -> None:
    await broker.send(bootstrap, made, broker.readings(100_000), max_batch_size=4096, linger_ms=5)
    sink = Slow()
    served = Served(bootstrap, made, sink=sink, settings={"fetch": 16_384})
    async with served.serve() as serving:
        await serving.until(lambda: serving.noted.count > 0, what="the first readings")
        await serving.still()
        fetched = await serving.fetched()
        assert serving.steward.member()
        sink.let.set()
        await serving.scored(100_000)
    assert fetched < 20_000
    assert len(scores(sink)) == 100_000 - 8 * 16
    assert await broker.committed(bootstrap, served.group.id, made) == await broker.ends(bootstrap, made)
