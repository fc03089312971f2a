"""What waits for a sink: a bounded queue, one writer, and patience."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from connectors.base import DeadLetters, Rows, Sink, SinkBusy
from streams.gather import gather
from streams.refused import as_dead

log = structlog.get_logger()

Bury = Callable[[DeadLetters], Awaitable[None]]

PAUSE = 0.1
"""seconds between two looks at whether writing is allowed again"""

LONGEST_PAUSE = 5.0
"""seconds between two tries at a busy sink, at most; more only where the sink asks for it, and then not for ever"""

LONGEST_WISH = 60.0
"""seconds that a sink may ask for"""

AGAIN = 30.0
"""seconds between two lines in the log about a sink that stays busy"""


GATHERED = 10_000
"""rows of one write, at least, where so many wait"""


class Abandoned(Exception):
    """The outbox was closed: what waited in it is given up, for the partitions it came from are another worker's."""


class Outbox:
    """Rows on their way to a sink, in order. A full outbox makes `put` wait: that is the back-pressure.

    A busy sink is asked again, for ever, with growing pauses. Any other failure of the sink is raised by the next
    `put` or `accepted`; once it is closed, both raise Abandoned. Rows that the sink will never accept are handed to
    `bury`, as dead letters.

    allowed: asked before each write; while it says no, everything waits
    """

    def __init__(self, name: str, sink: Sink, *, bury: Bury, allowed: Callable[[], bool], size: int = 16) -> None:
        self.name = name
        self._sink, self._bury, self._allowed = sink, bury, allowed
        self._queue: asyncio.Queue[Rows] = asyncio.Queue(size)
        self._writer: asyncio.Task[None] | None = None
        self._settled = asyncio.Condition()
        self._closed = False
        self.count = 0
        """rows objects that were put so far"""
        self.done = 0
        """of these, accepted or buried"""
        self.refused = 0
        """rows that the sink will never accept"""
        self.retries = 0
        """writes that found the sink busy"""
        self.busy_since: float | None = None
        """monotonic time since when the sink is busy"""
        self.write_s = 0.0
        """seconds spent in writes"""

    async def put(self, rows: Rows) -> None:
        """Queue these rows."""
        self._raise()
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        if self._queue.full():
            waiting = asyncio.ensure_future(self._queue.put(rows))
            await asyncio.wait([waiting, self._writer], return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                waiting.cancel()
            self._raise()
        else:
            self._queue.put_nowait(rows)
        self.count += 1

    async def accepted(self, count: int) -> None:
        """Return when the sink has accepted the first `count` of what was put."""
        while self.done < count:
            self._raise()
            assert self._writer is not None
            settled = asyncio.ensure_future(self._wait_for(count))
            await asyncio.wait([settled, self._writer], return_when=asyncio.FIRST_COMPLETED)
            if not settled.done():
                settled.cancel()
            self._raise()

    async def _wait_for(self, count: int) -> None:
        async with self._settled:
            await self._settled.wait_for(lambda: self.done >= count)

    def _raise(self) -> None:
        if self._closed:
            raise Abandoned(self.name)
        if self._writer is not None and self._writer.done():
            self._writer.result()

    async def _write(self) -> None:
        while True:
            waiting = [await self._queue.get()]
            while not self._queue.empty() and sum(len(rows) for rows in waiting) < GATHERED:
                waiting.append(self._queue.get_nowait())
            for rows in gather(waiting):
                while not self._allowed():  # noqa: ASYNC110  the answer comes from another thread
                    await asyncio.sleep(PAUSE)
                await self._patiently(rows)
            async with self._settled:
                self.done += len(waiting)
                self._settled.notify_all()

    async def _patiently(self, rows: Rows) -> None:
        pauses, told = 0, 0.0
        while True:
            begun = time.monotonic()
            try:
                refused = await self._sink.write(rows)
            except SinkBusy as busy:
                wish = min(busy.retry_after, LONGEST_WISH)
                pause = max(wish, min(wish * 2**pauses, LONGEST_PAUSE))
                self.retries += 1
                self.busy_since = begun if self.busy_since is None else self.busy_since
                if begun - told > AGAIN:
                    told = begun
                    log.warning("sink_busy", sink=self.name, reason=str(busy), next_try_s=pause)
                pauses = min(pauses + 1, 16)
                await asyncio.sleep(pause)
                continue
            self.write_s += time.monotonic() - begun
            break
        if pauses:
            log.info("sink_back", sink=self.name)
        self.busy_since = None
        for reason in refused.reasons:
            log.error("row_refused", sink=self.name, kind=type(rows).__name__, reason=reason)
        self.refused += len(refused)
        if letters := as_dead(rows, refused).rows:
            await self._bury(DeadLetters(letters))

    async def close(self) -> None:
        """Let go of the writer. What was not accepted is not written."""
        self._closed = True
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
            self._writer = None
