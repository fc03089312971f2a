"""Readings as the lanes find them, judged: the one place where a series, a time and values become a reading."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from connectors.base import Column, FloatArray, IntArray
from streams.decode import octets, times
from streams.decode.octets import CodeArray
from streams.decode.readings import Decoded, Readings, Reject

NO_SERIES, LONG_NAME, NO_VALUE = 5, 6, 7
_REASONS = (*times.TIME_REASONS, "missing_series", "name_too_long", "missing_field")


@dataclass(frozen=True, slots=True)
class Drafts:
    """n readings that could be parsed.

    records: (n,) row in Records, never falling
    index:   (n,) which reading of its record
    names:   (n,) series; None or empty = missing. A Column has been checked already
    times:   (n,) int, float, str, or None = missing; a whole array is ns already
    values:  (n, d) NaN = missing
    """

    records: IntArray
    index: IntArray
    names: Sequence[str | int | None] | Column
    times: Sequence[Any] | IntArray
    values: FloatArray


def judge(drafts: Drafts, *, unit: str, max_name: int) -> Decoded:
    """The drafts that are readings; the others as rejects. Series is judged before time, time before values."""
    series, codes = _names(drafts.names, max_name)
    if isinstance(drafts.times, np.ndarray):
        stamps = drafts.times
        time_codes = np.where(stamps < 0, times.EARLY, times.OK).astype(np.int8)
    else:
        stamps, time_codes = times.column(drafts.times, times.CLOCKS[unit])
    codes = np.where(codes, codes, time_codes)
    codes[(codes == times.OK) & np.isnan(drafts.values).all(axis=1)] = NO_VALUE
    bad = np.flatnonzero(codes)
    readings = Readings(drafts.records, drafts.index, series, stamps, drafts.values)
    if not bad.size:
        return Decoded(readings, [])
    rejects = [_reject(drafts, int(row), int(codes[row]), unit) for row in bad]
    return Decoded(rows(readings, np.flatnonzero(codes == times.OK)), rejects)


def _names(names: Sequence[str | int | None] | Column, max_name: int) -> tuple[Column, CodeArray]:
    """The series names as a column, and a code for each."""
    if isinstance(names, Column):
        return names, np.zeros(len(names), np.int8)
    try:
        column = octets.column(names)  # type: ignore[arg-type]
    except TypeError:
        column = octets.column(["" if name is None else str(name) for name in names])
    lengths = column.ends - column.starts
    codes = np.where(lengths > max_name, LONG_NAME, np.where(lengths == 0, NO_SERIES, times.OK))
    return column, codes.astype(np.int8)


def _reject(drafts: Drafts, row: int, code: int, unit: str) -> Reject:
    detail = ""
    if code in (times.INVALID, times.EARLY, times.FAR):
        time = drafts.times[row]
        detail = times.explain(int(time) if isinstance(time, np.integer) else time, unit, code)
    elif code == LONG_NAME:
        detail = f"{str(drafts.names[row])[:60]} ..."
    return Reject(int(drafts.records[row]), int(drafts.index[row]), _REASONS[code], detail)


def rows(readings: Readings, index: IntArray) -> Readings:
    """The readings at `index`."""
    series, values = readings.series.rows(index), np.ascontiguousarray(readings.values[index])
    return Readings(readings.records[index], readings.index[index], series, readings.times[index], values)


def merge(parts: Sequence[Decoded]) -> Decoded:
    """All readings and rejects, in the order of their records and indexes."""
    rejects = sorted((each for part in parts for each in part.rejects), key=lambda each: (each.record, each.index))
    filled = [part.readings for part in parts if len(part.readings)]
    if len(filled) < 2:
        return Decoded(filled[0] if filled else parts[0].readings, rejects)
    records = np.concatenate([each.records for each in filled])
    index = np.concatenate([each.index for each in filled])
    order = np.argsort(records * (index.max() + 1) + index, kind="stable")
    together = Readings(
        records,
        index,
        octets.stacked([each.series for each in filled]),
        np.concatenate([each.times for each in filled]),
        np.concatenate([each.values for each in filled]),
    )
    return Decoded(rows(together, order), rejects)


def nothing(variables: int) -> Readings:
    """No readings, of so many variables."""
    none = np.zeros(0, np.int64)
    return Readings(none, none, Column(b"", none, none), none, np.zeros((0, variables)))
