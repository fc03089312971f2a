"""One pipeline at work: assign, revoke, process, checkpoint."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from connectors.base import Alerts, DeadLetters, Records, Sink, Snapshot, Snapshots
from streams.delivery import Delivery, always
from streams.owned import Cut, Owned, skipping
from streams.partition import Outcome, Partition
from streams.pipeline import Pipeline
from streams.restore import restore
from streams.start import Start, decide, same_source

log = structlog.get_logger()

DEATHS = 3
"""After so many deaths at the same cut the records are processed one by one, to find the one that kills."""


class Worker:
    """Scores the assigned partitions of one pipeline. An offset is safe only once the state that contains it is saved.

    A failed decode or update leaves the state half changed: the worker refuses to save it, and must be started again.

    sinks:    by name; each is given everything
    identity: what the snapshots must have been made of; it may be set anew between assignments
    allowed:  asked before anything is written to a sink; while it says no, everything waits
    """

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        topic: str,
        identity: str,
        sinks: Mapping[str, Sink],
        snapshots: Snapshots,
        strict: bool = False,
        allowed: Callable[[], bool] = always,
    ) -> None:
        self.pipeline = pipeline
        self.identity = identity
        self.delivery = Delivery(sinks, allowed)
        self._topic = topic
        self._snapshots = snapshots
        self._strict = strict
        self.owned: dict[int, Owned] = {}
        self._kept: dict[int, Owned] = {}
        self.broken = False
        self._lock = asyncio.Lock()
        self._saving = asyncio.Lock()
        self.starts = 0
        """how often in a row a worker started from a state of one of the partitions, at most"""
        self.checkpoint_s = 0.0
        """how long the last snapshots took to write; to wait for a sink costs nothing"""
        self.process_s = 0.0
        """seconds spent in decoding and scoring"""

    def _name(self, partition: int) -> str:
        return f"{self.pipeline.name}/{self._topic}/{partition}"

    @property
    def partitions(self) -> Mapping[int, Partition]:
        """Those that are assigned."""
        return {number: owned.partition for number, owned in self.owned.items()}

    async def assign(
        self,
        partition: int,
        *,
        bounds: tuple[int, int | None] = (0, None),
        committed: int | None = None,
        start: int = 0,
    ) -> int:
        """Take a partition over, from memory if nobody had it meanwhile, else from its snapshot; the offset to read.

        bounds: first offset that can be read and one past the last; committed, start: see start.decide
        Raises OtherSource, or Changed if strict.
        """
        name, (owned, notes) = self._name(partition), await self._know(partition)
        saved = None if owned.saved is None else owned.partition.offset
        chosen = decide(saved=saved, committed=committed, first=bounds[0], end=bounds[1], start=start)
        claim = await asyncio.to_thread(self._snapshots.claim, name, chosen.offset)
        owned.epoch, owned.generation = claim.epoch, 0
        owned.partition.offset = chosen.offset
        async with self._lock:
            self.owned[partition] = owned
            await self._tell(owned, chosen)
            if notes:
                owned.activate(notes)
                log.warning("parameters_changed", partition=name, offset=chosen.offset, changes=notes)
            # a first start in the middle of the log is written down: the next one must not choose again
            if notes or chosen.lost or (chosen.cold and chosen.offset > bounds[0]):
                await self._send(Outcome(alerts=owned.partition.book.take()))
                await self.delivery.drain()
                await self._save(owned, owned.snapshot(self.identity))
            self.starts = max(self.starts, claim.starts)
            if claim.starts > DEATHS:
                log.error("record_by_record", partition=name, offset=chosen.offset, deaths=claim.starts - 1)
                owned.careful = owned.snapshot(self.identity)
        log.info("assigned", partition=name, offset=chosen.offset, cold=chosen.cold)
        return chosen.offset

    async def _know(self, number: int) -> tuple[Owned, list[str]]:
        """The partition as this worker kept it, or as its snapshot has it, or new; and what changed since."""
        name, kept = self._name(number), self._kept.pop(number, None)
        if kept is not None and await asyncio.to_thread(self._snapshots.newest, name) == kept.saved:
            return kept, []
        snapshot = await asyncio.to_thread(self._snapshots.read, name)
        if snapshot is None:
            return Owned(Partition(self.pipeline, self._topic, number, 0)), []
        same_source(str(snapshot.metadata["identity"]), self.identity, name)
        partition, notes = restore(self.pipeline, self._topic, number, snapshot, self._strict)
        saved = (snapshot.epoch, snapshot.generation, snapshot.offset)
        activations = list(snapshot.metadata["activations"])
        return Owned(partition, activations=activations, saved=saved, changed=False), notes

    async def _tell(self, owned: Owned, chosen: Start) -> None:
        """Say what is out of the ordinary about this start; lost records are an alert of kind `gap`."""
        if chosen.note:
            log.warning("start", partition=self._name(owned.partition.number), note=chosen.note, lost=chosen.lost)
        if chosen.lost is not None:
            await self.delivery.put(Alerts([owned.gap(chosen)]))

    async def process(self, slices: Sequence[Records]) -> None:
        """Score these records, of any assigned partitions, in order per partition, and send what comes of them."""
        async with self._lock:
            for records in slices:
                owned = self.owned[records.partition]
                owned.changed = True
                if owned.careful is None:
                    await self._send(self._run(owned.partition.process, records))
                    continue
                for row in range(len(records)):
                    await self._process_carefully(owned, owned.careful, records.rows(slice(row, row + 1)))
                owned.partition.pass_to(records.end or 0)

    async def retry(self, records: Records) -> None:
        """Try records out of the dead letters of an assigned partition again, and send what comes of them."""
        async with self._lock:
            owned = self.owned[records.partition]
            owned.changed = True
            await self._send(self._run(owned.partition.retry, records))

    def _run(self, work: Callable[[Records], Outcome], records: Records) -> Outcome:
        if self.broken:
            raise RuntimeError("the state of this worker is half changed: start it again from its snapshots")
        begun = time.monotonic()
        try:
            return work(records)
        except BaseException:
            self.broken = True
            raise
        finally:
            self.process_s += time.monotonic() - begun

    async def _process_carefully(self, owned: Owned, before: Snapshot, record: Records) -> None:
        try:
            outcome = self._run(owned.partition.process, record)
        except Exception as error:
            await self._skip_from_now_on(owned, before, record, error)
            raise
        await self._send(outcome)

    async def _skip_from_now_on(self, owned: Owned, before: Snapshot, record: Records, error: Exception) -> None:
        """Keep the record that kills as a dead letter, and see that no replay meets it again."""
        letter = owned.crashed(record, error)
        await self.delivery.put(DeadLetters([letter]))
        await self.delivery.drain()
        snapshot = skipping(before, letter.offset, owned.generation + 1)
        await asyncio.to_thread(self._snapshots.write, self._name(record.partition), snapshot)
        log.error("record_crashed", partition=self._name(record.partition), offset=letter.offset, error=letter.detail)

    async def _send(self, outcome: Outcome) -> None:
        for points in outcome.points:
            await self.delivery.put(points)
        if outcome.alerts:
            await self.delivery.put(Alerts(outcome.alerts))
        if outcome.dead:
            await self.delivery.put(DeadLetters(outcome.dead))

    async def idle(self, now: int, numbers: Sequence[int]) -> None:
        """Note silence by the wall clock, ns, on partitions that are read to their end; a checkpoint tells of it."""
        async with self._lock:
            for owned in (self.owned[number] for number in numbers if number in self.owned):
                owned.changed |= bool(owned.partition.silent_by(now))

    def interval(self, every: float) -> float:
        """Seconds until the next checkpoint, at least `every`: writing may take a tenth of the time at most."""
        return max(every, 9 * self.checkpoint_s)

    async def checkpoint(self) -> Mapping[int, int]:
        """Save every partition; the offsets that are now safe to acknowledge.

        In this order: the cut is behind a whole slice; the sinks have accepted all that came of it; the snapshot is
        durable; only then the offset is named. Meanwhile records go on being processed. A partition whose snapshot
        could not be written is left out.
        """
        async with self._saving:
            async with self._lock:
                cut = await self._cut(list(self.owned))
            return await self._publish(cut)

    async def _cut(self, numbers: Sequence[int]) -> Cut:
        """Step one: copies of all states that changed, and the alerts that rose since they were told."""
        if self.broken:
            raise RuntimeError("the state of this worker is half changed: it will not be saved")
        snapshots, silent, unchanged = {}, {}, {}
        for number in numbers:
            owned = self.owned[number]
            if news := owned.news():
                await self.delivery.put(Alerts(news))
            silent[number] = owned.partition.wall.take_untold()
            if not owned.changed:
                unchanged[number], owned.saved_at = owned.partition.offset, time.monotonic()
            else:
                snapshots[number] = owned.snapshot(self.identity)
                owned.changed = False
        return Cut(snapshots, unchanged, silent, self.delivery.mark())

    async def _publish(self, cut: Cut) -> dict[int, int]:
        """Steps two and three; the offsets that are safe."""
        safe = dict(cut.unchanged)
        unsaved = set(cut.snapshots)
        try:
            await self.delivery.accepted(cut.mark)
            begun = time.monotonic()
            for number, snapshot in cut.snapshots.items():
                try:
                    await self._save(self.owned[number], snapshot)
                except OSError as error:
                    log.error("snapshot_failed", partition=self._name(number), error=str(error))
                else:
                    unsaved.discard(number)
                    safe[number] = snapshot.offset
            self.checkpoint_s = time.monotonic() - begun
            if silent := [alert for number in cut.silent.keys() - unsaved for alert in cut.silent[number]]:
                await self.delivery.put(Alerts(silent))
        finally:
            for number in unsaved & self.owned.keys():
                self.owned[number].changed = True
                self.owned[number].partition.wall.tell_later(cut.silent[number])
        return safe

    async def _save(self, owned: Owned, snapshot: Snapshot) -> None:
        name = self._name(owned.partition.number)
        owned.snapshot_bytes = await asyncio.to_thread(self._snapshots.write, name, snapshot)
        owned.generation, owned.saved_at = snapshot.generation, time.monotonic()
        owned.saved = (snapshot.epoch, snapshot.generation, snapshot.offset)
        if owned.careful is not None and snapshot.offset > owned.careful.offset:
            owned.careful = None

    async def adopt(self, pipeline: Pipeline) -> None:
        """Go on with other parameters from a checkpoint on, which names them before the first reading uses them."""
        async with self._saving, self._lock:
            if len(await self._publish(await self._cut(list(self.owned)))) < len(self.owned):
                raise OSError("the parameters were not changed: a snapshot could not be written")
            self.pipeline = pipeline
            for number, owned in self.owned.items():
                given = owned.snapshot(self.identity)
                owned.partition, notes = restore(pipeline, self._topic, number, given, self._strict)
                owned.activate(notes)
                log.info("parameters_changed", partition=self._name(number), offset=given.offset, changes=notes)
                await self._send(Outcome(alerts=owned.partition.book.take()))
            await self.delivery.drain()
            for owned in self.owned.values():
                await self._save(owned, owned.snapshot(self.identity))

    async def revoke(self, numbers: Sequence[int]) -> Mapping[int, int]:
        """Checkpoint these partitions and let go of them; the offsets that are safe to acknowledge.

        The state of those is kept until it is known who owns them: see `keep`. A rebalance waits for this; where it
        cannot wait longer, it is cancelled, and `drop` called.
        """
        async with self._saving, self._lock:
            safe = await self._publish(await self._cut(numbers))
            for number in numbers:
                owned = self.owned.pop(number)
                if number in safe:
                    self._kept[number] = owned
                    await asyncio.to_thread(self._snapshots.left, self._name(number), safe[number])
                log.info("released", partition=self._name(number), saved_offset=safe.get(number))
            return safe

    def keep(self, numbers: Sequence[int]) -> None:
        """These partitions may come back to this worker; of all others that it let go, the state is forgotten."""
        self._kept = {number: owned for number, owned in self._kept.items() if number in numbers}

    async def drop(self) -> None:
        """Forget every partition, and all that waits for a sink: they belong to another worker now."""
        self.owned, self._kept = {}, {}
        await self.delivery.discard()

    async def close(self) -> None:
        """Let go of everything without saving it."""
        self.owned, self._kept = {}, {}
        await self.delivery.close()
