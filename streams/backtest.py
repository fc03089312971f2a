"""What a pipeline would have raised on one's own history: how many alerts, when, and which."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from connectors.base import Alert, Records, Source
from connectors.kafka.history import History
from connectors.memory import MemorySnapshots
from streams import build, cluster
from streams.command import recording
from streams.config import ConfigError
from streams.local import Job, run
from streams.pipeline import Pipeline
from streams.recorded import NEVER, Kept
from streams.sections import Config, HostSource
from streams.warm import warm

DAY = 86_400e9
"""ns"""


@dataclass(frozen=True, slots=True)
class Span:
    """From `begin` to before `end`, ns since 1970; from `warm_up` ns before it the watches learn."""

    begin: int
    end: int
    warm_up: int

    def __post_init__(self) -> None:
        if self.begin >= self.end:
            raise ValueError("--from must be before --to")


@dataclass(frozen=True, slots=True)
class Backtest:
    """What would have been raised.

    alerts:   that opened within the time asked for, by time, each as it stood at the end
    readings: that were scored in that time and before it, to warm up
    rejected: reason -> records or readings that could not be used
    days:     from the first to the last record of the time asked for
    seconds:  of processor time that it took
    """

    alerts: Sequence[Alert]
    readings: int
    rejected: Mapping[str, int]
    days: float
    seconds: float

    def figures(self) -> dict[str, float]:
        """Dotted names to numbers; per watch, `policy` for what no watch raised."""
        told: dict[str, float] = {
            "alerts": len(self.alerts), "series": len({alert.series for alert in self.alerts}), "days": self.days,
            "readings": self.readings, "rejected": sum(self.rejected.values()), "seconds": self.seconds,
        }  # fmt: skip
        for watch in sorted({alert.watch for alert in self.alerts}):
            mine = [alert for alert in self.alerts if alert.watch == watch]
            told[f"{watch or 'policy'}.alerts"] = len(mine)
            told[f"{watch or 'policy'}.series"] = len({alert.series for alert in mine})
            if self.days > 0:
                told[f"{watch or 'policy'}.alerts_per_day"] = len(mine) / self.days
        return told


def history(config: Config, path: Path, name: str, span: Span, files: Sequence[Path]) -> tuple[Pipeline, Source]:
    """The pipeline and its past: the files named, else those of its `source`, else its topic. Raises ConfigError."""
    section = build.section(config, path, name)
    if files:
        section = build.replayed(section, files[0])
        return build.pipeline(name, section), recording(section, files, None)
    pipeline = build.pipeline(name, section)
    if section.source is not None and not isinstance(section.source, HostSource):
        return pipeline, build.source(name, section, path.parent)
    if config.kafka is None:
        raise ConfigError(
            f"pipelines.{name} has no past to read: name a file with --recording, give it a source of recordings, "
            "or say where Kafka is in [kafka]"
        )
    kafka = cluster.connection(config.kafka)
    return pipeline, History(kafka, section.topic, begin=span.begin - span.warm_up, end=span.end)


def backtest(pipeline: Pipeline, source: Source, span: Span) -> Backtest:
    """Run the worker over the past, from nothing; neither snapshots nor sinks of the live pipeline are touched.

    Raises ValueError if the source holds no record of that time.
    """
    warm(pipeline)  # compiles, which is no part of what the past costs
    past, kept = _Between(source, span), Kept()
    begun = time.process_time()
    job = Job(pipeline=pipeline, source=past, sink=kept, snapshots=MemorySnapshots(), every=NEVER)
    asyncio.run(run(job, asyncio.Event()))
    if past.first is None or past.last is None:
        raise ValueError(f"{source.topic} holds no record of the time asked for")
    alerts = [alert for alert in kept.alerts.values() if span.begin <= alert.opened < span.end]
    alerts.sort(key=lambda alert: (alert.opened, alert.id))
    days = (past.last - past.first) / DAY
    return Backtest(alerts, past.count, dict(kept.rejected), days, time.process_time() - begun)


class _Between:
    """The records of a source in a time and its warm-up, by their own times."""

    def __init__(self, source: Source, span: Span) -> None:
        self._source, self._span = source, span
        self.topic, self.identity, self.partitions = source.topic, source.identity, source.partitions
        self.count = 0
        self.first: int | None = None
        self.last: int | None = None

    def bounds(self, partition: int) -> tuple[int, int | None]:
        return self._source.bounds(partition)

    async def read(self, start: Mapping[int, int]) -> AsyncIterator[Records]:
        async for records in self._source.read(start):
            times = records.times
            within = np.flatnonzero((times >= self._span.begin - self._span.warm_up) & (times < self._span.end))
            if not len(within):
                continue
            asked = times[within][times[within] >= self._span.begin]
            if len(asked):
                self.first = int(asked.min()) if self.first is None else min(self.first, int(asked.min()))
                self.last = int(asked.max()) if self.last is None else max(self.last, int(asked.max()))
            self.count += len(within)
            yield records.rows(within)
