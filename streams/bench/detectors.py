"""Speed, size, and snapshot time of every method and of the embedded worker, on one core."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from connectors.base import Column, Records, Snapshot
from connectors.memory import MemorySink, MemorySnapshots
from connectors.snapshots import FolderSnapshots
from detectors import table
from detectors.base import Batch, Scores
from detectors.watch import Watch
from streams.bench import htm
from streams.catalog import CALIBRATORS, DETECTORS, DRIFT_TESTS, method
from streams.decode.decoder import decoder
from streams.decode.formats import JSON
from streams.machine import machine
from streams.pipeline import Limits, Pipeline, PipelineWatch
from streams.policy import AlertPolicy
from streams.worker import Worker

SIZES = (100, 10_000, 1_000_000)
"""series"""

BATCH = 100_000
"""readings"""

MOST_BYTES = 2 << 30
"""A state larger than this is not measured."""

WARM = 450
"""readings of a series: past every method's warm-up but that of the windowed likelihood's history"""

PATIENCE = 2.0
"""seconds of warming up per figure"""

APART = {"half_space_trees", "htm"}
"""River's trees, which are here for comparison and would take minutes, and what has a measure of its own."""

Figures = dict[str, float]


def measure(*, quick: bool) -> dict[str, Any]:
    """Figures of all methods by dotted name, and the machine."""
    figures: Figures = {}
    for catalog, what in ((DETECTORS, "detector"), (CALIBRATORS, "calibrator"), (DRIFT_TESTS, "drift test")):
        for tag in catalog:
            if tag in APART:
                continue
            figures |= _stage(tag, method(catalog, what, {"type": tag}), quick)
    figures |= htm.measure(quick=quick)
    figures["embedded.readings_per_s"] = embedded(rounds=2 if quick else 7)
    figures["embedded.minute_of_1000000_series_s"] = minute(1_000_000)
    return {"machine": machine(), "figures": figures}


def _stage(tag: str, stage: Any, quick: bool) -> Figures:
    size = table.size(stage.init(1, (1,)))
    figures: Figures = {f"{tag}.state_bytes_per_series": size}
    for series in SIZES[:2] if quick and tag != "gaussian" else SIZES:
        if size * series > MOST_BYTES:
            continue
        suffix = "" if series == 10_000 else f"_{series}"
        figures[f"{tag}.readings_per_s{suffix}"] = _rate(tag, stage, series, 3 if quick else 9)
    return figures | _snapshot(tag, stage, 10_000)


def _batches(series: int) -> Iterator[Batch]:
    rng = np.random.default_rng(1)
    while True:
        values = rng.normal(20.0, 1.0, (BATCH, 1))
        yield Batch(rng.integers(0, series, BATCH), np.zeros(BATCH, np.int64), values)


def _rate(tag: str, stage: Any, series: int, rounds: int) -> float:
    """Readings/s, median of the rounds. A calibrator or drift test is fed with scores made beforehand."""
    state = stage.init(series, (1,))
    batches = _batches(series)
    update = _update(tag, stage, state)
    _warm(update, batches, rounds=1 + WARM * series // BATCH)
    times = []
    for _ in range(rounds):
        batch = next(batches)
        begun = time.perf_counter()
        update(batch)
        times.append(time.perf_counter() - begun)
    return BATCH / statistics.median(times)


def _warm(update: Callable[[Batch], Any], batches: Iterator[Batch], rounds: int) -> None:
    """Bring every series past its warm-up, or as far as PATIENCE allows: a million series stay cold."""
    begun = time.perf_counter()
    for _ in range(rounds):
        update(next(batches))
        if time.perf_counter() - begun > PATIENCE:
            return


def _update(tag: str, stage: Any, state: Any) -> Callable[[Batch], Any]:
    if tag in DETECTORS:
        return lambda batch: stage.update(state, batch)
    rng = np.random.default_rng(2)
    n = BATCH
    score = np.abs(rng.normal(size=n))
    scores = Scores(score, np.full(n, 6.0), np.zeros(n, np.bool_), np.zeros(n, np.int64))
    return lambda batch: stage.update(state, batch, scores)


def _snapshot(tag: str, stage: Any, series: int) -> Figures:
    """Seconds to write the states of so many series to a folder, and to read them again."""
    state = stage.init(series, (1,))
    if table.size(state) > MOST_BYTES:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        snapshots = FolderSnapshots(folder)
        begun = time.perf_counter()
        snapshots.write("bench", Snapshot(epoch=1, generation=1, offset=0, parts={"state": table.dump(state)}))
        written = time.perf_counter()
        found = snapshots.read("bench")
        assert found is not None
        table.load(stage.init(0, (1,)), dict(found.parts["state"]))
        read = time.perf_counter()
    return {f"{tag}.snapshot_s": written - begun, f"{tag}.restore_s": read - written}


def _pipeline(max_series: int) -> Pipeline:
    watch = PipelineWatch(watch=Watch(name="level", detector=method(DETECTORS, "detector", {"type": "gaussian"})))
    return Pipeline(
        name="bench", topic="bench", decoder=decoder(JSON(series="series", values="value")), watches=(watch,),
        policy=AlertPolicy(), limits=Limits(silence_after=3600 * 10**9, max_series=max_series),
    )  # fmt: skip


def embedded(rounds: int) -> float:
    """Readings/s of decode + gaussian + alert policy, from JSON bytes in memory, three fields, time included."""
    slices = list(_json_slices(400_000, 1000))
    took = [asyncio.run(_timed(_pipeline(1000), [], slices)) for _ in range(rounds + 1)]
    return 400_000 / statistics.median(took[1:])


def minute(series: int) -> float:
    """Seconds that one worker takes for one reading of each of so many series, all known to it."""
    slices = list(_json_slices(2 * series, series))
    half = len(slices) // 2
    return asyncio.run(_timed(_pipeline(series), slices[:half], slices[half:]))


async def _timed(pipeline: Pipeline, before: list[Records], slices: list[Records]) -> float:
    """Seconds for these slices, after others that are not timed."""
    worker = Worker(
        pipeline=pipeline, topic="bench", identity="bench", sinks={"memory": MemorySink()}, snapshots=MemorySnapshots()
    )
    await worker.assign(0)
    for records in before:
        await worker.process([records])
    begun = time.perf_counter()
    for records in slices:
        await worker.process([records])
    took = time.perf_counter() - begun
    await worker.close()
    return took


def _json_slices(readings: int, series: int, size: int = 10_000) -> Iterator[Records]:
    values = np.random.default_rng(0).normal(20.0, 1.0, readings)
    for begin in range(0, readings, size):
        rows = range(begin, begin + size)
        written = [
            b'{"series":"s%05d","time":%.3f,"value":%.2f}' % (i % series, 1.7e9 + i // series, values[i]) for i in rows
        ]
        times = np.array([(1_700_000_000 + i // series) * 10**9 for i in rows])
        yield Records("bench", 0, np.array(rows), Column.of([None] * size), Column.of(written), times)
