"""The work behind the commands `run`, `check`, `replay` and `dead replay`."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from connectors.base import Alert, Column, DeadLetter, Records, Sink
from connectors.recordings import Recording
from connectors.snapshots import FolderSnapshots
from connectors.sqlite import SQLite
from connectors.sqlite_log import dead_letters, remove_dead
from detectors import table
from streams import build
from streams.config import ConfigError, reveal
from streams.local import Announcing, Job, run
from streams.pipeline import Pipeline
from streams.rows import Seen
from streams.scoring import Scoring
from streams.sections import Config, PipelineSection, Secret, nanoseconds
from streams.worker import Worker

MIB = 1024 * 1024
NAME_BYTES = 64
"""of a series' name and its place in the table of names, for the estimate of memory"""


def seconds(duration: str) -> float:
    """A duration in seconds."""
    return nanoseconds(duration) / 1e9


def database(config: Config) -> SQLite:
    """The sink of an embedded worker."""
    keep = config.sqlite.keep
    return SQLite(Path(config.sqlite.path), keep=None if keep is None else seconds(keep))


def store(config: Config) -> FolderSnapshots:
    """The snapshots of an embedded worker. Raises ConfigError if a secret is missing."""
    return FolderSnapshots(config.snapshots.url, options=options(config))


def options(config: Config) -> dict[str, str]:
    """What the file system of the snapshots asks for. Raises ConfigError if a secret is missing."""
    return {k: reveal(v) if isinstance(v, Secret) else v for k, v in config.snapshots.options.items()}


def bytes_per_series(pipeline: Pipeline) -> int:
    """State of one series in all watches and all tables."""
    shape = (len(pipeline.variables),)
    total = NAME_BYTES + table.size(Seen.init(1))
    for watch in pipeline.watches:
        scoring = Scoring(watch, pipeline.policy, shape)
        scoring.reserve(1)
        total += table.size(scoring.state) + table.size(scoring.alarms)
    return total


def within_memory(pipeline: Pipeline, section: PipelineSection) -> int:
    """Bytes that the states of one partition can take. Raises ConfigError if that is more than allowed."""
    most = bytes_per_series(pipeline) * section.max_series
    if most > section.memory_mib * MIB:
        raise ConfigError(
            f"pipelines.{pipeline.name}.max_series: {section.max_series} series of {bytes_per_series(pipeline)} bytes "
            f"need {most / MIB:.0f} MiB per partition, memory_mib allows {section.memory_mib}"
        )
    return most


def explain(config: Config, path: Path) -> dict[str, dict[str, Any]]:
    """What each pipeline of a configuration would do. Raises ConfigError."""
    told = {}
    for name, pipeline in build.pipelines(config, path).items():
        section = config.pipelines[name]
        told[name] = {
            "topic": pipeline.topic,
            "variables": len(pipeline.variables),
            "watches": ", ".join(watch.name for watch in pipeline.watches),
            "bytes_per_series": bytes_per_series(pipeline),
            "memory_mib": round(within_memory(pipeline, section) / MIB, 1),
        }
    return told


def until_signal(work: Callable[[asyncio.Event], Any]) -> None:
    """Run until it is done, or until SIGTERM or Ctrl-C asks it to save and leave."""

    async def both() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        await work(stop)

    asyncio.run(both())


def run_pipelines(
    config: Config,
    path: Path,
    *,
    only: Sequence[str] | None,
    strict: bool,
    tell: Callable[[Sequence[Alert]], None],
    on_records: Callable[[Records], None] = lambda _: None,
) -> None:
    """Run the pipelines of a configuration embedded, all in one process."""
    pipelines = build.pipelines(config, path)
    if unknown := set(only or ()) - pipelines.keys():
        raise ConfigError(f"{path}: no pipeline {', '.join(sorted(unknown))}; there are {', '.join(pipelines)}")
    chosen = {name: pipelines[name] for name in pipelines if not only or name in only}
    if not chosen:
        raise ConfigError(f"{path}: there is no pipeline in it")
    sources = {name: build.source(name, config.pipelines[name], path.parent) for name in chosen}
    for name, pipeline in chosen.items():
        within_memory(pipeline, config.pipelines[name])
    snapshots = store(config)
    every = seconds(config.snapshots.every)

    async def work(stop: asyncio.Event) -> None:
        sink = Announcing(database(config), tell)
        jobs = [
            Job(
                pipeline=pipeline,
                source=sources[name],
                sink=sink,
                snapshots=snapshots,
                every=every,
                strict=strict,
                on_records=on_records,
            )
            for name, pipeline in chosen.items()
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for job in jobs:
                    group.create_task(run(job, stop))
        finally:
            await sink.close()

    with snapshots.lock():
        until_signal(work)


def replay_file(
    config: Config,
    path: Path,
    file: Path,
    name: str,
    *,
    speed: float | None,
    into: Path,
    tell: Callable[[Sequence[Alert]], None],
    on_records: Callable[[Records], None],
) -> dict[str, Any]:
    """Replay a recording through a pipeline, apart from its live state. Raises ConfigError or ValueError."""
    given = build.section(config, path, name)
    if not file.exists():
        raise ConfigError(f"there is no file {file}")
    section = build.replayed(given, file)
    pipeline = build.pipeline(name, section)
    source = recording(section, [file], speed)
    folder = into / f"{name}-{file.stem}"
    snapshots = FolderSnapshots(str(folder / "snapshots"))
    counted = {"records": 0, "alerts": 0}

    def count(records: Records) -> None:
        counted["records"] += len(records)
        on_records(records)

    def announce(alerts: Sequence[Alert]) -> None:
        counted["alerts"] += sum(alert.state == "open" for alert in alerts)
        tell(alerts)

    async def work(stop: asyncio.Event) -> None:
        sink: Sink = Announcing(SQLite(folder / "watchkeeper.db"), announce)
        every = seconds(config.snapshots.every)
        job = Job(pipeline=pipeline, source=source, sink=sink, snapshots=snapshots, every=every, on_records=count)
        try:
            await run(job, stop)
        finally:
            await sink.close()

    with snapshots.lock():
        until_signal(work)
    return {"pipeline": name, **counted, "database": str(folder / "watchkeeper.db")}


def recording(section: PipelineSection, files: Sequence[Path], speed: float | None) -> Recording:
    """Files as a source of the pipeline's topic."""
    decode = section.decode
    time = getattr(decode, "time", "time")
    series = decode.series if isinstance(decode.series, str) else (decode.series or ("series",))[0]
    return Recording(files, topic=section.topic, speed=speed, time=time, series=series)


def letters_at(letters: Sequence[DeadLetter], place: str) -> list[DeadLetter]:
    """Those at PIPELINE/TOPIC/PARTITION/OFFSET[/INDEX]. Raises LookupError."""
    wanted = place.rstrip("/") + "/"
    found = [letter for letter in letters if ("/".join(map(str, _identity(letter))) + "/").startswith(wanted)]
    if not found or place.count("/") < 3:
        raise LookupError(f"no dead letter at {place}; `watchkeeper dead list` shows their places")
    return found


def as_records(letters: Sequence[DeadLetter], topic: str) -> list[Records]:
    """The records of these dead letters, each once, in order, marked as tried once more."""
    slices = []
    for partition in sorted({letter.partition for letter in letters}):
        mine = {letter.offset: letter for letter in letters if letter.partition == partition}
        ordered = [mine[offset] for offset in sorted(mine)]
        slices.append(
            Records(
                topic,
                partition,
                np.array([letter.offset for letter in ordered]),
                Column.of([letter.key for letter in ordered]),
                Column.of([letter.value for letter in ordered]),
                np.array([letter.time for letter in ordered]),
                np.array([letter.attempt + 1 for letter in ordered]),
            )
        )
    return slices


def replay_dead(config: Config, path: Path, name: str, *, reason: str | None) -> dict[str, int]:
    """Try the dead letters of a pipeline again, on its own state. Raises ConfigError."""
    pipelines = build.pipelines(config, path)
    source = build.source(name, build.section(config, path, name), path.parent)
    pipeline, file = pipelines[name], Path(config.sqlite.path)
    letters = dead_letters(file, pipeline=name, reason=reason)
    snapshots = store(config)

    async def work() -> dict[str, int]:
        sink = database(config)
        topic, identity = source.topic, source.identity
        worker = Worker(pipeline=pipeline, topic=topic, identity=identity, sinks={"sqlite": sink}, snapshots=snapshots)
        accepted = 0
        try:
            for records in as_records(letters, topic):
                number = records.partition
                await worker.assign(number, bounds=source.bounds(number))
                before = worker.partitions[number].counts["accepted"]
                await worker.retry(records)
                accepted += worker.partitions[number].counts["accepted"] - before
            await worker.checkpoint()
        finally:
            await worker.close()
            await sink.close()
        return {"tried": len(letters), "accepted": accepted}

    with snapshots.lock():
        told = asyncio.run(work())
    again = {_identity(letter): letter.attempt for letter in dead_letters(file, pipeline=name)}
    settled = [letter for letter in letters if again.get(_identity(letter)) == letter.attempt]
    remove_dead(file, settled)
    return told | {"failed_again": len(letters) - len(settled)}


def _identity(letter: DeadLetter) -> tuple[Any, ...]:
    return msgspec.structs.astuple(letter)[:5]
