"""What is sent while things go wrong: readings that are the same for the same seed, some of them damaged."""

import asyncio
import threading
import time
from collections.abc import Iterator

import numpy as np
import orjson

from tests.streams.kafka.broker import producer

SERIES = 12
PARTITIONS = 4
EPOCH = 1_700_000_000
SILENT = 3
"""the series that falls silent in the middle"""


def readings(seed: int, n: int, pause: tuple[int, int]) -> Iterator[tuple[int, bytes]]:
    """(series, record) of every record; the series SILENT says nothing between the records of `pause`."""
    rng = np.random.default_rng(seed)
    level = rng.normal(50.0, 5.0, SERIES)
    for i in range(n):
        series = int(rng.integers(SERIES))
        spike = 40.0 if rng.random() < 0.002 else 0.0
        drift = 15.0 if series % 5 == 0 and i > n // 2 else 0.0
        value = float(level[series] + rng.normal(0.0, 1.0) + spike + drift)
        if series == SILENT and pause[0] <= i < pause[1]:
            continue
        record = orjson.dumps({"series": f"s{series}", "time": EPOCH + i, "value": round(value, 3), "load": i % 97})
        yield series, _damaged(record, int(rng.integers(400)))


def _damaged(record: bytes, kind: int) -> bytes:
    if kind == 0:
        return record[: len(record) // 2]
    if kind == 1:
        return b""
    return record.replace(b'"value":', b'"valve":') if kind == 2 else record


class Stream(threading.Thread):
    """Sends readings at a steady rate, in a thread of its own, until all are sent."""

    def __init__(self, bootstrap: str, topic: str, *, seed: int, n: int, rate: float, pause: tuple[int, int]) -> None:
        super().__init__(daemon=True)
        self._address, self._topic, self._rate = bootstrap, topic, rate
        self._readings = readings(seed, n, pause)
        self.sent = 0

    def run(self) -> None:
        asyncio.run(self._send())

    async def _send(self) -> None:
        # a broker that is away for a minute must lose nothing of what was sent meanwhile
        async with producer(self._address, linger_ms=20, request_timeout_ms=300_000) as out:
            begun = time.monotonic()
            for series, record in self._readings:
                await out.send(self._topic, record, key=f"s{series}".encode(), partition=series % PARTITIONS)
                self.sent += 1
                ahead = self.sent / self._rate - (time.monotonic() - begun)
                if ahead > 0.02:
                    await asyncio.sleep(ahead)
