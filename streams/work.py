"""The work behind `watchkeeper work`: everything is checked, compiled, and then served until a signal."""

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import structlog

from connectors.base import Alerts, SinkBusy
from connectors.influxdb import InfluxDBUnreachable, check
from connectors.kafka.connection import Connection, Unreachable
from connectors.kafka.topics import MissingTopic, describe
from connectors.snapshot_files import SnapshotFiles
from streams import build, cluster
from streams.app import serve
from streams.command import options, seconds, store, within_memory
from streams.config import ConfigError
from streams.local import RESTARTS
from streams.metrics import Metrics, TimedAlerts, TimedDecoder
from streams.pipeline import Pipeline
from streams.restore import Changed
from streams.sections import Config
from streams.start import OtherSource
from streams.status import serving
from streams.steward import Steward
from streams.warm import warm
from streams.worker import Worker

log = structlog.get_logger()

TRIES = 5
"""at asking the broker who it is, once the work has begun"""

HOPELESS = (ConfigError, Unreachable, MissingTopic, InfluxDBUnreachable, OtherSource, Changed)
"""what starting again does not mend: a person must"""


def work(config: Config, path: Path, name: str, *, strict: bool, instance: str | None) -> None:
    """Run a pipeline as a worker of its consumer group, until SIGTERM or Ctrl-C; it saves and leaves.

    A worker that dies replaces itself by a fresh process, from its snapshots, but not for ever. Raises what
    needs a person: ConfigError, Unreachable, MissingTopic, InfluxDBUnreachable, OtherSource, Changed.
    """
    pipelines = build.pipelines(config, path)
    section = build.section(config, path, name)
    within_memory(pipelines[name], section)
    reach(config, name)
    metrics = Metrics(name)
    try:
        asyncio.run(_serve(config, pipelines[name], metrics, strict=strict, instance=instance))
    except HOPELESS:
        raise
    except Exception as error:
        log.error("worker_died", pipeline=name, error=f"{type(error).__name__}: {error}")
        if metrics.steward is None or metrics.steward.worker.starts > RESTARTS:
            raise SystemExit(1) from error  # it never began, or it always dies at the same place
        _again()


def _again() -> None:
    """Become a fresh process with the same arguments: nothing of the one that died can be in its way."""
    time.sleep(1.0)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def reach(config: Config, name: str) -> None:
    """Everything that a worker needs is there and lets us in. Raises what needs a person, in one line."""
    section = cluster.kafka(config)
    connection = cluster.connection(section)
    for setting, topic in (
        (f"pipelines.{name}.topic", config.pipelines[name].topic),
        ("kafka.alerts", section.alerts),
        ("kafka.dead", section.dead),
    ):
        try:
            describe(connection, topic)
        except MissingTopic as error:
            raise MissingTopic(f"{setting}: {error}") from None
    keeps(config, f"{name}/{config.pipelines[name].topic}")
    if (database := cluster.influxdb(config)) is not None:
        if said := check(database):
            log.warning("influxdb_busy", reason=said)
    else:
        log.warning("no_influxdb", note="there is no section [influxdb]: scores are written nowhere, alerts to Kafka")


def keeps(config: Config, folder: str) -> None:
    """Raise ConfigError unless snapshots can be written: a worker that cannot would start again for ever."""
    url, probe = config.snapshots.url, f"probe-{uuid4().hex}"
    try:
        files = SnapshotFiles(url, options(config))
        files.make(files.folder(folder))
        files.put(files.folder(folder), {probe: b""})
        files.delete(files.folder(folder), [probe])
    except (OSError, ImportError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"snapshots.url: {url} cannot be written to ({reason})") from None


def identity(connection: Connection, topic: str) -> str:
    """The cluster and the topic; another topic of the same name is another one. It blocks."""
    for last in (False,) * (TRIES - 1) + (True,):
        try:
            facts = describe(connection, topic)
        except Unreachable:
            if last:
                raise
            time.sleep(1.0)
        else:
            return f"kafka:{facts.cluster_id}/{topic}/{facts.topic_id}"
    raise AssertionError


async def _serve(config: Config, pipeline: Pipeline, metrics: Metrics, *, strict: bool, instance: str | None) -> None:
    every = seconds(config.snapshots.every)
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    metrics.decoder = TimedDecoder(pipeline.decoder, metrics.sizes)
    timed = replace(pipeline, decoder=metrics.decoder)
    sinks = dict(cluster.sinks(config))
    sinks["kafka"] = TimedAlerts(sinks["kafka"], metrics.ages)

    def worker(allowed: Callable[[], bool]) -> Worker:
        return Worker(
            pipeline=timed, topic=pipeline.topic, identity="", sinks=sinks, snapshots=store(config), strict=strict,
            allowed=allowed,
        )  # fmt: skip

    def ready(steward: Steward) -> None:
        metrics.steward = steward

    group = cluster.group(pipeline.name, config)
    async with serving(config.metrics.listen, metrics, every=every):
        await asyncio.to_thread(warm, pipeline)
        gc.collect()
        gc.freeze()  # what is loaded by now stays: looking through all of it again stops a worker for 0.2 s
        with suppress(SinkBusy):
            await sinks["kafka"].write(Alerts([]))  # connects, lest the first alert waits for it
        log.info("ready", pipeline=pipeline.name)
        try:
            await serve(
                worker,
                group if instance is None else replace(group, instance=instance),
                start=cluster.position(pipeline.name, config.pipelines[pipeline.name]),
                every=every,
                identify=partial(identity, group.connection, pipeline.topic),
                stop=stop,
                ready=ready,
            )
        finally:
            for sink in sinks.values():
                await sink.close()
