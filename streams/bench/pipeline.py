"""The whole way through a real broker: a worker, the textbook agent, a hand-written loop, the bare transport."""

import statistics
import time
from collections import defaultdict
from typing import Any
from uuid import uuid4

import numpy as np
import structlog

from connectors.base import Column, Points
from connectors.influxdb.lines import lines
from connectors.kafka import topics
from streams.bench.latency import ALERTS, latency
from streams.bench.topic import PARTITIONS, Load, create, fill
from streams.bench.workers import Bench, apart, at, ceiling, folder, peer, together, worker, working
from streams.machine import machine

log = structlog.get_logger()

Figures = dict[str, float]

FAUST = (("faust_bench.py", "dict"), ("textbook_faust.py",))
LOOP = (("plain_aio.py", "loop"), ("hand_written_loop.py",))
ENOUGH = {"faust": 10_000.0, "loop": 350_000.0}
"""readings/s that the others must reach, or the run tells nothing of this machine"""

READINGS = Load(name="readings", readings=2_000_000)
QUICK = Load(name="quick", readings=1_000_000)
OTHERS = (
    Load(name="small", readings=2_000_000, per_batch=100),
    Load(name="lz4", readings=2_000_000, codec="lz4"),
    Load(name="zstd", readings=2_000_000, codec="zstd"),
    Load(name="hundreds", readings=4_000_000, per_record=100, per_batch=100),
)


def measure(bench: Bench, *, quick: bool) -> dict[str, Any]:
    """All figures by dotted name, every run of those that alternate, and the machine; each is logged at once."""
    for name, settings in topics.own_topics(ALERTS, "watchkeeper.dead").items():
        topics.create(bench.connection, name, partitions=PARTITIONS, **settings)
    topics.create(bench.connection, "bench.alerts", partitions=PARTITIONS)
    runs = _alternating(bench, QUICK, rounds=1) if quick else _alternating(bench, READINGS, rounds=3)
    median = {name: statistics.median(rates) for name, rates in runs.items()}
    figures = {f"{name}.readings_per_s": rate for name, rate in median.items()}
    figures["worker.times_faust"] = median["worker"] / median["faust"]
    figures["worker.times_loop"] = median["worker"] / median["loop"]
    figures["encoder.lines_per_s"] = encoder()
    if not quick:
        figures |= _others(bench) | _latencies(bench, median["worker"]) | _told(restart(bench, series=100_000))
        for workers in (2, 4):
            figures |= _told({f"worker.readings_per_s_{workers}_workers": several(bench, workers)})
    counts = all(median[name] >= enough for name, enough in ENOUGH.items())
    return {"machine": machine(), "figures": figures, "runs": runs, "counts": counts}


def _told(figures: Figures) -> Figures:
    for name, value in figures.items():
        log.info("measured", figure=name, value=round(value, 3))
    return figures


def _alternating(bench: Bench, load: Load, *, rounds: int) -> dict[str, list[float]]:
    topic, n = fill(bench.connection, load), load.readings
    runs: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        once = {
            "worker": worker(bench, topic, n),
            "faust": peer(bench, FAUST, topic, n // 20),
            "loop": peer(bench, LOOP, topic, n),
            "transport": ceiling(bench, topic, n),
        }
        for name, rate in _told(once).items():
            runs[name].append(rate)
    return dict(runs)


def _others(bench: Bench) -> Figures:
    figures: Figures = {}
    for load in OTHERS:
        topic = fill(bench.connection, load)
        rates = [worker(bench, topic, load.records) * load.per_record for _ in range(3)]
        figures |= _told({f"worker.{load.name}.readings_per_s": statistics.median(rates)})
    if bench.influxdb:
        few = Load(name="few", readings=300_000)
        rate = worker(bench, fill(bench.connection, few), few.records, scores="all", influxdb=True)
        figures |= _told({"worker.influxdb.lines_per_s": rate})
    return figures


def _latencies(bench: Bench, rate: float) -> Figures:
    figures: Figures = {}
    for name, load, seconds in (("latency", 10_000.0, 20.0), ("latency.half_load", rate / 2, 2.0)):
        topic = f"bench.{uuid4().hex[:8]}"
        topics.create(bench.connection, topic, partitions=PARTITIONS)
        with apart(bench.core), folder(bench, topic) as where, working(bench, where) as told:
            told.wait_for("assigned", PARTITIONS)
            figures |= _told(latency(bench.connection, topic, rate=load, seconds=seconds, name=name))
    return figures


def several(bench: Bench, workers: int) -> float:
    """Readings/s of several workers of one group; they share the core where one is set."""
    load = Load(name=f"{workers}-workers", readings=2_000_000)
    topic = create(bench.connection, load)

    def send() -> int:
        fill(bench.connection, load)
        return load.records

    return together(bench, topic, workers, send)


def encoder() -> float:
    """Lines/s of line protocol, in memory."""
    n = 50_000
    rng = np.random.default_rng(0)
    names = Column.of([b"s%05d" % i for i in range(1000)]).rows(rng.integers(0, 1000, n))
    score = rng.normal(size=n)
    fields = {
        "score": np.abs(score), "threshold": np.full(n, 6.0), "alarm": score > 3, "kind": np.zeros(n, np.int64),
        "value": score * 3 + 20, "expected_value": np.round(rng.normal(20.0, 1.0, n), 3),
    }  # fmt: skip
    points = Points("scores", {"pipeline": "bench", "watch": "spikes"}, names, np.arange(n) + 10**18, fields)
    took = []
    for _ in range(8):
        begun = time.perf_counter()
        lines(points)
        took.append(time.perf_counter() - begun)
    return n / statistics.median(took[1:])


def restart(bench: Bench, *, series: int) -> Figures:
    """Seconds from the start of a process, and from when it is ready, to the first reading that can be scored."""
    many = Load(name=f"series-{series}", readings=2 * series, series=series)
    topic = fill(bench.connection, many)
    with folder(bench, topic) as where:
        with working(bench, where) as told:
            told.wait_for("caught_up")
        begun = time.time()
        with working(bench, where) as told:
            (ready,) = told.wait_for("ready")
            last = max(at(line) for line in told.wait_for("assigned", PARTITIONS))
    return {"restart.s": last - begun, "restart.from_ready_s": last - at(ready)}
