"""From the moment when a reading is made to the moment when its alert is in somebody's hands."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from connectors.kafka.connection import Connection, aiokafka_settings
from streams.bench.topic import BATCH_BYTES, PARTITIONS, SERIES, batch

WARM = 60
"""readings of every series before the first that is measured"""

OPENED = 200
"""alerts per second, at any rate of readings; a series spikes again when its last alert has long closed"""

SETTLE = 6.0
"""s at the rate before the first alert that is measured: at 10,000 readings/s the first ones come after 4 s"""

TICK = 0.01
"""s between two batches of the producer, in which a reading waits for half of it on average: its linger"""

PREPARE = 12e-6
"""s for making a reading's record, at most: the load is made before it is sent, for this side must not be the slower"""

RECORD = b'{"series":"s%05d","time":%.6f,"value":%.6f}'

ALERTS = "watchkeeper.alerts"


def latency(connection: Connection, topic: str, *, rate: float, seconds: float, name: str) -> dict[str, float]:
    """p50, p99, largest ms and number of alerts in `seconds` at a steady rate; a worker must be at work."""
    ms = asyncio.run(_measure(connection, topic, rate, seconds))
    if not len(ms):
        raise RuntimeError("no alert came")
    p50, p99 = np.percentile(ms, [50, 99])
    found = {"p50_ms": p50, "p99_ms": p99, "max_ms": ms.max(), "alerts": len(ms)}
    return {f"{name}.{figure}": float(each) for figure, each in found.items()}


async def _measure(connection: Connection, topic: str, rate: float, seconds: float) -> np.ndarray:
    consumer = AIOKafkaConsumer(ALERTS, **aiokafka_settings(connection), group_id=None, auto_offset_reset="latest")
    await consumer.start()
    await consumer.seek_to_end()
    for place in consumer.assignment():
        await consumer.position(place)
    producer = AIOKafkaProducer(**aiokafka_settings(connection), acks=1, max_batch_size=BATCH_BYTES)
    await producer.start()
    ages: list[tuple[float, float]] = []
    listening = asyncio.create_task(_listen(consumer, ages))
    try:
        begun = await _send(producer, topic, rate, SETTLE + seconds)
        await asyncio.sleep(2.0)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await producer.stop()
        await consumer.stop()
    return np.array([(there - made) * 1000 for made, there in ages if made >= begun + SETTLE])


async def _listen(consumer: AIOKafkaConsumer, ages: list[tuple[float, float]]) -> None:
    async for record in consumer:
        now = time.time()
        alert = orjson.loads(record.value)["data"]
        if alert["state"] == "open" and alert["kind"] == "anomaly":
            ages.append((alert["opened"] / 1e9, now))


async def _send(producer: AIOKafkaProducer, topic: str, rate: float, seconds: float) -> float:
    """A warm-up as fast as it goes, then the rate; a reading's time is when it is due. When the rate began."""
    warm, n, step = WARM * SERIES, int(rate * seconds), PARTITIONS * max(1, round(rate * TICK / PARTITIONS))
    noise = np.random.default_rng(1).standard_normal(1 << 16).tolist()
    begun = time.time() + 2.0 + (warm + n) * PREPARE
    load = _Load(begun - warm / rate, rate, noise)
    ticks = [load.batches(producer, range(i, i + step)) for i in range(0, warm + n, step)]
    if time.time() > begun:
        raise RuntimeError(f"{rate:.0f} readings/s could not be prepared within {PREPARE * 1e6:.0f} us each")
    for number, batches in enumerate(ticks):
        due = begun + ((number + 1) * step - warm) / rate
        if number * step >= warm:
            await asyncio.sleep(max(0.0, due - time.time()))
        for partition, made in enumerate(batches):
            await producer.send_batch(made, topic, partition=partition)
    return begun


@dataclass(frozen=True, slots=True)
class _Load:
    """Reading i of all is due at first + i / rate, and belongs to series i modulo SERIES."""

    first: float
    rate: float
    noise: list[float]

    def batches(self, producer: AIOKafkaProducer, rows: range) -> list[Any]:
        """One for each partition; the series keep to theirs."""
        return [batch(producer, self._records(rows[partition::PARTITIONS])) for partition in range(PARTITIONS)]

    def _records(self, rows: range) -> list[tuple[bytes | None, bytes]]:
        return [(None, RECORD % (i % SERIES, self.first + i / self.rate, self._value(i))) for i in rows]

    def _value(self, i: int) -> float:
        series, number = i % SERIES, i // SERIES
        spikes = number >= WARM and (number + 37 * series) % int(self.rate / OPENED) == 0
        return self.noise[i & 0xFFFF] + 30.0 * spikes
