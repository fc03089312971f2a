"""Rows that wait are written together: none is lost, none changes, and those of one kind keep their order."""

from itertools import groupby

import numpy as np
import pytest

from connectors.base import (
    Alerts,
    BoolArray,
    Column,
    DeadLetter,
    DeadLetters,
    FloatArray,
    IntArray,
    Origin,
    Points,
    Rows,
)
from streams.gather import gather
from tests.streams.test_delivery import alert

SERIES = [b"press", None, "ölpumpe".encode(), b""]


def points(rng: np.random.Generator, first: int) -> Points:
    n = int(rng.integers(0, 6))
    column = Column(b"....pressl", np.full(n, 4), np.full(n, 9))
    names = column if rng.random() < 0.5 else Column.of([SERIES[i] for i in rng.integers(0, 4, n)])
    tags = {"pipeline": "desk", "watch": "ab"[int(rng.integers(2))]}
    fields: dict[str, FloatArray | IntArray | BoolArray] = {"score": rng.random(n), "alarm": rng.random(n) < 0.5}
    if rng.random() < 0.3:
        fields["drift"] = rng.random(n)
    times = np.arange(first, first + n)
    origin = None if rng.random() < 0.2 else Origin("desk", int(rng.integers(2)), times, times + 1)
    return Points("scores", tags, names, times, fields, origin)


def letter(offset: int) -> DeadLetter:
    return DeadLetter(
        pipeline="desk", topic="desk", partition=0, offset=offset, index=-1, time=0, key=None, value=b"?",
        reason="unreadable", detail="",
    )  # fmt: skip


def one_by_one(rows: Rows) -> list[tuple[object, ...]]:
    """Each row by itself, behind its kind."""
    if not isinstance(rows, Points):
        return [(type(rows).__name__, row) for row in rows.rows]
    origin = rows.origin
    place = None if origin is None else (origin.topic, origin.partition)
    kind = f"{rows.measurement} {rows.tags} {list(rows.fields)} {place}"
    return [
        (kind, rows.series[i], int(rows.times[i]), *(values[i] for values in rows.fields.values()),
         None if origin is None else (int(origin.offsets[i]), int(origin.index[i])))
        for i in range(len(rows))
    ]  # fmt: skip


def by_kind(waiting: list[Rows]) -> dict[object, list[tuple[object, ...]]]:
    rows = sorted((row for each in waiting for row in one_by_one(each)), key=lambda row: str(row[0]))
    return {kind: list(each) for kind, each in groupby(rows, key=lambda row: row[0])}


@pytest.mark.parametrize("seed", range(20))
def test_rows_that_wait_are_the_same_rows_in_fewer_writes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    waiting: list[Rows] = []
    for at in range(0, 200, 10):
        made: Rows = points(rng, at)
        if rng.random() < 0.3:
            made = Alerts([alert(f"{at}"), alert(f"{at + 1}")])
        elif rng.random() < 0.2:
            made = DeadLetters([letter(at)])
        waiting.append(made)
    together = gather(waiting)
    assert by_kind(together) == by_kind(waiting)
    assert len(together) < len(waiting)
    kinds = [one_by_one(rows)[0][0] for rows in together if len(rows)]
    assert len(set(kinds)) == len(kinds)
