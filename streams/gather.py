"""What waits for a sink, in few large writes instead of many small ones: every write costs a round trip."""

from collections.abc import Hashable, Sequence
from itertools import accumulate

import numpy as np

from connectors.base import Alerts, Column, DeadLetters, Origin, Points, Rows


def gather(waiting: Sequence[Rows]) -> list[Rows]:
    """The same rows, with those of one kind together in their order; the order of the kinds means nothing to a sink."""
    alike: dict[Hashable, list[Rows]] = {}
    for rows in waiting:
        alike.setdefault(_kind(rows), []).append(rows)
    return [_together(group) for group in alike.values()]


def _kind(rows: Rows) -> Hashable:
    if not isinstance(rows, Points):
        return type(rows).__name__
    place = None if rows.origin is None else (rows.origin.topic, rows.origin.partition)
    return rows.measurement, tuple(rows.tags.items()), tuple(rows.fields), place


def _together(group: Sequence[Rows]) -> Rows:
    first = group[0]
    if len(group) == 1:
        return first
    match first:
        case Alerts():
            return Alerts([alert for each in group if isinstance(each, Alerts) for alert in each.rows])
        case DeadLetters():
            return DeadLetters([letter for each in group if isinstance(each, DeadLetters) for letter in each.rows])
        case Points():
            return _points([each for each in group if isinstance(each, Points)])


def _points(group: Sequence[Points]) -> Points:
    first = group[0]
    return Points(
        first.measurement,
        first.tags,
        _column([each.series for each in group]),
        np.concatenate([each.times for each in group]),
        {name: np.concatenate([each.fields[name] for each in group]) for name in first.fields},
        _origin([each.origin for each in group if each.origin is not None]),
    )


def _origin(group: Sequence[Origin]) -> Origin | None:
    if not group:
        return None
    offsets, index = np.concatenate([each.offsets for each in group]), np.concatenate([each.index for each in group])
    return Origin(group[0].topic, group[0].partition, offsets, index)


def _column(group: Sequence[Column]) -> Column:
    begins = list(accumulate((len(each.data) for each in group), initial=0))[:-1]
    return Column(
        b"".join(each.data for each in group),
        np.concatenate([each.starts + begin for each, begin in zip(group, begins, strict=True)]),
        np.concatenate([each.ends + begin for each, begin in zip(group, begins, strict=True)]),
    )
