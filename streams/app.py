"""The Faust application of a pipeline: one agent, which hands slices to the worker's steward."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, cast

import faust
import mode

from connectors.kafka.connection import Connection, ssl_context
from streams.batches import Slice
from streams.start import Position
from streams.steward import Pace, Steward
from streams.transport import Consumer, Owner, SliceSchema, Transport
from streams.worker import Worker

BUFFER = 1 << 20
"""Slices that may wait for the agent: no limit, for the consumer has its own. With Faust's, a number for all partitions
together, some would be held back for as long as the others are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """How a worker takes part in a consumer group. Times in s.

    instance: name of a static member, empty = dynamic
    fetch:    bytes of one partition at once
    web_port: of Faust's own pages, on loopback; 0 = off
    """

    id: str
    topic: str
    connection: Connection
    isolation: str = "read_committed"
    session_timeout: float = 30.0
    rebalance_timeout: float = 60.0
    fetch: int = 4 << 20
    instance: str = ""
    web_port: int = 0


def _credentials(connection: Connection) -> faust.SASLCredentials | faust.SSLCredentials | None:
    context = None if connection.tls is None else ssl_context(connection.tls)
    if (sasl := connection.sasl) is not None:
        return faust.SASLCredentials(
            username=sasl.username, password=sasl.password, mechanism=sasl.mechanism, ssl_context=context
        )
    return None if context is None else faust.SSLCredentials(context)


class App(faust.App):
    """A Faust application whose consumer delivers slices of one topic."""

    def __init__(self, group: Group, folder: str) -> None:
        self.group = group
        self.owner: Owner
        super().__init__(
            group.id,
            broker=[f"kafka://{address}" for address in group.connection.bootstrap],
            broker_credentials=_credentials(group.connection),
            broker_session_timeout=group.session_timeout,
            broker_heartbeat_interval=min(3.0, group.session_timeout / 5),
            broker_rebalance_timeout=group.rebalance_timeout,
            broker_request_timeout=max(90.0, group.session_timeout),
            broker_commit_interval=3600.0,  # a checkpoint commits; nothing else has anything to commit
            broker_commit_every=None,
            consumer_auto_offset_reset="none",  # every position is ours: one out of range ends the worker, see start.py
            consumer_group_instance_id=group.instance or None,
            consumer_max_fetch_size=group.fetch,
            datadir=folder,
            store="memory://",
            stream_buffer_maxsize=BUFFER,
            stream_wait_empty=True,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=bool(group.web_port),
            web_bind="127.0.0.1",
            web_port=group.web_port or 6066,
        )

    def _new_transport(self) -> Any:
        return Transport(
            self.conf.broker_consumer, self, topic=self.group.topic, owner=self.owner, isolation=self.group.isolation
        )

    @property
    def _slices(self) -> Consumer:
        return cast(Consumer, self.consumer)

    def member(self) -> bool:
        """Whether this worker is certainly still a member of its group."""
        return self._slices.member()

    def contact(self) -> float:
        """Monotonic time since when the broker has answered without a break."""
        return self._slices.contact()

    def end(self, partition: int) -> int:
        """One past the last offset of a partition that can be read now, -1 = unknown."""
        return self._slices.end(partition)

    async def offset_at(self, partition: int, ms: int) -> int | None:
        """The first offset whose record is not older than a time; None if there is none."""
        return await self._slices.offset_at(partition, ms)

    def taken(self, slice_: Slice) -> None:
        """The owner has used this slice."""
        self._slices.taken(slice_)

    async def acknowledge(self, safe: Mapping[int, int]) -> None:
        """Acknowledge these offsets, and tell the broker."""
        self._slices.acknowledge(safe)
        await self._slices.tell()


async def serve(
    make: Callable[[Callable[[], bool]], Worker],
    group: Group,
    *,
    start: Position,
    every: float,
    identify: Callable[[], str],
    stop: asyncio.Event,
    ready: Callable[[Steward], Any] = lambda _: None,
) -> None:
    """Work until `stop` is set, then checkpoint and leave the group. Raises what made the worker die.

    make: a worker, given what tells whether it may write; every: s between checkpoints; identify: see Steward
    ready: told of the steward before the work begins
    """
    with tempfile.TemporaryDirectory() as folder:
        app = App(group, folder)
        steward = Steward(
            make(app.member), start=start, pace=Pace(every=every, deadline=0.7 * group.rebalance_timeout),
            identify=identify, consumer=app,
        )  # fmt: skip
        ready(steward)
        try:
            await _run(app, steward, stop, steward.tend())
        finally:
            await steward.worker.close()


async def consume(group: Group, owner: Owner, stop: asyncio.Event) -> None:
    """Hand the slices of a topic to an owner until `stop` is set."""
    with tempfile.TemporaryDirectory() as folder:
        await _run(App(group, folder), owner, stop, stop.wait())


async def _run(app: App, owner: Owner, stop: asyncio.Event, beside: Coroutine[Any, Any, Any]) -> None:
    app.owner = owner
    topic = app.topic(app.group.topic, schema=SliceSchema())

    async def score(stream: Any) -> None:
        async for event in stream.noack().events():
            await owner.take(event.value)
            app.taken(event.value)

    app.agent(topic, name="score", supervisor_strategy=mode.CrashingSupervisor)(score)
    begin = asyncio.ensure_future(_begin(app))
    tasks = [begin, asyncio.ensure_future(stop.wait()), asyncio.ensure_future(beside)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not app.started:
            begin.cancel()
        await app.stop()  # the last checkpoint, which waits for one that is under way
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()):
            raise error
    if app.crash_reason is not None:
        raise app.crash_reason


async def _begin(app: App) -> None:
    """Start the application, and return when it has stopped or crashed."""
    await app.start()
    await app.wait_until_stopped()
