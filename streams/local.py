"""The same worker over recordings and host telemetry, without Kafka."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from connectors.base import Alert, Alerts, Records, Refused, Rows, Sink, Snapshots, Source
from streams.pipeline import Pipeline
from streams.restore import Changed
from streams.start import OtherSource
from streams.worker import DEATHS, Worker

log = structlog.get_logger()

RESTARTS = DEATHS + 2
"""From the same state: enough to find the record that kills; a worker that still dies needs a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A pipeline, where its records come from, and where all else goes. `every`: seconds between checkpoints."""

    pipeline: Pipeline
    source: Source
    sink: Sink
    snapshots: Snapshots
    every: float = 10.0
    strict: bool = False
    on_records: Callable[[Records], None] = field(default=lambda _: None)


@dataclass(frozen=True, slots=True)
class Announcing:
    """A sink that passes everything on, and tells of alerts once they are accepted."""

    sink: Sink
    tell: Callable[[Sequence[Alert]], None]

    async def write(self, rows: Rows) -> Refused:
        refused = await self.sink.write(rows)
        if isinstance(rows, Alerts):
            self.tell(rows.rows)
        return refused

    async def close(self) -> None:
        await self.sink.close()


async def run(job: Job, stop: asyncio.Event) -> None:
    """Work until the source ends or `stop` is set, then checkpoint and leave.

    A worker that dies is started again from its snapshots, at most RESTARTS times from the same state.
    """
    deaths, last = 0, None
    while True:
        worker = Worker(
            pipeline=job.pipeline, topic=job.source.topic, identity=job.source.identity, sinks={"sqlite": job.sink},
            snapshots=job.snapshots, strict=job.strict,
        )  # fmt: skip
        state = None
        try:
            start = await _assign(worker, job)
            state = {number: (start[number], len(p.skipped)) for number, p in worker.partitions.items()}
            return await _work(worker, job, start, stop)
        except (OtherSource, Changed):
            raise
        except Exception as error:
            deaths, last = deaths + 1 if state == last else 1, state
            log.error(
                "worker_died", pipeline=job.pipeline.name, error=f"{type(error).__name__}: {error}", deaths=deaths
            )
            if deaths > RESTARTS:
                raise
        finally:
            await worker.close()


async def _assign(worker: Worker, job: Job) -> dict[int, int]:
    return {p: await worker.assign(p, bounds=job.source.bounds(p)) for p in job.source.partitions}


async def _work(worker: Worker, job: Job, start: dict[int, int], stop: asyncio.Event) -> None:
    endless = any(job.source.bounds(partition)[1] is None for partition in job.source.partitions)
    records = job.source.read(start)

    async def idle(now: int) -> None:
        await worker.idle(now, job.source.partitions)

    saved = time.monotonic()
    while not stop.is_set():
        slice_ = await _next(records, stop, 1.0 if endless else None, idle)
        if slice_ is None:
            break
        await worker.process([slice_])
        job.on_records(slice_)
        if time.monotonic() - saved >= worker.interval(job.every):
            await worker.checkpoint()
            saved = time.monotonic()
    safe = await worker.revoke(job.source.partitions)
    if unsaved := set(job.source.partitions) - safe.keys():
        log.error("not_saved", pipeline=job.pipeline.name, partitions=sorted(unsaved))


async def _next(
    records: AsyncIterator[Records], stop: asyncio.Event, pause: float | None, idle: Callable[[int], Awaitable[None]]
) -> Records | None:
    """The next slice; None when there are no more, or when `stop` was set first. `idle` runs every `pause` seconds."""
    coming = asyncio.ensure_future(anext(records, None))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        while not coming.done() and not stop.is_set():
            done, _ = await asyncio.wait([coming, stopping], timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                await idle(time.time_ns())
        return coming.result() if coming.done() else None
    finally:
        stopping.cancel()
        coming.cancel()
