from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.base import Column
from connectors.recording_times import column_times, line_times, moment

SECOND = 10**9
zones = st.none() | st.integers(-14 * 60 + 1, 14 * 60 - 1).map(lambda m: timezone(timedelta(minutes=m)))
moments = st.builds(
    lambda time, zone: time.replace(tzinfo=zone), st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1)), zones
)


def nanoseconds(time: datetime) -> int:
    since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1) * 1000


def times(cells: list[Any], kind: pa.DataType | None = None) -> list[int]:
    found: list[int] = column_times(pa.table({"at": pa.array(cells, kind)}), "at").tolist()
    return found


@given(moments)
def test_text_is_a_moment_in_its_zone_or_in_utc(time: datetime) -> None:
    assert moment(time.isoformat()) == nanoseconds(time)


@given(st.lists(moments, min_size=1))
def test_a_column_of_text_has_the_times_of_its_cells(cells: list[datetime]) -> None:
    assert times([cell.isoformat(" ") for cell in cells]) == [nanoseconds(cell) for cell in cells]


@given(st.integers(-8 * 10**9, 8 * 10**9), st.integers(0, 999))
def test_seconds_are_exact_to_the_millisecond(whole: int, thousandths: int) -> None:
    number = whole + thousandths / 1000
    exact = whole * SECOND + thousandths * 10**6
    assert abs((moment(number) or 0) - exact) < 1000
    assert abs(times([number])[0] - exact) < 1000


@pytest.mark.parametrize(
    "value", [None, True, "", "now", "1700000000", [1], {}, float("nan"), float("inf"), 10**30, "9999-01-01"]
)
def test_what_is_no_time_is_none(value: object) -> None:
    assert moment(value) is None


def test_an_unknown_time_is_the_last_known_and_0_before_the_first() -> None:
    assert times([None, 2.5, None, 1e30, float("nan"), 3.0, None]) == [at * SECOND // 2 for at in (0, 5, 5, 5, 5, 6, 6)]
    assert times(["", "1970-01-01T00:00:01Z", "noon", "1970-01-01 00:00:02"]) == [0, SECOND, SECOND, 2 * SECOND]
    assert times([None, 7, None], pa.timestamp("ms")) == [0, 7 * 10**6, 7 * 10**6]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_datetime_too_far_away_for_nanoseconds_is_unknown(unit: str) -> None:
    far = 2**62
    assert times([1, far], pa.timestamp(unit, "UTC"))[1] == (far if unit == "ns" else times([1], pa.timestamp(unit))[0])


def test_dates_are_midnights_and_what_is_no_time_is_0() -> None:
    assert times([date(1970, 1, 3)]) == [2 * 86_400 * SECOND]
    assert times([True, False]) == [0, 0]
    assert column_times(pa.table({"x": [1, 2]}), "at").tolist() == [0, 0]


@given(st.lists(st.binary(max_size=30)))
@example([b"pump flow=1 " + b"9" * 5000, b'{"time": ' + b"9" * 5000 + b"}"])
def test_any_bytes_are_lines_with_times(lines: list[bytes]) -> None:
    for suffix in (".jsonl", ".lp", ".txt"):
        assert line_times(Column.of(lines), suffix, "time").shape == (len(lines),)
