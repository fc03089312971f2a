"""A Sink that is a bucket of InfluxDB: scores, drift, alerts, and what a worker counts about itself."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from connectors.base import IntArray, Refused, Rows
from connectors.influxdb.connection import InfluxDBConnection
from connectors.influxdb.endpoint import Endpoint
from connectors.influxdb.lines import lines
from connectors.line_protocol import Lines

LARGEST = 5_000_000
"""bytes of one request before compression"""


class InfluxDB:
    """Writes points and alerts; returns when InfluxDB has answered that it keeps them.

    Requests go one after another. If one of them gets no verdict (no connection, no answer in time, 429, 5xx, a token
    or bucket that is not accepted), `write` raises SinkBusy and nothing is given up: rows whose requests came before
    are then stored already, and writing all of them again changes nothing. Lines that InfluxDB will never accept (a
    field of another type, a time beyond the retention) are looked for by halves and returned as refused, with its
    reason; the others are stored.

    Fields are overwritten one by one: a point written again without one of its fields keeps the old value. Dead letters
    are not written and not refused; keep them in another sink.
    """

    def __init__(self, connection: InfluxDBConnection) -> None:
        self._connection = connection
        self._endpoint = Endpoint(connection)
        self._closed = False
        # One thread: writes are stored in the order of their calls, and one that is cancelled still ends alone.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="influxdb")

    async def write(self, rows: Rows) -> Refused:
        """Store all rows that InfluxDB accepts."""
        if self._closed:
            raise ValueError(f"the sink of {self._connection.url} is closed; nothing may be written to it")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._write, rows)

    async def close(self) -> None:
        """Wait for what is being written, and let go of the connection."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._endpoint.close)
            self._thread.shutdown(wait=False)

    def _write(self, rows: Rows) -> Refused:
        written = lines(rows)
        unfit = written.refused
        refused = dict(zip(unfit.rows, zip(unfit.reasons, unfit.values, strict=True), strict=True))
        for first, last in _requests(written.ends, self._connection.lines):
            for line, reason in self._refused(written, first, last):
                refused.setdefault(int(written.rows[line]), (reason, written.between(line, line + 1)[:-1]))
        told = sorted(refused.items())
        reasons, values = tuple(reason for _, (reason, _) in told), tuple(value for _, (_, value) in told)
        return Refused(tuple(row for row, _ in told), reasons, values)

    def _refused(self, written: Lines, first: int, last: int) -> Iterator[tuple[int, str]]:
        """Post these lines; those that will never be accepted, and why.

        The halves of a request with some refused lines are posted both: what InfluxDB says it dropped counts the lines
        of one shard only, so that a line is known to be stored by nothing but an answer without any complaint.
        """
        answer = self._endpoint.post(written.between(first, last))
        if answer.accepted:
            return
        if last - first in (1, answer.dropped):
            yield from ((line, answer.message) for line in range(first, last))
            return
        middle = (first + last) // 2
        yield from self._refused(written, first, middle)
        yield from self._refused(written, middle, last)


def _requests(ends: IntArray, most: int) -> Iterator[tuple[int, int]]:
    """Runs of lines, at most so many and LARGEST bytes each; a longer line goes alone."""
    first, begin = 0, 0
    while first < len(ends):
        fitting = int(np.searchsorted(ends, begin + LARGEST, side="right"))
        last = min(first + most, max(fitting, first + 1))
        yield first, last
        first, begin = last, int(ends[last - 1])
