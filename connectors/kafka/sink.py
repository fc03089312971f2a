"""A Sink that produces: alerts as CloudEvents, dead letters with their original bytes."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, OutOfOrderSequenceNumber

from connectors.base import Alert, Alerts, DeadLetter, DeadLetters, Points, Refused, Rows, SinkBusy
from connectors.kafka import cloud_events, dead_letter
from connectors.kafka.cloud_events import Form
from connectors.kafka.connection import Connection, Unreachable
from connectors.kafka.preflight import preflight
from connectors.kafka.producing import (
    REFUSED,
    TOO_LARGE,
    Message,
    abandon,
    partition_of,
    partitions_of,
    start,
    why,
)

SOON, LATER = 1.0, 30.0
"""seconds until asked again: what heals alone, and what a person must put right"""

Outcome = BaseException | None


class KafkaSink:
    """Produces alerts and dead letters to two topics, which must exist and should be compacted (topics.own_topics).

    An alert is a CloudEvent whose Kafka key is its id; all alerts of one asset (of one series, where there is no
    asset) stand in one partition in the order in which they were written. A dead letter's key is its identity. Either
    way a row written again overwrites the earlier one, once compaction has run; until then a reader takes the last.
    Points go nowhere: they are accepted and not written, since InfluxDB or SQLite has them.

    Durable when `write` returns: every record was acknowledged by all in-sync replicas. The producer starts with the
    first write, also one of no rows, in the loop that runs then; writes are delivered in the order of their calls.

    form:    structured = one JSON value, binary = the attributes in headers, the alert as value
    timeout: seconds without acknowledgement after which `write` gives up

    `write` raises SinkBusy: nobody answers, in time or at all (asked again soon); there is no such topic, or it may not
    be written to (asked again later). The reason names the setting. Refused are alerts that are too large for the
    topic or cannot be JSON, and dead letters whose text is not UTF-8. A dead letter too large for the topic is cut, and
    says so in its header `cut`.
    """

    def __init__(
        self, connection: Connection, *, alerts: str, dead: str, form: Form = "structured", timeout: float = 30.0
    ) -> None:
        if form not in ("structured", "binary"):
            raise ValueError(f"kafka.cloudevents is 'structured' or 'binary'; got {form!r}")
        if not timeout > 0:
            raise ValueError(f"KafkaSink.timeout must be above 0 seconds; got {timeout}")
        self._connection = connection
        self._alerts, self._dead = alerts, dead
        self._form: Form = form
        self._timeout = timeout
        self._producer: AIOKafkaProducer | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    async def write(self, rows: Rows) -> Refused:
        """Send all, then wait for all."""
        if self._closed:
            raise ValueError("the sink is closed; nothing may be written to it")
        match rows:
            case Points():
                return Refused()
            case Alerts():
                to = _To(self._alerts, "kafka.alerts", self._alert, None)
            case DeadLetters():
                to = _To(self._dead, "kafka.dead", dead_letter.message, dead_letter.cut_message)
        async with self._turn:
            return await self._write(rows.rows, to)

    async def close(self) -> None:
        """Let go of the connections; whatever was accepted is already durable."""
        self._closed = True
        async with self._turn:
            if producer := self._take():
                await abandon(producer)

    def _alert(self, alert: Alert) -> Message:
        return cloud_events.message(alert, form=self._form)

    async def _write(self, rows: Sequence[Any], to: "_To") -> Refused:
        messages, refused = _encoded(rows, to.message)
        failed = await self._attempt(list(messages.values()), to)
        first = next((at for at, outcome in enumerate(failed) if outcome is not None), None)
        if first is not None:
            # what came after it in its partition was refused along with it: again, in order, one by one
            for row in list(messages)[first:]:
                await self._singly(row, rows[row], messages[row], to, refused)
        chosen = tuple(sorted(refused))
        return Refused(chosen, tuple(refused[row][0] for row in chosen), tuple(refused[row][1] for row in chosen))

    async def _singly(
        self, row: int, what: Alert | DeadLetter, message: Message, to: "_To", refused: dict[int, tuple[str, bytes]]
    ) -> None:
        (outcome,) = await self._attempt([message], to)
        if outcome is not None and to.cut is not None:
            (outcome,) = await self._attempt([to.cut(what)], to)
        if outcome is not None:
            said = f"{to.setting}: {why(outcome, to.topic)} (it has {len(message.value)} bytes)"
            refused[row] = said, message.value

    async def _attempt(self, messages: Sequence[Message], to: "_To") -> list[Outcome]:
        """What became of each: None, or that it was too large, or followed one that was. Raises SinkBusy."""
        try:
            async with asyncio.timeout(self._timeout):
                outcomes = await self._sent(messages, to.topic)
        except Unreachable as error:
            raise SinkBusy(str(error), SOON) from error
        except (KafkaError, OSError, TimeoutError) as error:
            raise await self._busy(error, to) from error
        bad = [outcome for outcome in outcomes if outcome is not None]
        tolerated = (*TOO_LARGE, OutOfOrderSequenceNumber) if any(isinstance(o, TOO_LARGE) for o in bad) else ()
        for outcome in bad:
            if not isinstance(outcome, tolerated):
                raise await self._busy(outcome, to) from outcome
        if bad:
            # a refused record leaves a hole in the numbering, after which this producer is refused altogether
            await self._give_up()
        return outcomes

    async def _sent(self, messages: Sequence[Message], topic: str) -> list[Outcome]:
        if self._producer is None:
            self._producer = await start(self._connection, answer=min(10.0, self._timeout))
        partitions = await partitions_of(self._producer, topic)
        waiting: list[asyncio.Future[Any] | MessageSizeTooLargeError] = []
        for place, key, value, headers in messages:
            try:
                partition = partition_of(place, partitions)
                waiting.append(await self._producer.send(topic, value, key, partition=partition, headers=headers))
            except MessageSizeTooLargeError as error:
                waiting.append(error)
        if futures := [each for each in waiting if isinstance(each, asyncio.Future)]:
            await asyncio.wait(futures)
        return [each.exception() if isinstance(each, asyncio.Future) else each for each in waiting]

    async def _busy(self, error: BaseException, to: "_To") -> SinkBusy:
        await self._give_up()
        try:
            await preflight(self._connection)
        except Unreachable as unreachable:
            return SinkBusy(str(unreachable), SOON)
        return SinkBusy(f"{to.setting}: {why(error, to.topic)}", LATER if isinstance(error, REFUSED) else SOON)

    async def _give_up(self) -> None:
        if producer := self._take():
            await abandon(producer)

    def _take(self) -> AIOKafkaProducer | None:
        producer, self._producer = self._producer, None
        return producer


class _To:
    """Where rows of one kind go, under which setting, and how they become messages, whole or cut."""

    def __init__(
        self,
        topic: str,
        setting: str,
        message: Callable[[Any], Message],
        cut: Callable[[Any], Message] | None,
    ) -> None:
        self.topic, self.setting, self.message, self.cut = topic, setting, message, cut


def _encoded(
    rows: Sequence[Any], encode: Callable[[Any], Message]
) -> tuple[Mapping[int, Message], dict[int, tuple[str, bytes]]]:
    """Messages by row, and the rows that cannot be one: why, and no bytes."""
    messages: dict[int, Message] = {}
    refused: dict[int, tuple[str, bytes]] = {}
    for row, each in enumerate(rows):
        try:
            messages[row] = encode(each)
        except (ValueError, TypeError, OverflowError) as error:
            refused[row] = str(error), b""
    return messages, refused
