"""Times of every form become the ns that Python's own calendar and integers give."""

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.decode.times import CLOCKS, EARLY, FAR, INVALID, LAST, MISSING, OK, column

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECONDS = st.integers(0, 9_000_000_000_000_000)
UNITS = pytest.mark.parametrize("unit", CLOCKS)


def read(*times: object, unit: str = "s") -> list[tuple[int, int]]:
    ns, codes = column(times, CLOCKS[unit])
    return list(zip(ns.tolist(), codes.tolist(), strict=True))


def nanoseconds(time: datetime) -> int:
    return (time - EPOCH) // timedelta(microseconds=1) * 1000


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2262, 1, 1)),
    st.sampled_from([0, 60, -60, 345, -570, 1439]),
    st.sampled_from(["T", " ", "t"]),
)
def test_iso_8601_is_what_python_reads(moment: datetime, minutes: int, between: str) -> None:
    local = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    text = local.isoformat(sep=between)
    assert read(text) == [(nanoseconds(datetime.fromisoformat(text)), OK)]


@given(st.datetimes(datetime(1970, 1, 1), datetime(2262, 1, 1)))
def test_without_an_offset_it_is_utc(moment: datetime) -> None:
    expected = nanoseconds(moment.replace(tzinfo=UTC))
    assert read(moment.isoformat(), f"{moment.isoformat()}Z", f"{moment.isoformat()}z") == [(expected, OK)] * 3


@given(st.text("0123456789-+:.,TZ z", max_size=32))
def test_what_python_cannot_read_is_not_read(text: str) -> None:
    ((ns, code),) = read(text)
    if code == OK:
        # Python's reader of fractions stops at microseconds, and wants a full stop or three or six digits
        head, _, tail = text.replace(",", ".").partition(".")
        digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
        exact = head + tail[len(digits) :].replace("z", "Z")
        read_by_python = datetime.fromisoformat(exact)
        read_by_python = read_by_python if read_by_python.tzinfo else read_by_python.replace(tzinfo=UTC)
        assert ns == nanoseconds(read_by_python) + int(digits.ljust(9, "0"))


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01", 0),
        ("2000-02-29", 951_782_400_000_000_000),
        ("2024-05-01T10:00", 1_714_557_600_000_000_000),
        ("2024-05-01T10:00Z", 1_714_557_600_000_000_000),
        ("2024-05-01T12:00:00+02", 1_714_557_600_000_000_000),
        ("2024-05-01T12:00:00+0200", 1_714_557_600_000_000_000),
        ("2024-05-01T04:30:00-05:30", 1_714_557_600_000_000_000),
        ("2024-05-01T10:00:00.1Z", 1_714_557_600_100_000_000),
        ("2024-05-01T10:00:00,000000001Z", 1_714_557_600_000_000_001),
    ],
)
def test_the_forms_of_iso_8601(text: str, ns: int) -> None:
    assert read(text) == [(ns, OK)]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "now",
            "2024",
            "2024-05",
            "20240501",
            "2024-13-01",
            "2024-00-01",
            "2024-04-31",
            "2023-02-29",
            "1900-02-29",
        ),
        *("0000-01-01", "2024-05-01T", "2024-05-01T10", "2024-05-01T24:00", "2024-05-01T10:60", "2024-05-01T10:00:60Z"),
        *("2024-05-01T10:00:0", "2024-05-01T10:00:00.", "2024-05-01T10:00:00.1234567890", "2024-05-01T10:00:00+1"),
        *("2024-05-01T10:00:00+24:00", "2024-05-01T10:00:00+02:60", "2024-05-01T10:00:00ZZ", "2024-05-01T10:00:00 Z"),
        *(" 2024-05-01", "2024-05-01T10:00:00+02-00", "２０２４-05-01", "2024-05-01T10:00:00é"),
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert read(text)[0][1] == INVALID


def test_before_1970_and_after_2262_are_told_apart() -> None:
    texts = ("1969-12-31T23:59:59.999Z", "1970-01-01T00:30:00+01:00", "0001-01-01", "2262-04-12", "9999-12-31")
    assert [code for _, code in read(*texts)] == [EARLY, EARLY, EARLY, FAR, FAR]


@UNITS
@given(count=st.integers(-10, 1 << 64))
def test_integers_are_exact(unit: str, count: int) -> None:
    exact = count * CLOCKS[unit].ns
    ((ns, code),) = read(count, unit=unit)
    assert code == (EARLY if count < 0 else FAR if exact > LAST else OK)
    assert code != OK or ns == exact


@given(MICROSECONDS.filter(lambda count: count < 4_294_967_296_000_000))
def test_float_seconds_give_the_microseconds_they_were_written_with(count: int) -> None:
    assert read(float(f"{count // 1_000_000}.{count % 1_000_000:06}")) == [(count * 1000, OK)]


@UNITS
@given(count=MICROSECONDS, part=st.floats(-0.3, 0.3))
def test_floats_of_every_unit_are_rounded_to_microseconds(unit: str, count: int, part: float) -> None:
    clock = CLOCKS[unit]
    written = float((count + Fraction(part)) * 1000 / clock.ns)
    ((ns, code),) = read(written, unit=unit)
    assert code == OK
    assert ns % 1000 == 0
    # a float of this size is itself up to a microsecond apart from what was meant
    assert abs(ns - count * 1000) <= 2000


def test_halves_go_to_the_even_microsecond_and_a_hair_before_1970_is_1970() -> None:
    assert read(0.5, 1.5, 2.5, -0.25, -0.0, unit="us") == [(0, OK), (2000, OK), (2000, OK), (0, OK), (0, OK)]


def test_floats_that_are_no_time() -> None:
    assert [code for _, code in read(-1.0, 1e300, float("inf"), 9223372036.854776)] == [EARLY, FAR, FAR, FAR]


def test_a_column_may_mix_all_forms() -> None:
    times = [1, 1.5, "1970-01-01T00:00:02Z", None, -1, 1 << 70, -(1 << 70), "x"]
    assert read(*times) == [
        *((1_000_000_000, OK), (1_500_000_000, OK), (2_000_000_000, OK), (0, MISSING)),
        *((0, EARLY), (0, FAR), (0, EARLY), (0, INVALID)),
    ]
