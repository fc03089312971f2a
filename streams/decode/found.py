"""From the structs that msgspec found to drafts: fields picked into columns."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from connectors.base import Column, FloatArray, IntArray, Records
from streams.decode.drafts import Drafts
from streams.decode.shape import Path, Shape

KEY_PATH: Path = ("@key",)
"""stands for the record key among the fields of the series"""


@dataclass(frozen=True, slots=True)
class Found:
    """n structs of one shape, each a reading.

    records, index: (n,) as in Drafts
    owners: the structs of the records around them, for what a reading lacks; None = nothing is around them
    """

    structs: Sequence[Any]
    records: IntArray
    index: IntArray
    owners: Sequence[Any] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Which fields make a reading. No `time` = the record's own; no `series` = the record key."""

    series: tuple[Path, ...]
    time: Path | None
    values: tuple[Path, ...]
    unit: str
    max_name: int


def spread(lists: Sequence[Sequence[Any]], rows: IntArray, owners: Sequence[Any] | None) -> Found:
    """The readings of records that hold a list of them each."""
    counts = np.fromiter(map(len, lists), np.int64, len(lists))
    first = np.cumsum(counts) - counts
    index = np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(first, counts)
    around = None if owners is None else [o for o, each in zip(owners, lists, strict=True) for _ in each]
    return Found(list(chain.from_iterable(lists)), np.repeat(rows, counts), index, around)


def drafts(found: Found, records: Records, plan: Plan, shape: Shape) -> Drafts:
    """The series, times and values of the structs."""
    values = np.empty((len(found.structs), len(plan.values)))
    for j, path in enumerate(plan.values):
        values[:, j] = _numbers(shape.pick(found.structs, path))
    times = records.times[found.records] if plan.time is None else _pick(found, plan.time, shape)
    return Drafts(found.records, found.index, _names(found, records, plan, shape), times, values)


def _pick(found: Found, path: Path, shape: Shape) -> list[Any]:
    inner = shape.pick(found.structs, path)
    if found.owners is None or None not in inner:
        return inner
    outer = shape.pick(found.owners, path)
    return [around if own is None else own for own, around in zip(inner, outer, strict=True)]


def _numbers(numbers: list[float | None]) -> FloatArray:
    try:
        return np.fromiter(numbers, np.float64, len(numbers))
    except TypeError:
        return np.array([np.nan if each is None else each for each in numbers])


def _names(found: Found, records: Records, plan: Plan, shape: Shape) -> Sequence[str | int | None] | Column:
    keys = records.keys.rows(found.records)
    if plan.series == (KEY_PATH,):
        return keys
    parts: list[list[Any]] = [
        [(key or b"").decode() for key in keys] if path == KEY_PATH else _pick(found, path, shape)
        for path in plan.series
    ]
    return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts: list[list[Any]]) -> list[str | None]:
    if not any(None in part or "" in part for part in parts):
        with suppress(TypeError):
            return list(map("/".join, zip(*parts, strict=True)))
    return [name(each) for each in zip(*parts, strict=True)]


def name(parts: Sequence[str | int | None]) -> str | None:
    """The parts joined to the name of a series; None if one is missing."""
    return None if None in parts or "" in parts else "/".join(map(str, parts))
