"""The loop that one writes by hand for speed: aiokafka, orjson, a dict of states. hand_written_loop.py N"""

import asyncio
import json
import os
import sys
import time
from uuid import uuid4

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

N = int(sys.argv[1])
BOOTSTRAP, TOPIC = os.environ["BENCH_BOOTSTRAP"], os.environ["BENCH_TOPIC"]


def step(state: list[float], x: float) -> float:
    """Deviations from an exponentially weighted mean, before it is learned. state: count, mean, variance"""
    count, mean, variance = state
    if count == 0:
        state[0], state[1] = 1, x
        return 0.0
    difference = x - mean
    z = difference / variance**0.5 if count >= 30 and variance > 0 else 0.0
    state[0] = count + 1
    state[1] = mean + 0.05 * difference
    state[2] = 0.95 * (variance + 0.05 * difference * difference)
    return z


async def main() -> None:
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=BOOTSTRAP, group_id=f"peer.loop.{uuid4().hex[:8]}", auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP)
    await producer.start()
    await consumer.start()
    states: dict[str, list[float]] = {}
    n, begun, cpu = 0, 0.0, 0.0
    while n < N:
        fetched = await consumer.getmany(timeout_ms=1000, max_records=10_000)
        if fetched and not n:
            begun, cpu = time.perf_counter(), time.process_time()
        for records in fetched.values():
            n += len(records)
            for record in records:
                reading = orjson.loads(record.value)
                state = states.get(reading["series"])
                if state is None:
                    state = states[reading["series"]] = [0, 0.0, 0.0]
                z = step(state, reading["value"])
                if z > 6 or z < -6:
                    await producer.send("bench.alerts", orjson.dumps({**reading, "z": z}))
    s, cpu = time.perf_counter() - begun, time.process_time() - cpu
    print("RESULT " + json.dumps({"n": n, "rate": n / s, "cpu_us_per_rec": cpu / n * 1e6}), flush=True)
    await producer.stop()
    await consumer.stop()


asyncio.run(main())
