"""The telemetry of this machine as a source."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from time import monotonic, time_ns

import numpy as np
import orjson
import psutil

from connectors.base import Column, Records

Reading = dict[str, float | None]
COUNTERS: tuple[tuple[str, Callable[[], object], str], ...] = (
    ("disk_read", psutil.disk_io_counters, "read_bytes"),
    ("disk_write", psutil.disk_io_counters, "write_bytes"),
    ("net_received", psutil.net_io_counters, "bytes_recv"),
    ("net_sent", psutil.net_io_counters, "bytes_sent"),
)


class Host:
    """One JSON object per interval, without end.

    It holds host, time (s since 1970), cpu and memory (percent), load (1 min), and in bytes/s disk_read, disk_write,
    net_received, net_sent. What is measured from reading to reading (cpu and rates) is null in the first one, and a
    rate is null where its counter is absent or went backwards.

    interval: seconds from reading to reading; a beat that was missed is left out
    """

    def __init__(self, *, topic: str = "host", interval: float = 1.0) -> None:
        if not 0 < interval < np.inf:
            raise ValueError(f"Host.interval must be a positive number of seconds; got {interval}")
        self.topic, self._interval = topic, interval
        self._name = socket.gethostname()
        self.identity = f"host:{self._name}"
        self.partitions = (0,)

    def bounds(self, partition: int) -> tuple[int, int | None]:
        """From 0, without end."""
        return 0, None

    async def read(self, start: Mapping[int, int]) -> AsyncIterator[Records]:
        """A reading at every beat. What was before cannot be read again: the first offset is only a number."""
        if 0 not in start:
            return
        offset, beat, first = start[0], 0, monotonic()
        before, last = counters(), first
        yield self._records(offset, gauges() | {"cpu": None}, dict.fromkeys(before))
        while True:
            beat = max(beat, int((monotonic() - first) / self._interval)) + 1
            await asyncio.sleep(first + beat * self._interval - monotonic())
            after, now = counters(), monotonic()
            offset += 1
            yield self._records(offset, gauges(), rates(before, after, now - last))
            before, last = after, now

    def _records(self, offset: int, levels: Reading, speeds: Reading) -> Records:
        now = time_ns()
        reading = {"host": self._name, "time": now / 1e9, **levels, **speeds}
        one = np.array([offset], np.int64)
        key, value = Column.of([self._name.encode()]), Column.of([orjson.dumps(reading)])
        return Records(self.topic, 0, one, key, value, np.array([now], np.int64))


def gauges() -> Reading:
    """Percent of processors and memory in use, and the load of the last minute."""
    return {"cpu": psutil.cpu_percent(), "memory": psutil.virtual_memory().percent, "load": os.getloadavg()[0]}


def counters() -> Reading:
    """Bytes since the machine started; None where it does not count them."""
    return {name: _counter(count, field) for name, count, field in COUNTERS}


def _counter(count: Callable[[], object], field: str) -> float | None:
    with suppress(OSError, NotImplementedError, RuntimeError):  # what psutil raises where it finds no disk or network
        return getattr(count(), field, None)
    return None


def rates(before: Reading, after: Reading, seconds: float) -> Reading:
    """Differences per second.

    >>> rates({"net_sent": 100, "disk_read": 9, "disk_write": None}, {"net_sent": 300, "disk_read": 0}, 2.0)
    {'net_sent': 100.0, 'disk_read': None}
    """
    found: Reading = {}
    for name, now in after.items():
        then = before.get(name)
        found[name] = None if now is None or then is None or now < then else (now - then) / seconds
    return found
