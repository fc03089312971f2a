"""From the moment when a reading is made to the moment when its alert is in somebody's hands."""

import asyncio
import time
from collections.abc import Iterator

import numpy as np
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from connectors.kafka.connection import Connection, aiokafka_settings
from streams.bench.topic import PARTITIONS, SERIES

WARM = 60
"""readings of every series before the first that is measured"""

EVERY = 50
"""A series spikes once in so many readings; its alert has closed by then."""

SETTLE = 6.0
"""s at the rate before the first alert that is measured; the first ones come after 4 s"""

TICK = 0.01
"""s between two batches of the producer, in which a reading waits for half of it on average: its linger"""

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
    producer = AIOKafkaProducer(**aiokafka_settings(connection), acks=1)
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
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(1 << 16)
    start, n = time.time(), int(rate * seconds)
    spacing = 1.0 / rate
    first = start - WARM * SERIES * spacing
    await _put(producer, topic, range(WARM * SERIES), first, spacing, noise)
    sent, begun = 0, time.time() + 1.0
    while sent < n:
        due = min(n, int((time.time() - begun) * rate))
        if due > sent:
            rows = range(WARM * SERIES + sent, WARM * SERIES + due)
            await _put(producer, topic, rows, begun - WARM * SERIES * spacing, spacing, noise)
            sent = due
        await asyncio.sleep(TICK)
    return begun


async def _put(
    producer: AIOKafkaProducer, topic: str, rows: range, first: float, spacing: float, noise: np.ndarray
) -> None:
    for partition, records in _by_partition(rows, first, spacing, noise):
        batch = producer.create_batch()
        for record in records:
            if batch.append(key=None, value=record, timestamp=None) is None:
                await producer.send_batch(batch, topic, partition=partition)
                batch = producer.create_batch()
                batch.append(key=None, value=record, timestamp=None)
        await producer.send_batch(batch, topic, partition=partition)


def _by_partition(rows: range, first: float, spacing: float, noise: np.ndarray) -> Iterator[tuple[int, list[bytes]]]:
    for partition in range(PARTITIONS):
        mine = [i for i in rows if i % SERIES % PARTITIONS == partition]
        if mine:
            yield (
                partition,
                [
                    b'{"series":"s%05d","time":%.6f,"value":%.6f}' % (i % SERIES, first + i * spacing, _value(i, noise))
                    for i in mine
                ],
            )


def _value(i: int, noise: np.ndarray) -> float:
    series, number = i % SERIES, i // SERIES
    spike = 30.0 if number >= WARM and (number + series) % EVERY == 0 else 0.0
    return float(noise[i & 0xFFFF]) + spike
