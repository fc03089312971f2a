"""One watch of a pipeline over the series of one partition: its state, its scores, its alarms."""

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors import table
from detectors.base import Batch, Drift, IntArray, Scores
from streams.alerts import Event, PolicyState, judge
from streams.order import Rows
from streams.pipeline import PipelineWatch
from streams.policy import AlertPolicy


class Scoring:
    """The states of a watch and of its alert policy, one row per series; grows as series appear."""

    def __init__(self, watch: PipelineWatch, policy: AlertPolicy, shape: tuple[int, ...]) -> None:
        self.watch = watch
        self.policy = policy
        self.shape = shape
        self.kinds = watch.watch.kinds
        self.features = watch.watch.features(shape)
        self._variants = watch.variants()
        self._rows = 0
        self.state = watch.watch.init(0, shape)
        self.alarms = PolicyState.init(0, len(self.kinds) + 1)

    def reserve(self, rows: int) -> None:
        """Make sure there are states for so many series."""
        if rows > self._rows:
            more = max(rows, 2 * self._rows) - self._rows
            self.state = table.grow(self.state, self.watch.watch.init(more, self.shape))
            self.alarms = table.grow(self.alarms, PolicyState.init(more, len(self.kinds) + 1))
            self._rows += more

    def update(self, rows: Rows, variants: IntArray) -> tuple[Scores, list[Event]]:
        """Score the rows and judge them. `variants` (n,): which variant of the watch scores each row."""
        batch = Batch(rows.slots, rows.times, rows.values)
        scores = self._score(batch, variants)
        return scores, judge(self.policy, self.alarms, rows.slots, rows.times, rows.offsets, scores)

    def _score(self, batch: Batch, variants: IntArray) -> Scores:
        if len(self._variants) == 1 or not variants.any():
            return self._variants[0].update(self.state, batch)
        parts = []
        for number, watch in enumerate(self._variants):
            mine = np.flatnonzero(variants == number)
            if mine.size:
                parts.append((mine, watch.update(self.state, batch.rows(mine))))
        return _merge(parts, len(batch))

    def forget(self, slots: IntArray) -> None:
        """Reset the rows of these series."""
        table.put(self.state, slots, self.watch.watch.init(len(slots), self.shape))
        table.put(self.alarms, slots, PolicyState.init(len(slots), len(self.kinds) + 1))

    def dump(self, rows: int) -> dict[str, NDArray[Any]]:
        """The states of the first `rows` series, as named arrays that share no memory with them."""
        self.reserve(rows)
        first = np.arange(rows)
        state, alarms = table.take(self.state, first), table.take(self.alarms, first)
        return table.dump(state, "state") | table.dump(alarms, "alarms")

    def load(self, dumped: dict[str, NDArray[Any]]) -> None:
        """The states of a dump. Raises ValueError if they are not of this watch's form."""
        parts: dict[str, dict[str, NDArray[Any]]] = {"state": {}, "alarms": {}}
        for name, array in dumped.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = array
        state = table.load(self.watch.watch.init(0, self.shape), parts["state"])
        self.alarms = table.load(PolicyState.init(0, len(self.kinds) + 1), parts["alarms"])
        self.state, self._rows = state, len(self.alarms.open)


def _merge(parts: list[tuple[IntArray, Scores]], n: int) -> Scores:
    """The scores of several variants in the order of the batch. Evidence stays with the rows that it speaks of."""
    merged: dict[str, Any] = {}
    for f in fields(Scores):
        columns = [(rows, getattr(scores, f.name)) for rows, scores in parts]
        if f.name in ("evidence", "drift") or any(column is None for _, column in columns):
            continue
        first = columns[0][1]
        merged[f.name] = np.empty((n, *first.shape[1:]), first.dtype)
        for rows, column in columns:
            merged[f.name][rows] = column
    drifts = [(rows, scores.drift) for rows, scores in parts if scores.drift is not None]
    if drifts:
        statistic = np.full(n, np.nan)
        for rows, drift in drifts:
            statistic[rows] = drift.statistic
        merged["drift"] = Drift(statistic, _evidence([(rows, drift.evidence) for rows, drift in drifts]))
    return Scores(**merged, evidence=_evidence([(rows, scores.evidence) for rows, scores in parts]))


def _evidence(parts: list[tuple[IntArray, Any]]) -> Any:
    present = [(rows[evidence.rows], evidence.columns) for rows, evidence in parts if evidence is not None]
    if not present:
        return None
    at = np.concatenate([rows for rows, _ in present])
    order = np.argsort(at, kind="stable")
    names = present[0][1].keys()
    columns = {name: np.concatenate([columns[name] for _, columns in present])[order] for name in names}
    return type(next(e for _, e in parts if e is not None))(at[order], columns)
