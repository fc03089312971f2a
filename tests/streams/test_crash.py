"""Crash anywhere, start again, compare with the run that never crashed."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import orjson
import pyarrow.parquet as pq
import pytest

from connectors.base import Column, Records, Snapshots
from connectors.memory import MemorySink, MemorySnapshots
from detectors.gaussian import Gaussian
from detectors.likelihood import Likelihood
from detectors.range import Range
from detectors.sprt import SPRT
from detectors.watch import Watch
from streams.decode.decoder import decoder
from streams.decode.formats import JSON
from streams.pipeline import Limits, Override, Pipeline, PipelineWatch
from streams.policy import AlertPolicy, OpenAfter
from streams.worker import Worker
from tests.streams.faults import Crash, Moment, MortalSink, MortalSnapshots, cut

RECORDING = Path("streams/recordings/ferrybox/one_ocean_2021.parquet")
VARIABLES = ("SEB45Salinity", "C3Turbidity", "FlowFlow")
SECOND = 1_000_000_000
ROWS = 2500


def damaged(records: list[bytes], rng: np.random.Generator) -> None:
    """Break some records, swap some, repeat some: bad input must survive a crash as well."""
    for at in rng.integers(0, len(records), 40).tolist():
        kind = at % 4
        if kind == 0:
            records[at] = records[at][: len(records[at]) // 2]
        elif kind == 1:
            records[at] = b""
        elif kind == 2 and at + 1 < len(records):
            records[at], records[at + 1] = records[at + 1], records[at]
        elif at > 0:
            records[at] = records[at - 1]


@pytest.fixture(scope="module")
def recording() -> Records:
    """Real rows of three series on one partition, some damaged, with a pause of two hours in one of them."""
    table = pq.read_table(RECORDING).slice(0, ROWS // 3)
    times = table["timestamp"].cast("int64").to_numpy() * 1000
    columns = {name: table[name].to_pylist() for name in VARIABLES}
    rows = []
    for row, time in enumerate(times.tolist()):
        for series in ("north", "south", "east"):
            if series == "south" and 300 < row < 420:
                continue
            read = {name: columns[name][row] for name in VARIABLES}
            rows.append((time, orjson.dumps({"series": series, "time": time // SECOND, **read})))
    values = [value for _, value in rows]
    damaged(values, np.random.default_rng(5))
    clock = np.array([time for time, _ in rows])
    keys = Column.of([None] * len(rows))
    return Records("sea", 0, np.arange(len(rows)) * 2, keys, Column.of(values), clock)


def pipeline(limit: float = 6.0, close_after: int = 20, lateness: int = 90) -> Pipeline:
    watches = (
        Watch(name="level", detector=Gaussian(limit=limit), calibrator=Likelihood(), drift=SPRT()),
        Watch(name="range", detector=Range(warm_up=50)),
    )
    east = Watch(name="range", detector=Range(warm_up=50, margin=0.2))
    return Pipeline(
        name="sea",
        topic="sea",
        decoder=decoder(JSON(series="series", values=VARIABLES)),
        watches=(
            PipelineWatch(watch=watches[0]),
            PipelineWatch(watch=watches[1], overrides=(Override(series="e*", watch=east),)),
        ),
        policy=AlertPolicy(open_after=OpenAfter(alarms=1, of=2), close_after=close_after),
        limits=Limits(lateness=lateness * SECOND, silence_after=600 * SECOND, forget_after=3 * 3600 * SECOND),
        scores="all",
    )


class Run:
    """One worker over a recording, from the outside: what it wrote, and what it knows at the end."""

    def __init__(self, records: Records, snapshots: Snapshots | None = None) -> None:
        self.records = records
        self.sink = MemorySink()
        self.snapshots = MemorySnapshots() if snapshots is None else snapshots
        self.change: tuple[int, Pipeline] | None = None

    async def attempt(
        self, seed: int, moment: Moment, *, busy: frozenset[int] = frozenset(), failing: frozenset[int] = frozenset()
    ) -> None:
        """From the last snapshot to the end, in slices of its own; raises Crash if the moment comes."""
        rng = np.random.default_rng(seed)
        now = pipeline() if self.change is None else self._pipeline_at_start()
        worker = Worker(
            pipeline=now, topic="sea", identity="recording:sea", sinks={"memory": MortalSink(self.sink, moment, busy)},
            snapshots=MortalSnapshots(self.snapshots, moment, failing),
        )  # fmt: skip
        try:
            start = await worker.assign(0)
            await self._feed(worker, start, rng, moment)
            await worker.checkpoint()
            self.final = worker.partitions[0].dump()
            self.offset = worker.partitions[0].offset
        finally:
            await worker.close()

    def _pipeline_at_start(self) -> Pipeline:
        assert self.change is not None
        saved = self.snapshots.read("sea/sea/0")
        return (
            self.change[1]
            if saved is not None and saved.offset >= self.change[0] and saved.metadata["activations"]
            else pipeline()
        )

    async def _feed(self, worker: Worker, start: int, rng: np.random.Generator, moment: Moment) -> None:
        ahead = self.records.rows(self.records.offsets >= start)
        if self.change is not None and start <= self.change[0] and worker.pipeline is not self.change[1]:
            before = ahead.offsets < self.change[0]
            await self._process(worker, ahead.rows(before), rng, moment)
            await worker.adopt(self.change[1])
            ahead = ahead.rows(~before)
        await self._process(worker, ahead, rng, moment)

    async def _process(self, worker: Worker, records: Records, rng: np.random.Generator, moment: Moment) -> None:
        for piece in cut(records, rng, 12) if len(records) else []:
            moment.pass_()
            await worker.process([piece])
            if rng.random() < 0.3:
                await worker.checkpoint()

    def contents(self) -> Any:
        """Everything that outlives the process, comparable bit for bit."""
        metadata, parts = self.final
        arrays = {
            f"{part}/{name}": (a.dtype.str, a.shape, a.tobytes())
            for part, named in parts.items()
            for name, a in named.items()
        }
        return {
            "points": sorted(self.sink.points.items()),
            "alerts": [msgspec.to_builtins(alert) for _, alert in sorted(self.sink.alerts.items())],
            "dead": [letter for _, letter in sorted(self.sink.dead.items())],
            "metadata": metadata,
            "arrays": arrays,
            "offset": self.offset,
        }


def equal(one: Any, other: Any) -> bool:
    """Deep equality in which NaN equals NaN."""
    return repr(one) == repr(other)


def run_until_done(attempt: Callable[[int, Moment], Coroutine[Any, Any, None]], crash: int) -> int:
    """Crash once at the given moment, then again at random ones, until the end; the number of crashes."""
    rng = np.random.default_rng(crash)
    moments: list[int | None] = [crash, *rng.integers(0, 40, 2).tolist(), None]
    crashes = 0
    for number, crash_at in enumerate(moments):
        try:
            asyncio.run(attempt(1000 * crash + number, Moment(crash_at)))
        except Crash:
            crashes += 1
        else:
            break
    return crashes


@pytest.fixture(scope="module")
def uninterrupted(recording: Records) -> Any:
    run = Run(recording)
    asyncio.run(run.attempt(0, Moment()))
    contents = run.contents()
    assert len(contents["points"]) > 1000
    assert {alert["kind"] for alert in contents["alerts"]} >= {"anomaly", "silence", "drift"}
    assert {letter.reason for letter in contents["dead"]} >= {"invalid_json", "empty", "duplicate"}
    return contents


@pytest.mark.parametrize("block", range(20))
def test_a_killed_worker_changes_nothing(recording: Records, uninterrupted: Any, block: int) -> None:
    crashes = 0
    for crash in range(10 * block, 10 * block + 10):
        run = Run(recording)
        crashes += run_until_done(run.attempt, crash % 50)
        assert equal(run.contents(), uninterrupted), f"crash at moment {crash}"
    assert crashes >= 10


@pytest.mark.parametrize("crash", range(0, 50, 2))
def test_a_sink_that_refuses_for_a_while_loses_nothing(recording: Records, uninterrupted: Any, crash: int) -> None:
    busy = frozenset(np.random.default_rng(crash).integers(0, 60, 25).tolist())
    run = Run(recording)

    async def attempt(seed: int, moment: Moment) -> None:
        await run.attempt(seed, moment, busy=busy)

    run_until_done(attempt, crash)
    assert equal(run.contents(), uninterrupted)


@pytest.mark.parametrize("crash", range(0, 50, 2))
def test_a_snapshot_folder_that_fails_only_delays(recording: Records, uninterrupted: Any, crash: int) -> None:
    failing = frozenset(np.random.default_rng(crash).integers(0, 10, 4).tolist())
    run = Run(recording)

    async def attempt(seed: int, moment: Moment) -> None:
        await run.attempt(seed, moment, failing=failing)

    run_until_done(attempt, crash)
    assert equal(run.contents(), uninterrupted)


def changed(recording: Records) -> tuple[int, Pipeline]:
    """Other settings from the middle on: a limit, a policy, and the parameters of a watch's model of the world."""
    return int(recording.offsets[len(recording) // 2]), pipeline(limit=4.0, close_after=5)


@pytest.mark.parametrize("crash", range(0, 75, 3))
def test_settings_that_change_in_the_middle_change_at_the_same_reading_in_every_replay(
    recording: Records, uninterrupted: Any, crash: int
) -> None:
    calm = Run(recording)
    calm.change = changed(recording)
    asyncio.run(calm.attempt(0, Moment()))
    run = Run(recording)
    run.change = changed(recording)
    run_until_done(run.attempt, crash)
    assert equal(run.contents(), calm.contents())
    assert not equal(run.contents()["alerts"], uninterrupted["alerts"])


def test_the_snapshot_names_other_settings_before_the_first_reading_that_uses_them(recording: Records) -> None:
    run = Run(recording)
    run.change = changed(recording)
    asyncio.run(run.attempt(0, Moment()))
    saved = run.snapshots.read("sea/sea/0")
    assert saved is not None
    ((offset, notes),) = saved.metadata["activations"]
    assert offset == recording.offsets[len(recording) // 2 - 1] + 1
    assert notes == ["watch level goes on with other parameters", "the alert policy is another one"]
