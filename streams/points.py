"""Rows and scores to points."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from connectors.base import Column, Origin, Points
from detectors.base import BoolArray, FloatArray, IntArray, Scores
from detectors.names import Names
from streams.order import Rows


def chosen(which: Literal["all", "alarms"] | int, rows: Rows, scores: Scores, counts: IntArray) -> IntArray:
    """The rows that become points. `counts` (series,): readings accepted so far, these included."""
    verdict = ~np.isnan(scores.score)
    if which == "all":
        return np.flatnonzero(verdict)
    alarms = scores.alarm if scores.drift is None else scores.alarm | (scores.drift.statistic >= 1)
    if which == "alarms":
        return np.flatnonzero(alarms)
    return np.flatnonzero(alarms | (verdict & (_number(rows.slots, counts) % which == 0)))


def _number(slots: IntArray, counts: IntArray) -> IntArray:
    """(n,) the how-manieth reading of its series each row is, from 1."""
    order = np.argsort(slots, kind="stable")
    ordered = slots[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    sizes = np.diff(np.append(-1, last))
    behind = np.repeat(last, sizes) - np.arange(len(ordered))
    number = np.empty(len(slots), np.int64)
    number[order] = counts[ordered] - behind
    return number


def points(
    tags: Mapping[str, str],
    place: tuple[str, int],
    names: Names,
    variables: Sequence[str],
    rows: Rows,
    scores: Scores,
    which: IntArray,
) -> Points:
    """Points of the measurement `scores`: what was read, expected and decided. place: topic and partition."""
    slots, named = np.unique(rows.slots[which], return_inverse=True)
    series = Column.of([names[slot] for slot in slots.tolist()]).rows(named)
    fields: dict[str, FloatArray | IntArray | BoolArray] = {
        "score": scores.score[which],
        "threshold": scores.threshold[which],
        "alarm": scores.alarm[which],
        "kind": scores.kind[which],
    }
    if scores.drift is not None:
        fields["drift"] = scores.drift.statistic[which]
    for j, variable in enumerate(variables):
        fields[variable] = rows.values[which, j]
        if scores.expected is not None:
            fields[f"expected_{variable}"] = scores.expected[which, j]
    origin = Origin(*place, rows.offsets[which], rows.index[which])
    return Points("scores", tags, series, rows.times[which], fields, origin)
