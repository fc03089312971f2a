"""Between Kafka's assignments and the worker: takes partitions over, hands slices on, saves, and lets go."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from streams.batches import Slice
from streams.outbox import Abandoned
from streams.self_points import worker_points
from streams.start import Position
from streams.transport import Found
from streams.worker import Worker

log = structlog.get_logger()

TICK = 0.1
"""s between two looks at whether it is time for a checkpoint"""

IDLE = 1.0
"""s between two looks for silent series on partitions that are read to their end"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """every: s between checkpoints, a lower bound; deadline: s that the one at a revocation may take."""

    every: float
    deadline: float


@dataclass(slots=True)
class Backlog:
    """What waited when partitions were assigned: records read so far, and s from the first slice to the last."""

    records: int = 0
    seconds: float = 0.0
    ended: float = 0.0
    """s since 1970"""
    _begun: float = 0.0

    def add(self, records: int, begun: float) -> None:
        """A slice of so many records was scored, from the monotonic time `begun` until now."""
        self._begun = self._begun or begun
        self.records += records
        self.seconds, self.ended = time.monotonic() - self._begun, time.time()


class Log(Protocol):
    """What the steward asks of the consumer; see App."""

    def member(self) -> bool: ...
    def contact(self) -> float: ...
    def end(self, partition: int) -> int: ...
    async def offset_at(self, partition: int, ms: int) -> int | None: ...
    async def acknowledge(self, safe: Mapping[int, int]) -> None: ...


class Steward:
    """The Owner of what a worker's consumer consumes.

    identify: cluster and topic, asked at every assignment, for snapshots of another one must not be used; it blocks
    """

    def __init__(
        self,
        worker: Worker,
        *,
        start: Position,
        pace: Pace,
        identify: Callable[[], str],
        consumer: Log,
    ) -> None:
        self.worker = worker
        self.round = 0
        self._start, self._pace, self._identify, self._log = start, pace, identify, consumer
        self.scored_at: dict[int, float] = {}
        """partition -> monotonic time when it was last read further, or found to be read to its end"""
        self._backlog: Backlog | None = None
        self._saved = time.monotonic()

    async def revoked(self) -> Mapping[int, int]:
        """Checkpoint all partitions; their states are kept until it is known who owns them."""
        self.round += 1
        if self.worker.broken or not self._log.member():
            log.warning("dropped", reason="broken" if self.worker.broken else "no longer a member of the group")
            await self.worker.drop()
            return {}
        try:
            return await asyncio.wait_for(self.worker.revoke(list(self.worker.owned)), self._pace.deadline)
        except TimeoutError:
            log.error("dropped", reason=f"the checkpoint took longer than {self._pace.deadline:.0f} s")
            await self.worker.drop()
            return {}

    async def assigned(self, found: Mapping[int, Found]) -> Mapping[int, int]:
        """Take these partitions over. Raises OtherSource, or Changed if strict."""
        self.round += 1
        identity = await asyncio.to_thread(self._identify)
        self.worker.keep(list(found) if identity == self.worker.identity else [])
        self.worker.identity = identity
        offsets = {}
        for partition, there in found.items():
            start = await self._first(partition, there)
            offsets[partition] = await self.worker.assign(
                partition, bounds=(there.first, there.end), committed=there.committed, start=start
            )
        self.scored_at = dict.fromkeys(found, time.monotonic())
        self._backlog = Backlog()
        self._saved = time.monotonic()
        return offsets

    async def _first(self, partition: int, there: Found) -> int:
        """Where a first start begins."""
        if self._start == "earliest":
            return there.first
        at = None if self._start == "latest" else await self._log.offset_at(partition, int(self._start) // 1_000_000)
        return there.end if at is None else at

    async def take(self, slice_: Slice) -> None:
        """Score a slice, unless its partition changed hands since it was delivered."""
        if slice_.round != self.round:
            return
        partition = self.worker.owned[slice_.partition].partition
        if slice_.first != partition.offset:
            raise RuntimeError(
                f"{slice_.topic}/{slice_.partition}: records from {slice_.first} came where {partition.offset} is next"
            )
        begun, records = time.monotonic(), slice_.records()
        try:
            await self.worker.process([records])
        except Abandoned:
            return  # the partition was dropped meanwhile
        self.scored_at[slice_.partition] = time.monotonic()
        if self._backlog is not None:
            self._backlog.add(len(records), begun)

    def lag(self, partition: int) -> int:
        """Records of an assigned partition that wait to be read, as far as it is known."""
        return max(0, self.end(partition) - self.worker.owned[partition].partition.offset)

    def read_to_end(self) -> list[int]:
        """Partitions of which every record that can be read was read."""
        return [n for n, owned in self.worker.owned.items() if 0 <= self.end(n) <= owned.partition.offset]

    def member(self) -> bool:
        """Whether this worker is certainly still a member of its group."""
        return self._log.member()

    def end(self, partition: int) -> int:
        """One past the last offset that can be read, as far as it is known; else -1."""
        return self._log.end(partition)

    async def tend(self) -> None:
        """For ever: checkpoints, and silence by the wall clock."""
        looked = 0.0
        while True:
            await asyncio.sleep(TICK)
            if self.worker.broken or not self._log.member():
                continue  # what broke it ends the worker, and is the reason to tell
            now = time.monotonic()
            if now - looked >= IDLE:
                looked = now
                await self._rest(now)
            if now - self._saved >= self.worker.interval(self._pace.every):
                await self._checkpoint()

    async def _rest(self, now: float) -> None:
        """What is done while nothing is to be read."""
        at_end = self.read_to_end()
        self.scored_at.update(dict.fromkeys(at_end, now))
        # a broker that was away for a while makes nobody silent: its producers could not reach it either
        if (now - self._log.contact()) * 1e9 > self.worker.pipeline.limits.silence_after:
            await self.worker.idle(time.time_ns(), at_end)
        if (backlog := self._backlog) is not None and backlog.records and len(at_end) == len(self.worker.owned):
            seconds, ended = round(backlog.seconds, 4), round(backlog.ended, 4)
            log.info("caught_up", records=backlog.records, seconds=seconds, ended=ended)
            self._backlog = None

    async def _checkpoint(self) -> None:
        round_ = self.round
        try:
            safe = await self.worker.checkpoint()
        except Abandoned:
            return  # the partitions were dropped meanwhile
        self._saved = time.monotonic()
        if round_ != self.round:
            return
        await self._log.acknowledge(safe)
        if owned := self.worker.owned:
            lags = {number: self.lag(number) for number in owned}
            told = worker_points(self.worker.pipeline.name, owned, lags, now=time.time_ns())
            await self.worker.delivery.put(told)
