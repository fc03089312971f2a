"""The textbook Faust agent: JSON values, a dict of states, an alert for each deviation. textbook_faust.py N"""

import json
import os
import sys
import tempfile
import time
from typing import Any
from uuid import uuid4

N = int(sys.argv[1])
sys.argv = [sys.argv[0], "worker", "-l", "warn", "--without-web"]
import faust  # noqa: E402  it reads the arguments

app = faust.App(
    f"peer.faust.{uuid4().hex[:8]}", broker=f"kafka://{os.environ['BENCH_BOOTSTRAP']}", store="memory://",
    topic_partitions=4, web_enabled=False, datadir=tempfile.mkdtemp(), consumer_auto_offset_reset="earliest",
)  # fmt: skip
readings = app.topic(os.environ["BENCH_TOPIC"], key_type=bytes, key_serializer="raw", value_serializer="json")
alerts = app.topic("bench.alerts", value_serializer="json")
states: dict[str, list[float]] = {}
seen = {"n": 0, "begun": 0.0, "cpu": 0.0}


def step(state: list[float], x: float) -> float:
    """Deviations from an exponentially weighted mean, before it is learned. state: count, mean, variance"""
    count, mean, variance = state
    if count == 0:
        state[:2] = 1, x
        return 0.0
    difference = x - mean
    z = difference / variance**0.5 if count >= 30 and variance > 0 else 0.0
    state[:] = count + 1, mean + 0.05 * difference, 0.95 * (variance + 0.05 * difference * difference)
    return z


@app.agent(readings)
async def score(stream: Any) -> None:
    async for reading in stream:
        if not seen["n"]:
            seen["begun"], seen["cpu"] = time.perf_counter(), time.process_time()
        z = step(states.setdefault(reading["series"], [0, 0.0, 0.0]), reading["value"])
        if abs(z) > 6:
            await alerts.send(value={**reading, "z": z})
        seen["n"] += 1
        if seen["n"] >= N:
            s, cpu = time.perf_counter() - seen["begun"], time.process_time() - seen["cpu"]
            print("RESULT " + json.dumps({"n": N, "rate": N / s, "cpu_us_per_rec": cpu / N * 1e6}), flush=True)
            os._exit(0)


if __name__ == "__main__":
    app.main()
