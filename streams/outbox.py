"""What waits for a sink: a bounded queue, one writer, and patience."""

import asyncio

import structlog

from connectors.base import Rows, Sink, SinkBusy

log = structlog.get_logger()


class Outbox:
    """Rows on their way to a sink, in order. A full outbox makes `put` wait: that is the back-pressure.

    A busy sink is asked again, for ever, with growing pauses. Any other failure of the sink is raised by the next
    `put` or `drain`.
    """

    def __init__(self, sink: Sink, *, size: int = 16, longest_pause: float = 30.0) -> None:
        self._sink = sink
        self._queue: asyncio.Queue[Rows] = asyncio.Queue(size)
        self._longest_pause = longest_pause
        self._writer: asyncio.Task[None] | None = None
        self.refused = 0
        """rows that the sink will never accept"""

    async def put(self, rows: Rows) -> None:
        """Queue these rows."""
        self._raise()
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        waiting = asyncio.ensure_future(self._queue.put(rows))
        await asyncio.wait([waiting, self._writer], return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
        self._raise()

    async def drain(self) -> None:
        """Return when the sink has accepted everything that was put."""
        if self._writer is None:
            return
        joined = asyncio.ensure_future(self._queue.join())
        await asyncio.wait([joined, self._writer], return_when=asyncio.FIRST_COMPLETED)
        if not joined.done():
            joined.cancel()
        self._raise()

    def _raise(self) -> None:
        if self._writer is not None and self._writer.done():
            self._writer.result()

    async def _write(self) -> None:
        while True:
            rows = await self._queue.get()
            refused = await self._patiently(rows)
            for reason in refused:
                log.error("row_refused", kind=type(rows).__name__, reason=reason)
            self.refused += len(refused)
            self._queue.task_done()

    async def _patiently(self, rows: Rows) -> list[str]:
        pauses = 0
        while True:
            try:
                refused = await self._sink.write(rows)
            except SinkBusy as busy:
                pause = min(busy.retry_after * 2**pauses, self._longest_pause)
                if pauses == 0:
                    log.warning("sink_busy", reason=str(busy), next_try_s=pause)
                pauses = min(pauses + 1, 16)
                await asyncio.sleep(pause)
            else:
                if pauses:
                    log.info("sink_back", kind=type(rows).__name__)
                return list(refused.reasons)

    async def close(self) -> None:
        """Let go of the writer. What was not drained is not written."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
            self._writer = None
