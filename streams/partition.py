"""One partition of a pipeline at work: records in; points, alerts and dead letters out. No I/O, no wall clock."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from connectors.base import Alert, DeadLetter, Points, Records
from detectors import table
from detectors.base import IntArray
from detectors.names import FULL
from streams.book import AlertBook, Description
from streams.decode.readings import Readings
from streams.hold import HoldBack
from streams.order import DUPLICATE, HELD, LATE, REASONS, TAKEN, Rows, take_in_order
from streams.pipeline import Pipeline, parameters
from streams.points import chosen, points
from streams.rows import CLOCK, FIRST, FOREVER, FORGOTTEN, HEARD, NONE, SILENCE, Cut
from streams.scoring import Scoring
from streams.series import SeriesTable
from streams.wall_silence import WallSilence


@dataclass(slots=True)
class Outcome:
    """What came of some records, in the order in which the sinks shall have it."""

    points: list[Points] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)


class Partition:
    """State and clock of one partition. `offset` is the next record to read."""

    def __init__(self, pipeline: Pipeline, topic: str, number: int, offset: int) -> None:
        self.pipeline = pipeline
        self.topic, self.number, self.offset = topic, number, offset
        self.skipped: set[int] = set()
        """offsets of records that made the worker die: never processed again"""
        self.counts: Counter[str] = Counter()
        """records and readings received, readings accepted and excluded, rejects by reason"""
        shape = (len(pipeline.variables),)
        self.series = SeriesTable(pipeline)
        self.watches = [Scoring(watch, pipeline.policy, shape) for watch in pipeline.watches]
        self.book = AlertBook(pipeline=pipeline.name, topic=topic, partition=number, variables=pipeline.variables)
        self.wall = WallSilence()
        self.hold = HoldBack(len(pipeline.variables), pipeline.limits.lateness) if pipeline.limits.lateness else None
        self._parameters = [[parameters(variant) for variant in watch.variants()] for watch in pipeline.watches]

    @property
    def clock(self) -> int:
        """The log clock, ns."""
        return int(self.series.marks[CLOCK])

    @property
    def size(self) -> int:
        """Bytes of state in memory."""
        states = [state for scoring in self.watches for state in (scoring.state, scoring.alarms)]
        return sum(table.size(state) for state in [*states, self.series.seen])

    def process(self, records: Records) -> Outcome:
        """Everything that comes of these records. Those before `offset` are left out; it moves behind them."""
        outcome = self._take(records, records.offsets >= self.offset)
        if len(records):
            self.pass_to(int(records.offsets[-1]) + 1)
        if records.end is not None:
            self.pass_to(records.end)
        return outcome

    def pass_to(self, offset: int) -> None:
        """Nothing is left to read before this offset."""
        self.offset = max(self.offset, offset)

    def retry(self, records: Records) -> Outcome:
        """Everything that comes of records out of the dead letters: wherever they stood, `offset` stays."""
        return self._take(records, np.ones(len(records), np.bool_))

    def _take(self, records: Records, keep: NDArray[np.bool_]) -> Outcome:
        outcome = Outcome()
        if self.skipped:
            keep &= ~np.isin(records.offsets, list(self.skipped))
        if not keep.all():
            records = records.rows(keep)
        if not len(records):
            return outcome
        decoded = self.pipeline.decoder.decode(records)
        for reject in decoded.rejects:
            self._bury(outcome, records, reject.record, reject.index, reject.reason, reject.detail)
        readings = self._screen(decoded.readings)
        self.counts["records"] += len(records)
        self._admit(records, readings, outcome)
        outcome.alerts += self.book.take()
        return outcome

    def _screen(self, readings: Readings) -> Readings:
        keep = self.series.screen(readings.series)
        if keep.all():
            return readings
        self.counts["excluded"] += int(len(keep) - keep.sum())
        series, values = readings.series.rows(keep), readings.values[keep]
        return Readings(readings.records[keep], readings.index[keep], series, readings.times[keep], values)

    def _admit(self, records: Records, readings: Readings, outcome: Outcome) -> None:
        """Walk the records; stop wherever series are forgotten, so that their rows are reset before they are reused."""
        names = readings.series
        self.series.reserve(len(readings), int((names.ends - names.starts).sum()))
        slots, clocks = np.empty(len(readings), np.int64), np.empty(len(records), np.int64)
        record, reading = 0, 0
        while record < len(records):
            begin = (record, reading)
            cut = self.series.admit(records.times, records.offsets, readings.records, names, begin, slots, clocks)
            self._meet(records, readings, slots, reading, cut.reading)
            self._note_silence(records, clocks, cut)
            span = (slice(reading, cut.reading), slice(record, cut.record))
            fate, rows = self._order(records, readings, slots, clocks, span)
            self._refuse(records, readings, fate, reading, outcome)
            self.score(rows, outcome)
            self._forget(records, clocks, cut)
            record, reading = cut.record, cut.reading

    def _meet(self, records: Records, readings: Readings, slots: IntArray, begin: int, end: int) -> None:
        at = begin + np.flatnonzero(slots[begin:end] != FULL)

        def asset(i: int) -> str:
            row = int(at[i])
            value = records.values[int(readings.records[row])] or b""
            return self.pipeline.decoder.text(value, int(readings.index[row]), self.pipeline.asset) or ""

        self.series.meet(slots[at], asset)

    def _note_silence(self, records: Records, clocks: IntArray, cut: Cut) -> None:
        for event in cut.events:
            if event.what == SILENCE:
                place = self._place(event.slot)
                due = event.clock + self.pipeline.limits.silence_after
                self.book.silence(event.slot, **place, since=event.clock, due=due, offset=event.offset)
            elif event.what == HEARD:
                at, offset = int(clocks[event.record]), int(records.offsets[event.record])
                self.book.close((event.slot, "", "silence"), at=at, offset=offset)

    def _place(self, slot: int) -> dict[str, str]:
        return {"series": self.series.name(slot), "asset": self.series.assets.get(slot, "")}

    def _order(
        self, records: Records, readings: Readings, slots: IntArray, clocks: IntArray, cut: tuple[slice, slice]
    ) -> tuple[IntArray, Rows]:
        """The fate of the readings of a cut, and the rows that the watches see now."""
        mine, of_records = cut
        at, seen, future = readings.records[mine], self.series.seen, self.pipeline.limits.future
        offsets = records.offsets[at]
        if self.hold is not None:
            columns = (offsets, readings.index[mine], at)
            times, values, ticks = readings.times[mine], readings.values[mine], clocks[of_records]
            newest = (seen.time, seen.count)
            return self.hold.take(newest, slots[mine], times, columns, values, ticks, of_records.start, future)
        fate = np.empty(len(at), np.int64)
        take_in_order(seen.time, seen.count, slots[mine], readings.times[mine], at, clocks, future, fate)
        rows = Rows(slots[mine], readings.times[mine], offsets, readings.index[mine], at, readings.values[mine])
        return fate, rows if not fate.any() else rows.at(fate == TAKEN)

    def _refuse(self, records: Records, readings: Readings, fate: IntArray, begin: int, outcome: Outcome) -> None:
        for i in np.flatnonzero(fate > HELD).tolist():
            row = begin + i
            reason = REASONS[int(fate[i])]
            self._bury(outcome, records, int(readings.records[row]), int(readings.index[row]), reason, "")

    def score(self, rows: Rows, outcome: Outcome) -> None:
        """Every watch scores these rows; what comes of them goes to `outcome`."""
        self.counts["accepted"] += len(rows)
        if not len(rows):
            return
        variants = self.series.variants[rows.slots]
        for number, scoring in enumerate(self.watches):
            scoring.reserve(len(self.series))
            scores, events = scoring.update(rows, variants[:, number])
            described = self._parameters[number]

            def describe(slot: int, number: int = number, described: list[Any] = described) -> Description:
                place = self._place(slot)
                return place["series"], place["asset"], described[int(self.series.variants[slot, number])]

            names = (scoring.kinds, scoring.features)
            self.book.note(events, watch=scoring.watch.name, names=names, rows=rows, scores=scores, describe=describe)
            which = chosen(self.pipeline.scores, rows, scores, self.series.seen.count)
            if len(which):
                tags = {"pipeline": self.pipeline.name, "watch": scoring.watch.name}
                found = points(
                    tags, (self.topic, self.number), self.series.names, self.pipeline.variables, rows, scores, which
                )
                outcome.points.append(found)

    def _forget(self, records: Records, clocks: IntArray, cut: Cut) -> None:
        gone = [event for event in cut.events if event.what == FORGOTTEN]
        if not gone:
            return
        slots = np.array([event.slot for event in gone])
        at, offset = int(clocks[gone[0].record]), int(records.offsets[gone[0].record])
        for key in [key for key in self.book.open if key[0] in set(slots.tolist())]:
            self.book.close(key, at=at, offset=offset, reason="forgotten: not heard for forget_after")
        for scoring in self.watches:
            scoring.reserve(len(self.series))
            scoring.forget(slots)
        self.series.forget(slots)

    def _bury(self, outcome: Outcome, records: Records, record: int, index: int, reason: str, detail: str) -> None:
        """A dead letter, unless it was one before and comes again only too late."""
        self.counts[f"rejected.{reason}"] += 1
        attempt = 0 if records.attempts is None else int(records.attempts[record])
        if attempt and reason in (REASONS[LATE], REASONS[DUPLICATE]):
            return
        letter = DeadLetter(
            pipeline=self.pipeline.name, topic=self.topic, partition=self.number,
            offset=int(records.offsets[record]), index=index, time=int(records.times[record]),
            key=records.keys[record], value=records.values[record], reason=reason, detail=detail, attempt=attempt,
        )  # fmt: skip
        outcome.dead.append(letter)

    def silent_by(self, now: int) -> list[Alert]:
        """Alerts for the series that are silent at this wall time, ns, though the log clock does not know it yet.

        For a partition that is read to its end. Only those that are new, to be told after the next snapshot.
        """
        after, seen = self.pipeline.limits.silence_after, self.series.seen
        alerts = []
        slot = int(self.series.marks[FIRST])
        while after != FOREVER and slot != NONE and now - int(seen.clock[slot]) > after:
            since, offset = int(seen.clock[slot]), int(seen.offset[slot])
            place = self._place(slot)
            alert = self.book.silent(**place, since=since, due=since + after, offset=offset)
            if self.wall.note(slot, alert):
                alerts.append(alert)
            slot = int(seen.following[slot])
        return alerts

    def dump(self) -> tuple[dict[str, Any], dict[str, dict[str, NDArray[Any]]]]:
        """Metadata and parts of a snapshot; they share no memory with the partition."""
        rows = len(self.series)
        parts = {f"watch.{scoring.watch.name}": scoring.dump(rows) for scoring in self.watches}
        parts["series"] = self.series.dump()
        if self.hold is not None:
            parts["held"] = {name: array.copy() for name, array in self.hold.dump().items()}
        metadata = {
            "counts": dict(sorted(self.counts.items())),
            "skipped": sorted(self.skipped),
            "open": self.book.dump(),
            "silent": self.wall.dump(),
            "clock": self.clock,
        }
        return metadata, parts
