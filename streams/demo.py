"""What `watchkeeper demo` does: the recordings that come with Watchkeeper, through the worker that production runs."""

import asyncio
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from connectors.base import Alert, Records, Source
from connectors.recordings import labels
from connectors.snapshots import FolderSnapshots
from connectors.sqlite import SQLite
from connectors.sqlite_log import alerts as written_alerts
from streams import build, config
from streams.command import run_pipelines, until_signal
from streams.local import Announcing, Job, run
from streams.partition import Partition
from streams.pipeline import Pipeline
from streams.sections import Config
from streams.verdict import Verdict, judge

RECORDINGS = Path(__file__).parent / "recordings"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the demo's table. `verdict` is None where the recording has no labels."""

    pipeline: str
    readings: int
    readings_per_s: float
    alerts: int
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Demo:
    """One pipeline of the demo, ready to run."""

    pipeline: Pipeline
    source: Source
    files: Sequence[Path]

    @property
    def rows(self) -> int:
        """In all its recordings."""
        return sum(self.source.bounds(partition)[1] or 0 for partition in self.source.partitions)


def demos() -> list[Demo]:
    """The pipelines of the demo."""
    path = RECORDINGS / "demo.toml"
    loaded = config.load(path)
    ready = []
    for name, pipeline in build.pipelines(loaded, path).items():
        files = sorted((RECORDINGS / name).glob("*.parquet"))
        ready.append(Demo(pipeline, build.source(name, loaded.pipelines[name], RECORDINGS), files))
    return ready


def prepare() -> list[Demo]:
    """The pipelines of the demo, with their kernels compiled."""
    ready = demos()
    for demo in ready:
        asyncio.run(warm_up(demo))
    return ready


async def warm_up(demo: Demo) -> None:
    """Compile every kernel of a pipeline, so that its speed is not that of the compiler."""
    partition = Partition(demo.pipeline, demo.source.topic, demo.source.partitions[0], 0)
    async for records in demo.source.read({demo.source.partitions[0]: 0}):
        partition.process(records)
        break


async def play(
    demo: Demo,
    folder: Path,
    stop: asyncio.Event,
    tell: Callable[[Sequence[Alert]], None],
    on_records: Callable[[Records], None],
) -> Line:
    """Run one pipeline to its end, and judge it by the labels."""
    name = demo.pipeline.name
    sink = Announcing(SQLite(folder / "watchkeeper.db"), tell)
    snapshots = FolderSnapshots(str(folder / "snapshots"))
    counted = 0

    def count(records: Records) -> None:
        nonlocal counted
        counted += len(records)
        on_records(records)

    begun = time.perf_counter()
    job = Job(pipeline=demo.pipeline, source=demo.source, sink=sink, snapshots=snapshots, every=2.0, on_records=count)
    try:
        await run(job, stop)
    finally:
        await sink.close()
    took = time.perf_counter() - begun
    raised = [a for a in written_alerts(folder / "watchkeeper.db", limit=1_000_000) if a.pipeline == name]
    known = {p: found for p, file in enumerate(demo.files) if (found := labels(file)) is not None}
    return Line(name, counted, counted / took, len(raised), judge(known, raised) if known else None)


def fresh_folder(base: Path) -> Path:
    """The demo's own folder, emptied."""
    folder = base / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def run_demo(
    folder: Path,
    ready: Sequence[Demo],
    tell: Callable[[Sequence[Alert]], None],
    on_records: Callable[[str, Records], None],
) -> list[Line]:
    """Play all pipelines one after the other; fewer lines if it is interrupted."""
    lines: list[Line] = []

    async def work(stop: asyncio.Event) -> None:
        for demo in ready:
            lines.append(await play(demo, folder, stop, tell, partial(on_records, demo.pipeline.name)))
            if stop.is_set():
                return

    until_signal(work)
    return lines


def live_config(folder: Path) -> tuple[Config, Path]:
    """The configuration of `demo --live`, with its files under `folder`."""
    path = RECORDINGS / "live.toml"
    loaded = config.load(path)
    sqlite = msgspec.structs.replace(loaded.sqlite, path=str(folder / "live" / "watchkeeper.db"))
    snapshots = msgspec.structs.replace(loaded.snapshots, url=str(folder / "live" / "snapshots"))
    return msgspec.structs.replace(loaded, sqlite=sqlite, snapshots=snapshots), path


def run_live(folder: Path, tell: Callable[[Sequence[Alert]], None], on_records: Callable[[Records], None]) -> None:
    """Watch this machine until Ctrl-C."""
    loaded, path = live_config(folder)
    run_pipelines(loaded, path, only=None, strict=False, tell=tell, on_records=on_records)


def as_json(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The table for programs."""
    return [
        {
            "pipeline": line.pipeline,
            "readings": line.readings,
            "readings_per_s": round(line.readings_per_s),
            "alerts": line.alerts,
            "events": None if line.verdict is None else line.verdict.events,
            "found": None if line.verdict is None else line.verdict.found,
            "false_alerts": None if line.verdict is None else line.verdict.false,
        }
        for line in lines
    ]
