"""One pipeline at work: assign, revoke, process, checkpoint."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from connectors.base import Alert, Alerts, DeadLetter, DeadLetters, Records, Sink, Snapshot, Snapshots
from streams.book import alert_id
from streams.outbox import Outbox
from streams.partition import Outcome, Partition
from streams.pipeline import Pipeline
from streams.restore import restore, take_snapshot
from streams.start import Start, decide, same_source

log = structlog.get_logger()

DEATHS = 3
"""After so many deaths at the same cut the records are processed one by one, to find the one that kills."""


@dataclass(slots=True)
class _Owned:
    """A partition in this worker's hands.

    careful: the state as it was at assignment, kept while records are processed one by one
    """

    partition: Partition
    epoch: int
    generation: int
    activations: list[Any]
    careful: Snapshot | None = None


class Worker:
    """Scores the assigned partitions of one pipeline. An offset is safe only once the state that contains it is saved.

    A failed decode or update leaves the state half changed: the worker refuses to save it, and must be started again.
    """

    def __init__(
        self, *, pipeline: Pipeline, topic: str, identity: str, sink: Sink, snapshots: Snapshots, strict: bool = False
    ) -> None:
        self.pipeline = pipeline
        self._topic, self._identity = topic, identity
        self._outbox = Outbox(sink)
        self._snapshots = snapshots
        self._strict = strict
        self._owned: dict[int, _Owned] = {}
        self._broken = False
        self._lock = asyncio.Lock()
        self.checkpoint_s = 0.0
        """how long the last checkpoint took"""

    def _name(self, partition: int) -> str:
        return f"{self.pipeline.name}/{self._topic}/{partition}"

    @property
    def partitions(self) -> Mapping[int, Partition]:
        """Those that are assigned."""
        return {number: owned.partition for number, owned in self._owned.items()}

    async def assign(
        self,
        partition: int,
        *,
        bounds: tuple[int, int | None] = (0, None),
        committed: int | None = None,
        start: int = 0,
    ) -> int:
        """Load the snapshot of a partition; the next offset to read.

        bounds: first offset that can be read and one past the last; committed, start: see start.decide
        Raises OtherSource, or Changed if strict.
        """
        name = self._name(partition)
        snapshot = await asyncio.to_thread(self._snapshots.read, name)
        if snapshot is not None:
            same_source(str(snapshot.metadata["identity"]), self._identity, name)
        saved = None if snapshot is None else snapshot.offset
        chosen = decide(saved=saved, committed=committed, first=bounds[0], end=bounds[1], start=start)
        owned, notes = self._take_over(partition, snapshot, chosen.offset)
        starts = await asyncio.to_thread(self._snapshots.starts, name, chosen.offset)
        self._owned[partition] = owned
        async with self._lock:
            await self._tell(owned, chosen)
            if notes:
                owned.activations = [*owned.activations[-99:], [chosen.offset, notes]]
                log.warning("parameters_changed", partition=name, offset=chosen.offset, changes=notes)
            if notes or chosen.lost:
                await self._send(Outcome(alerts=owned.partition.book.take()))
                await self._outbox.drain()
                await self._save(owned)
            if starts > DEATHS:
                log.error("record_by_record", partition=name, offset=chosen.offset, deaths=starts - 1)
                owned.careful = self._snapshot(owned)
        log.info("assigned", partition=name, offset=chosen.offset, cold=chosen.cold)
        return chosen.offset

    def _take_over(self, number: int, snapshot: Snapshot | None, offset: int) -> tuple[_Owned, list[str]]:
        if snapshot is None:
            return _Owned(Partition(self.pipeline, self._topic, number, offset), 1, 0, []), []
        partition, notes = restore(self.pipeline, self._topic, number, snapshot, self._strict)
        partition.offset = offset
        return _Owned(partition, snapshot.epoch + 1, 0, list(snapshot.metadata["activations"])), notes

    async def _tell(self, owned: _Owned, chosen: Start) -> None:
        """Say what is out of the ordinary about this start; lost records are an alert of kind `gap`."""
        if chosen.note:
            log.warning("start", partition=self._name(owned.partition.number), note=chosen.note, lost=chosen.lost)
        if chosen.lost is None:
            return
        first, last = chosen.lost
        at = max(owned.partition.clock, 0)
        place = f"{self._topic}/{owned.partition.number}"
        gap = Alert(
            id=alert_id(self.pipeline.name, place, "", "gap", first), pipeline=self.pipeline.name, series="", watch="",
            kind="gap", state="open", opened=at, started=at, topic=self._topic, partition=owned.partition.number,
            first_offset=first, last_offset=last, reason=f"offsets {first} to {last} were lost: {chosen.note}",
        )  # fmt: skip
        await self._outbox.put(Alerts([gap]))

    async def process(self, slices: Sequence[Records]) -> None:
        """Score these records, of any assigned partitions, in order per partition, and send what comes of them."""
        async with self._lock:
            for records in slices:
                owned = self._owned[records.partition]
                if owned.careful is None:
                    await self._send(self._process(owned, records))
                    continue
                for row in range(len(records)):
                    await self._process_carefully(owned, owned.careful, records.rows(slice(row, row + 1)))

    def _process(self, owned: _Owned, records: Records) -> Outcome:
        if self._broken:
            raise RuntimeError("the state of this worker is half changed: start it again from its snapshots")
        try:
            return owned.partition.process(records)
        except BaseException:
            self._broken = True
            raise

    async def _process_carefully(self, owned: _Owned, before: Snapshot, record: Records) -> None:
        try:
            outcome = self._process(owned, record)
        except Exception as error:
            await self._skip_from_now_on(owned, before, record, error)
            raise
        await self._send(outcome)

    async def _skip_from_now_on(self, owned: _Owned, before: Snapshot, record: Records, error: Exception) -> None:
        """Keep the record that kills as a dead letter, and see that no replay meets it again."""
        offset = int(record.offsets[0])
        letter = DeadLetter(
            pipeline=self.pipeline.name, topic=self._topic, partition=record.partition, offset=offset, index=-1,
            time=int(record.times[0]), key=record.keys[0], value=record.values[0], reason="crashed",
            detail=f"{type(error).__name__}: {error}",
        )  # fmt: skip
        await self._outbox.put(DeadLetters([letter]))
        await self._outbox.drain()
        skipped = sorted({*before.metadata["skipped"], offset})
        counts = dict(before.metadata["counts"])
        counts["rejected.crashed"] = counts.get("rejected.crashed", 0) + 1
        metadata = {**before.metadata, "skipped": skipped, "counts": counts}
        snapshot = replace(before, generation=owned.generation + 1, metadata=metadata)
        await asyncio.to_thread(self._snapshots.write, self._name(record.partition), snapshot)
        log.error("record_crashed", partition=self._name(record.partition), offset=offset, error=letter.detail)

    async def _send(self, outcome: Outcome) -> None:
        for points in outcome.points:
            await self._outbox.put(points)
        if outcome.alerts:
            await self._outbox.put(Alerts(outcome.alerts))
        if outcome.dead:
            await self._outbox.put(DeadLetters(outcome.dead))

    async def idle(self, now: int) -> None:
        """Raise `silence` by the wall clock, ns, on partitions that are read to their end. No state changes."""
        async with self._lock:
            for owned in self._owned.values():
                if alerts := owned.partition.silent_by(now):
                    await self._outbox.put(Alerts(alerts))

    async def checkpoint(self) -> Mapping[int, int]:
        """Save every partition; the offsets that are now safe to acknowledge.

        In this order: the cut is behind a whole slice; the sink has accepted all that came of it; the snapshot is
        durable; only then the offset is named. A partition whose snapshot could not be written is left out.
        """
        async with self._lock:
            return await self._checkpoint(list(self._owned))

    async def _checkpoint(self, numbers: Sequence[int]) -> dict[int, int]:
        if self._broken:
            raise RuntimeError("the state of this worker is half changed: it will not be saved")
        begun = time.monotonic()
        safe: dict[int, int] = {}
        for number in numbers:
            if higher := self._owned[number].partition.book.take_higher():
                await self._outbox.put(Alerts(higher))
        await self._outbox.drain()
        for number in numbers:
            owned = self._owned[number]
            try:
                await self._save(owned)
            except OSError as error:
                log.error("snapshot_failed", partition=self._name(number), error=str(error))
            else:
                safe[number] = owned.partition.offset
        self.checkpoint_s = time.monotonic() - begun
        return safe

    def _snapshot(self, owned: _Owned) -> Snapshot:
        return take_snapshot(
            owned.partition, epoch=owned.epoch, generation=owned.generation + 1, identity=self._identity,
            activations=owned.activations,
        )  # fmt: skip

    async def _save(self, owned: _Owned) -> None:
        snapshot = self._snapshot(owned)
        await asyncio.to_thread(self._snapshots.write, self._name(owned.partition.number), snapshot)
        owned.generation += 1
        if owned.careful is not None and snapshot.offset > owned.careful.offset:
            owned.careful = None

    async def adopt(self, pipeline: Pipeline) -> None:
        """Go on with other parameters from a checkpoint on, which names them before the first reading uses them."""
        async with self._lock:
            if len(await self._checkpoint(list(self._owned))) < len(self._owned):
                raise OSError("the parameters were not changed: a snapshot could not be written")
            self.pipeline = pipeline
            for number, owned in self._owned.items():
                partition, notes = restore(pipeline, self._topic, number, self._snapshot(owned), self._strict)
                owned.partition = partition
                owned.activations = [*owned.activations[-99:], [partition.offset, notes]]
                log.info("parameters_changed", partition=self._name(number), offset=partition.offset, changes=notes)
                await self._send(Outcome(alerts=partition.book.take()))
            await self._outbox.drain()
            for owned in self._owned.values():
                await self._save(owned)

    async def revoke(self, partition: int) -> int | None:
        """Checkpoint a partition and let go of it; the offset to acknowledge, None if it could not be saved."""
        async with self._lock:
            safe = await self._checkpoint([partition])
            del self._owned[partition]
            log.info("released", partition=self._name(partition), saved_offset=safe.get(partition))
            return safe.get(partition)

    async def close(self) -> None:
        """Let go of everything without saving it."""
        self._owned = {}
        await self._outbox.close()
