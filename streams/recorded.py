"""A labelled recording through the worker that production runs: what it scored, row by row."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from connectors.base import (
    Alert,
    Alerts,
    BoolArray,
    Column,
    DeadLetters,
    FloatArray,
    IntArray,
    Points,
    Records,
    Refused,
    Rows,
)
from connectors.memory import MemorySnapshots
from connectors.recordings import Recording
from detectors.watch import Watch
from streams.decode.decoder import decoder
from streams.decode.formats import JSON, KEY, RECORD_TIME
from streams.decode.readings import Decoder
from streams.local import Job, run
from streams.pipeline import Pipeline, PipelineWatch
from streams.policy import AlertPolicy

DEFAULT = AlertPolicy()

NEVER = 1e9
"""s between checkpoints"""


@dataclass(frozen=True, slots=True)
class Scored:
    """What one watch said of a recording. Each (rows,), by row number.

    score:     NaN = no verdict: warm-up, rejected, or nothing to read
    threshold: NaN likewise
    alarm:     False likewise
    """

    score: FloatArray
    threshold: FloatArray
    alarm: BoolArray


@dataclass(frozen=True, slots=True)
class Replayed:
    """A recording after its replay.

    times:    (rows,) ns since 1970, as the watches saw them
    scored:   watch -> its scores
    rejected: reason -> rows that nobody scored
    seconds:  of processor time, for reading, decoding, scoring and the alert policy
    """

    times: IntArray
    scored: Mapping[str, Scored]
    alerts: Sequence[Alert]
    rejected: Mapping[str, int]
    seconds: float


class AsRecorded:
    """A recording whose rows all count, in the order in which they stand there.

    Recordings repeat times and step back, at clock changes for one; a stream would reject such rows, and labels count
    them. A row that is not later than the one before is taken to be 1 ns later.

    changed_from: from this row on the readings stand in another order, for the proof that scores do not know them
    """

    def __init__(self, recording: Recording, *, changed_from: int | None = None) -> None:
        self._recording, self._changed_from = recording, changed_from
        self.topic, self.identity, self.partitions = recording.topic, recording.identity, recording.partitions
        self.times: list[IntArray] = []
        """of the rows that were read"""

    def bounds(self, partition: int) -> tuple[int, int | None]:
        return self._recording.bounds(partition)

    async def read(self, start: Mapping[int, int]) -> AsyncIterator[Records]:
        last = np.iinfo(np.int64).min // 2
        async for records in self._recording.read(start):
            times = rising(records.times, last)
            last = int(times[-1])
            self.times.append(times)
            yield replace(records, times=times, values=self._changed(records))

    def _changed(self, records: Records) -> Column:
        if self._changed_from is None:
            return records.values
        order = np.arange(len(records))
        later = records.offsets >= self._changed_from
        order[later] = order[later][::-1]
        return records.values.rows(order)


def rising(times: IntArray, last: int) -> IntArray:
    """The times, each at least 1 ns after the one before, the first after `last`.

    >>> rising(np.array([5, 5, 3, 9]), 0).tolist()
    [5, 6, 7, 9]
    """
    steps = np.arange(len(times))
    return np.maximum(np.maximum.accumulate(times - steps), last + 1) + steps


def columns(variables: tuple[str, ...]) -> Decoder:
    """Decoding of a recording's columns, by the times that its records have."""
    return decoder(JSON(series=KEY, time=RECORD_TIME, values=variables))


def watching(variables: tuple[str, ...], *watches: Watch, policy: AlertPolicy = DEFAULT) -> Pipeline:
    """A pipeline of these watches over a recording's columns."""
    of = tuple(PipelineWatch(watch=watch) for watch in watches)
    return Pipeline(name="recorded", topic="recorded", decoder=columns(variables), watches=of, policy=policy)


def replay(pipeline: Pipeline, path: Path, *, changed_from: int | None = None) -> Replayed:
    """Score one recording causally, from nothing; rows that are not a reading are rejected as in production.

    The pipeline's own decoding is replaced by that of the recording's columns: its variables are looked for there.
    changed_from: see AsRecorded. Raises ValueError if the file cannot be read.
    """
    recording = AsRecorded(Recording([path], topic=pipeline.topic, chunk=10_000), changed_from=changed_from)
    flat = columns(pipeline.variables)
    whole = replace(pipeline, decoder=flat, scores="all", limits=replace(pipeline.limits, lateness=0))
    kept = Kept()
    begun = time.process_time()  # whatever else this machine does
    job = Job(pipeline=whole, source=recording, sink=kept, snapshots=MemorySnapshots(), every=NEVER)
    asyncio.run(run(job, asyncio.Event()))
    took = time.process_time() - begun
    rows = recording.bounds(0)[1] or 0
    scored = {watch.name: kept.scored(watch.name, rows) for watch in pipeline.watches}
    return Replayed(np.concatenate(recording.times), scored, list(kept.alerts.values()), kept.rejected, took)


class Kept:
    """A sink that keeps scores by row, the last version of every alert, and counts what was rejected."""

    def __init__(self) -> None:
        self.alerts: dict[str, Alert] = {}
        self.rejected: Counter[str] = Counter()
        self._points: dict[str, list[Points]] = {}

    async def write(self, rows: Rows) -> Refused:
        match rows:
            case Points():
                self._points.setdefault(rows.tags.get("watch", ""), []).append(rows)
            case Alerts():
                self.alerts |= {alert.id: alert for alert in rows.rows}
            case DeadLetters():
                self.rejected.update(letter.reason for letter in rows.rows)
        return Refused()

    async def close(self) -> None:
        """Nothing to let go of."""

    def scored(self, watch: str, rows: int) -> Scored:
        """All that was kept of a watch, by row."""
        score, threshold, alarm = np.full(rows, np.nan), np.full(rows, np.nan), np.zeros(rows, np.bool_)
        for points in self._points.get(watch, []):
            assert points.origin is not None
            at = points.origin.offsets
            score[at], threshold[at] = points.fields["score"], points.fields["threshold"]
            alarm[at] = points.fields["alarm"]
        return Scored(score, threshold, alarm)
