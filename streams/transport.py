"""Faust's consumer on raw record batches: one message for each fetched slice of a partition, not one for each record.

Agents, groups, rebalances and commits stay Faust's. It binds private names of aiokafka and Faust anew, for this one
consumer; no module is changed. Hence their versions are pinned, and tests/streams/kafka/test_transport.py fails on
others.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, cast

import faust
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, AppT
from faust.types.tuples import ConsumerMessage

from streams.batches import Slice
from streams.fetching import use_slices

PINNED = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0"}
"""what this was written for and tested with"""

NEARLY = 1
"""Slices that may wait for their owner when more are taken from the fetcher, which holds one fetch and then stops. What
arrives while the owner is busy is so gathered by the broker, into few large slices: each has a price of its own."""

MISSED = 3
"""heartbeats in a row without an answer are a break in the contact with the broker"""

NAP = 0.2
"""s; Faust's own waits at these places are a whole second, or until the consumer stops, and a stop then hangs"""


class Found(NamedTuple):
    """A partition at its assignment: the committed offset if any, the first that can be read, and one past the last."""

    committed: int | None
    first: int
    end: int


class Owner(Protocol):
    """Who uses what is consumed, and says what is safe to acknowledge."""

    round: int
    """rises with every change of hands; slices of an earlier round are not for the owner any more"""

    async def revoked(self) -> Mapping[int, int]:
        """The partitions are about to be given up, or the worker stops: partition -> offset that is safe."""

    async def assigned(self, found: Mapping[int, Found]) -> Mapping[int, int]:
        """These partitions, and no others, are this worker's: partition -> offset to read from."""

    async def take(self, slice_: Slice) -> None:
        """Use a slice. What this raises ends the worker."""


class _Thread(driver.AIOKafkaConsumerThread):
    """Where the consumer of aiokafka lives, with a loop of its own: heartbeats go on while readings are scored.

    lease:  monotonic time of the last proof that this worker is a member of its group
    answer: of the first such proof since one failed to come
    """

    transport: "Transport"
    lease = answer = 0.0

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = transport.isolation  # Faust sets it only together with exactly_once
        consumer._fetch_max_wait_ms = transport.fetch_wait_ms  # Faust fixes it at 1500
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        consumer = self._ensure_consumer()
        use_slices(consumer._fetcher, self.transport.topic)
        coordinator, beat = consumer._coordinator, consumer._coordinator._do_heartbeat
        self.lease = self.answer = time.monotonic()

        async def noted() -> Any:
            begun = time.monotonic()
            if member := await beat():
                self.prove(begun)
            return member

        coordinator._do_heartbeat = noted

    def prove(self, at: float) -> None:
        """At this monotonic time it was a member of its group."""
        self.answer = at if self._is_late(at) else self.answer
        self.lease = at

    def _is_late(self, now: float) -> bool:
        return bool(now - self.lease > MISSED * self.transport.app.conf.broker_heartbeat_interval)

    def contact(self) -> float:
        """Monotonic time since when the broker has answered without a break; now, if it does not."""
        now = time.monotonic()
        return now if self._is_late(now) else self.answer

    def end(self, tp: TP) -> int:
        """One past the last offset that a consumer may read now, as far as it is known; else -1."""
        consumer, partition = self._ensure_consumer(), driver.ensure_aiokafka_TP(tp)
        committed = self.transport.isolation == "read_committed"
        end = consumer.last_stable_offset(partition) if committed else consumer.highwater(partition)
        return -1 if end is None else int(end)


class Consumer(driver.Consumer):
    """Delivers slices in order without a hole, and acknowledges what its owner says is safe, nothing else.

    Faust's own rule counts a message as acknowledged once a later one is, where offsets have gaps, and loses data.
    """

    transport: "Transport"
    _thread: _Thread

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._safe: dict[TP, int] = {}
        self._next: dict[TP, int] = {}
        self._waiting = 0
        self._room = asyncio.Event()

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    @property
    def _owner(self) -> Owner:
        return self.transport.owner

    def _mine(self) -> list[TP]:
        return sorted(tp for tp in self.assignment() if tp.topic == self.transport.topic)

    def member(self) -> bool:
        """Whether this worker is certainly still a member: others may own its partitions after a session timeout."""
        return bool(time.monotonic() - self._thread.lease < self.app.conf.broker_session_timeout)

    def contact(self) -> float:
        """Monotonic time since when the broker has answered without a break; now, if it does not."""
        return self._thread.contact()

    def end(self, partition: int) -> int:
        """One past the last offset of an assigned partition, as far as it is known; else -1."""
        tp = TP(self.transport.topic, partition)
        return self._thread.end(tp) if tp in self.assignment() else -1

    async def offset_at(self, partition: int, ms: int) -> int | None:
        """The first offset whose record is not older than a time; None if there is none."""
        tp = driver.ensure_aiokafka_TP(TP(self.transport.topic, partition))
        found = await self._thread.call_thread(self._thread._ensure_consumer().offsets_for_times, {tp: ms})
        return None if found[tp] is None else int(found[tp].offset)

    def acknowledge(self, safe: Mapping[int, int]) -> None:
        """These offsets may be committed: all before them is saved."""
        topic = self.transport.topic
        self._safe.update({TP(topic, partition): offset for partition, offset in safe.items()})

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter(list(self._safe))

    def _new_offset(self, tp: TP) -> int | None:
        return self._safe.get(tp)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets between two slices need no acknowledgement."""

    def _to_message(self, tp: TP, record: Slice) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic, tp.partition, record.last, time.time(), 0, None, None, cast(bytes, record), None, 0, 0, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    def taken(self, slice_: Slice) -> None:
        """Its owner has used this slice."""
        if slice_.round == self._owner.round:
            self._waiting -= 1
            self._room.set()

    async def _nap(self, event: Any) -> None:
        try:
            await asyncio.wait_for(event.wait(), NAP)
        except TimeoutError:
            return

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109  Faust names it
        if not self.flow_active:
            await self._nap(self.can_resume_flow)
            return
        if self._waiting > NEARLY:
            self._room.clear()
            await self._nap(self._room)
            return
        records, _ = await self._wait_next_records(timeout)
        round_ = self._owner.round
        if not records or self.should_stop:
            return
        for tp, slice_ in self.scheduler.iterate(records):
            if not self.flow_active or self._owner.round != round_:
                return  # a seek follows
            if await self._continues(tp, slice_):
                slice_.round = round_
                self._waiting += 1
                yield tp, self._to_message(tp, slice_)

    async def _continues(self, tp: TP, slice_: Slice) -> bool:
        """Whether this slice goes on where the last one ended; what it repeats is cut off.

        A fetch that was answered between a seek and the moment when the flow resumes is lost: then it seeks back.
        """
        wanted = self._next.get(tp, slice_.first)
        if slice_.last < wanted:
            return False
        if slice_.first > wanted:
            self.log.warning("%s: fetched from %d, wanted %d: seek back", tp, slice_.first, wanted)
            await self.seek_wait({tp: wanted})
            return False
        slice_.first = wanted
        self._next[tp] = slice_.last + 1
        return True

    async def wait_empty(self) -> None:
        """Faust calls this with the flow stopped, before partitions are given up and before the worker stops."""
        safe = await self._owner.revoked()
        self._safe.clear()
        self.acknowledge(safe)
        for _ in range(2):  # a commit that was under way may not have known of the last offsets
            await self.tell()

    async def tell(self) -> None:
        """Commit what is acknowledged. Given up where the consumer has crashed: its thread ends, and nobody answers."""
        commit, crash = asyncio.ensure_future(self.commit()), asyncio.ensure_future(self._crashed.wait())
        try:
            await asyncio.wait([commit, crash], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (commit, crash):
                each.cancel()
            await asyncio.gather(commit, crash, return_exceptions=True)
        if not self.crashed:
            commit.result()

    async def perform_seek(self) -> None:
        """Faust calls this after every assignment and before the flow resumes: the place to say where to read from."""
        await super().perform_seek()
        self._safe.clear()
        self._next.clear()
        self._waiting = 0
        self._thread.prove(time.monotonic())
        mine = self._mine()
        first = await self.earliest_offsets(*mine) if mine else {}
        end = await self.highwaters(*mine) if mine else {}
        found = {tp.partition: Found(self._committed_offset[tp], first[tp], end[tp]) for tp in mine}
        start = await self._owner.assigned(found)
        wanted = {tp: start[tp.partition] for tp in mine}
        if wanted:
            await self.seek_wait(wanted)
        self._next = dict(wanted)


class Transport(driver.Transport):
    """The consumer above, for one topic. isolation, fetch_wait_ms: as Kafka's consumers mean them."""

    Consumer = Consumer

    def __init__(
        self, url: Any, app: AppT, *, topic: str, owner: Owner, isolation: str, fetch_wait_ms: int = 100
    ) -> None:
        super().__init__(url, app)
        self.topic, self.owner = topic, owner
        self.isolation, self.fetch_wait_ms = isolation, fetch_wait_ms


class SliceSchema(faust.Schema[Any, Any]):
    """Hands the slice through as the event's value: no codec."""

    def compile(self, app: AppT, **_: Any) -> Any:
        async def decode(message: Any, **_: Any) -> Any:
            return app.create_event(None, message.value, message.headers, message)

        return decode
