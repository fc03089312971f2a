"""The work behind `topics`, `repartition`, `replay --to kafka`, and dead letters that are in Kafka."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from connectors.base import Alert, Column, DeadLetter, Records
from connectors.kafka import alert_log, copy, letters, topics
from connectors.kafka.connection import Connection
from connectors.kafka.topics import Settings, TopicRow
from streams import build, cluster
from streams.command import recording
from streams.config import ConfigError
from streams.decode.readings import Decoder
from streams.refused import REASON
from streams.sections import Config, nanoseconds

OWN_PARTITIONS = 4
"""of the topics of alerts and of dead letters, unless said otherwise"""


def connected(config: Config) -> Connection:
    """Where the cluster of a configuration is."""
    return cluster.connection(cluster.kafka(config))


def create_own(config: Config, *, partitions: int | None, replication: int | None) -> dict[str, bool]:
    """Create the topics of alerts and dead letters; whether each was not there before."""
    section = cluster.kafka(config)
    return {
        name: topics.create(
            connected(config), name, partitions=partitions or OWN_PARTITIONS, replication=replication, **settings
        )
        for name, settings in topics.own_topics(section.alerts, section.dead).items()
    }


def create(
    config: Config, name: str, *, partitions: int, replication: int | None, retention: str | None, compact: bool
) -> bool:
    """Create a topic; False if it was there already."""
    ms = None if retention is None else nanoseconds(retention) // 1_000_000
    settings = Settings(retention=ms, compact=compact)
    return topics.create(connected(config), name, partitions=partitions, replication=replication, **settings)


def listing(config: Config) -> list[TopicRow]:
    """All topics of the cluster."""
    return topics.listing(connected(config))


def alerts(config: Config, *, state: str | None, limit: int) -> list[Alert]:
    """What is in the alerts topic, the last opened first."""
    return alert_log.alerts(connected(config), cluster.kafka(config).alerts, state=state, limit=limit)


def alert(config: Config, beginning: str) -> Alert:
    """The alert whose id begins so. Raises LookupError."""
    return alert_log.alert(connected(config), cluster.kafka(config).alerts, beginning)


def dead_letters(
    config: Config, *, pipeline: str | None = None, reason: str | None = None, limit: int | None = None
) -> list[DeadLetter]:
    """What is in the dead-letter topic, the newest first."""
    topic = cluster.kafka(config).dead
    return letters.dead_letters(connected(config), topic, pipeline=pipeline, reason=reason, limit=limit)


def replay_dead(config: Config, name: str, *, reason: str | None) -> dict[str, Any]:
    """Send the records of a pipeline's dead letters to where they came from; a running worker reads them there."""
    found = dead_letters(config, pipeline=name, reason=reason)
    # what a sink refused was scored: its record is not what is wrong
    told = letters.replay(connected(config), cluster.kafka(config).dead, found, skip={REASON})
    left = {f"{letter.topic}/{letter.partition}/{letter.offset}/{letter.index}": why for letter, why in told.left}
    return {"records": told.records, "letters": told.letters, "left": left}


def series_of(decoder: Decoder) -> Callable[[bytes | None, bytes | None], bytes | None]:
    """The series of the first reading of a record, by its key and value; None if nothing can be read."""

    def key(record_key: bytes | None, value: bytes | None) -> bytes | None:
        one, zero = Column.of([value]), np.zeros(1, np.int64)
        found = decoder.decode(Records("", 0, zero, Column.of([record_key]), one, zero)).readings
        return found.series[0] if len(found) else None

    return key


def _decoder(config: Config, path: Path, name: str) -> Decoder:
    return build.pipeline(name, build.section(config, path, name)).decoder


def repartition(config: Config, path: Path, name: str, target: str) -> int:
    """Copy a pipeline's topic so that every series stands in one partition; the number of records."""
    key = series_of(_decoder(config, path, name))
    return asyncio.run(copy.repartition(connected(config), config.pipelines[name].topic, target, key))


def spread(config: Config, path: Path, name: str, *, sample: int) -> dict[str, list[int]]:
    """Series that stand in several partitions of a pipeline's topic, among about the last `sample` records."""
    key = series_of(_decoder(config, path, name))
    found = asyncio.run(copy.spread(connected(config), config.pipelines[name].topic, key, sample=sample))
    return {series.decode(errors="replace"): sorted(places) for series, places in sorted(found.items())}


def produce(config: Config, path: Path, file: Path, name: str, *, speed: float | None) -> int:
    """Send a recording to a pipeline's topic, keyed by series, at `speed` times real time; the number of records."""
    decoder = _decoder(config, path, name)
    section = config.pipelines[name]
    if build.replayed(section, file) is not section:
        raise ConfigError(
            f"pipelines.{name}.decode: rows of {file.name} are sent as JSON objects, which its format does not read"
        )
    if not file.exists():
        raise ConfigError(f"there is no file {file}")
    source = recording(section, [file], speed)
    return asyncio.run(copy.produce(connected(config), section.topic, _keyed(source.read({0: 0}), decoder)))


async def _keyed(slices: AsyncIterator[Records], decoder: Decoder) -> AsyncIterator[Records]:
    """The records, each with its series as key; one that cannot be read keeps its own."""
    async for records in slices:
        keys: list[bytes | None] = list(records.keys)
        readings = decoder.decode(records).readings
        for record, series in zip(reversed(readings.records.tolist()), reversed(list(readings.series)), strict=True):
            keys[record] = series
        yield replace(records, keys=Column.of(keys))
