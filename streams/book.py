"""The book of alerts: which are open, and what each of them tells."""

import copy
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np

from connectors.base import Alert
from detectors.base import FloatArray, Scores
from streams.alerts import CLOSED, OPENED, Event
from streams.order import Rows

Description = tuple[str, str, Mapping[str, Any]]
"""name of a series, its asset, and the parameters of the watch that scores it"""

DRIFT = "drift"
SILENCE = "silence"


def alert_id(pipeline: str, series: str, watch: str, kind: str, opened: int) -> str:
    """The same for the same opening reading, whoever raises the alert, however often."""
    return blake2b(msgspec.json.encode([pipeline, series, watch, kind, opened]), digest_size=8).hexdigest()


class AlertBook:
    """Open alerts of one partition by (row of state, watch, kind); those that changed wait to be taken."""

    def __init__(self, *, pipeline: str, topic: str, partition: int, variables: Sequence[str]) -> None:
        self._place: dict[str, Any] = {"pipeline": pipeline, "topic": topic, "partition": partition}
        self._variables = variables
        self.open: dict[tuple[int, str, str], Alert] = {}
        self._higher: dict[tuple[int, str, str], None] = {}
        self._changed: list[Alert] = []
        self.silences_ended: set[str] = set()
        """ids of silences that closed since somebody last looked"""

    def take(self) -> list[Alert]:
        """Alerts that opened or closed since they were last taken."""
        taken, self._changed = self._changed, []
        return taken

    def take_higher(self) -> list[Alert]:
        """Open alerts whose peak rose since they were last taken."""
        taken = [copy.copy(self.open[key]) for key in self._higher if key in self.open]
        self._higher = {}
        return taken

    def _open(self, key: tuple[int, str, str], alert: Alert) -> None:
        self.open[key] = alert
        self._changed.append(copy.copy(alert))

    def close(self, key: tuple[int, str, str], *, at: int, offset: int, reason: str = "") -> None:
        """Close this alert if it is open. `at` ns: time of the reading, or of the clock, that closes it."""
        if alert := self.open.pop(key, None):
            alert.state, alert.closed, alert.reason = "closed", at, reason
            alert.last_offset = max(alert.last_offset, offset)
            self._changed.append(alert)
            if alert.kind == SILENCE:
                self.silences_ended.add(alert.id)

    def silence(self, slot: int, *, series: str, asset: str, since: int, due: int, offset: int) -> None:
        """The series was last heard at `since` with the record at `offset`, and should have been by `due`."""
        self._open((slot, "", SILENCE), self.silent(series=series, asset=asset, since=since, due=due, offset=offset))

    def silent(self, *, series: str, asset: str, since: int, due: int, offset: int) -> Alert:
        """The alert of a silent series; its id is made of the last reading."""
        return Alert(
            id=alert_id(self._place["pipeline"], series, "", SILENCE, since),
            series=series, asset=asset, watch="", kind=SILENCE, state="open", opened=due, started=since,
            first_offset=offset, last_offset=offset, **self._place,
        )  # fmt: skip

    def note(
        self,
        events: Sequence[Event],
        *,
        watch: str,
        names: tuple[Sequence[str], Sequence[str]],
        rows: Rows,
        scores: Scores,
        describe: Callable[[int], Description],
    ) -> None:
        """Write down what the policy found. `names`: kinds and features of the watch."""
        kinds, features = names
        for event in events:
            row, slot = event.row, int(rows.slots[event.row])
            kind = kinds[event.channel] if event.channel < len(kinds) else DRIFT
            key = (slot, watch, kind)
            time, offset = int(rows.times[row]), int(rows.offsets[row])
            if event.what == CLOSED:
                self.open[key].alarms = event.alarms
                self.close(key, at=time, offset=offset)
                continue
            if event.what == OPENED:
                series, asset, parameters = describe(slot)
                alert = Alert(
                    id=alert_id(self._place["pipeline"], series, watch, kind, time),
                    series=series, asset=asset, watch=watch, kind=kind, state="open", opened=time,
                    started=event.started, first_offset=event.first, last_offset=offset, alarms=event.alarms,
                    parameters=dict(parameters), **self._place,
                )  # fmt: skip
                self._tell(alert, row, kind, rows, scores, features)
                alert.opening_score = alert.peak_score
                self._open(key, alert)
            else:
                self._tell(self.open[key], row, kind, rows, scores, features)
                self.open[key].alarms = event.alarms
                self._higher[key] = None

    def _tell(self, alert: Alert, row: int, kind: str, rows: Rows, scores: Scores, features: Sequence[str]) -> None:
        """What was read, what was expected, and why, at this row: it is the highest so far."""
        drift = scores.drift if kind == DRIFT else None
        alert.peak_score = float(scores.score[row] if drift is None else drift.statistic[row])
        alert.threshold = float(scores.threshold[row]) if drift is None else 1.0
        alert.peak_time = int(rows.times[row])
        alert.last_offset = int(rows.offsets[row])
        alert.actual = _named(self._variables, rows.values[row])
        if scores.expected is not None:
            alert.expected = _named(self._variables, scores.expected[row])
        if scores.contributions is not None:
            alert.contributions = _named(features or self._variables, scores.contributions[row])
        evidence = scores.evidence if drift is None else drift.evidence
        alert.evidence = {} if evidence is None else evidence.at(row)

    def dump(self) -> list[Any]:
        """The open alerts as plain values."""
        return [
            [list(key), msgspec.to_builtins(alert)] for key, alert in sorted(self.open.items(), key=lambda kv: kv[0])
        ]

    def load(self, dumped: Sequence[Any]) -> None:
        """The open alerts of a dump."""
        self.open = {(int(k[0]), str(k[1]), str(k[2])): msgspec.convert(a, Alert) for k, a in dumped}


def _named(names: Sequence[str], values: FloatArray) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True) if np.isfinite(value)}
