"""A partition in a worker's hands: its state, and what is known of its snapshots."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from connectors.base import Alert, DeadLetter, Records, Snapshot
from streams.book import alert_id
from streams.delivery import Mark
from streams.partition import Partition
from streams.restore import take_snapshot
from streams.start import Start


@dataclass(slots=True)
class Owned:
    """A partition in this worker's hands.

    saved:   epoch, generation and offset of its last snapshot; None = there is none
    changed: whether anything happened since
    careful: the state as it was at assignment, kept while records are processed one by one
    """

    partition: Partition
    epoch: int = 0
    generation: int = 0
    activations: list[Any] = field(default_factory=list)
    saved: tuple[int, int, int] | None = None
    changed: bool = True
    careful: Snapshot | None = None
    saved_at: float = field(default_factory=time.monotonic)
    snapshot_bytes: int = 0
    """written by the last snapshot"""

    def activate(self, notes: list[str]) -> None:
        """Remember from which offset on these changes hold; the last hundred are enough for a replay."""
        self.activations = [*self.activations[-99:], [self.partition.offset, notes]]

    def news(self) -> list[Alert]:
        """Alerts to tell before the next snapshot: those that rose, and silences of the wall clock that are over."""
        over = self.partition.wall.settle(self.partition.series, self.partition.book)
        self.changed |= bool(over)
        return [*self.partition.book.take_higher(), *over]

    def snapshot(self, identity: str) -> Snapshot:
        """A copy of everything, the next generation of its epoch."""
        return take_snapshot(
            self.partition, epoch=self.epoch, generation=self.generation + 1, identity=identity,
            activations=self.activations,
        )  # fmt: skip

    def gap(self, start: Start) -> Alert:
        """The alert for records that were lost before they were read."""
        assert start.lost is not None
        (first, last), at = start.lost, max(self.partition.clock, 0)
        pipeline, topic, number = self.partition.pipeline.name, self.partition.topic, self.partition.number
        place = f"{topic}/{number}"
        return Alert(
            id=alert_id(pipeline, place, "", "gap", first), pipeline=pipeline, series=place, watch="",
            kind="gap", state="open", opened=at, started=at, topic=topic, partition=number, first_offset=first,
            last_offset=last, reason=f"offsets {first} to {last} were lost: {start.note}",
        )  # fmt: skip

    def crashed(self, record: Records, error: Exception) -> DeadLetter:
        """The dead letter of the one record that makes the worker die."""
        return DeadLetter(
            pipeline=self.partition.pipeline.name, topic=self.partition.topic, partition=self.partition.number,
            offset=int(record.offsets[0]), index=-1, time=int(record.times[0]), key=record.keys[0],
            value=record.values[0], reason="crashed", detail=f"{type(error).__name__}: {error}",
        )  # fmt: skip


class Cut(NamedTuple):
    """Copies of states as they were behind a whole slice, and what the sinks have to accept before they are saved."""

    snapshots: Mapping[int, Snapshot]
    unchanged: Mapping[int, int]
    """offsets of the partitions in which nothing happened since they were saved"""
    silent: Mapping[int, Sequence[Alert]]
    """alerts of silence by the wall clock, to be told once the snapshots that know of them are saved"""
    mark: Mark


def skipping(snapshot: Snapshot, offset: int, generation: int) -> Snapshot:
    """The snapshot, of which the record at this offset is never read."""
    skipped = sorted({*snapshot.metadata["skipped"], offset})
    counts = dict(snapshot.metadata["counts"])
    counts["rejected.crashed"] = counts.get("rejected.crashed", 0) + 1
    metadata = {**snapshot.metadata, "skipped": skipped, "counts": counts}
    return replace(snapshot, generation=generation, metadata=metadata)
