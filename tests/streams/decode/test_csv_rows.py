"""CSV rows."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.decode.decoder import decoder
from streams.decode.formats import CSV
from tests.streams.decode.material import BROKER_TIME, KEY, accounted, decode, records, rows, told

PUMP = CSV(columns=("time", "asset", "flow", "heat"), series="asset", values=("flow", "heat"))
TEXT = st.lists(st.sampled_from([*'1.5,"\n\r;e-', "asset", "a", "1,a,2,3\n", "é", "\x00"]), max_size=20)
VALUE = st.one_of(st.binary(max_size=20), TEXT.map(lambda parts: "".join(parts).encode()), st.none())


def test_each_row_is_a_reading() -> None:
    decoded = decode(decoder(PUMP), b"1,p1,2.5,3\r\n2.5,p2,,4\n\n1970-01-01T00:00:03Z,p1, 5 ,\n")
    assert list(decoded.readings.series) == [b"p1", b"p2", b"p1"]
    assert decoded.readings.times.tolist() == [1_000_000_000, 2_500_000_000, 3_000_000_000]
    assert decoded.readings.values[:, 0].tolist()[::2] == [2.5, 5.0]
    assert decoded.readings.values[:, 1].tolist()[:2] == [3.0, 4.0]
    assert decoded.readings.index.tolist() == [0, 1, 2]


def test_the_header_is_no_reading() -> None:
    decoded = decode(decoder(PUMP), b"time,asset,flow,heat\n1,p1,2,3")
    assert (decoded.readings.index.tolist(), decoded.rejects) == ([0], [])
    assert told(decode(decoder(PUMP), b"time,asset,flow,heat\n")) == [(0, -1, "empty")]


def test_quoted_cells_may_hold_anything() -> None:
    assert decode(decoder(PUMP), b'1,"a ""b"", c\nd",2,3').readings.series[0] == b'a "b", c\nd'


@pytest.mark.parametrize(
    ("row", "why"),
    [
        *((b"1,p,2", "wrong_columns"), (b"1,p,2,3,4", "wrong_columns"), (b"1,,2,3", "missing_series")),
        *((b",p,2,3", "missing_time"), (b"soon,p,2,3", "invalid_time"), (b"-5,p,2,3", "before_1970")),
        *((b"1e300,p,2,3", "time_out_of_range"), (b"1" + b"0" * 5000 + b",p,2,3", "time_out_of_range")),
        *((b"1,p,,", "missing_field"), (b"1,p,x,3", "wrong_type"), (b"1,p,1_0,3", "wrong_type")),
        *((b"1,p,nan,3", "not_finite"), (b"1,p,2,-Infinity", "not_finite"), (b"1,p,1e400,3", "not_finite")),
        ("1,p,٣,3".encode(), "wrong_type"),
    ],
)
def test_a_bad_row_is_named_and_costs_no_other(row: bytes, why: str) -> None:
    decoded = decode(decoder(PUMP), b"1,p,2,3\n" + row + b"\n1,p,2,3")
    assert decoded.readings.index.tolist() == [0, 2]
    assert told(decoded) == [(0, 1, why)]


def test_a_quote_that_is_not_closed_spoils_the_record() -> None:
    assert told(decode(decoder(PUMP), b'1,p,2,3\n1,"p,2,3\n1,p,2,3')) == [(0, -1, "invalid_csv")]


def test_the_delimiter_the_key_and_the_brokers_time() -> None:
    other = decoder(CSV(columns=("x", "y"), values="y", time="@record", delimiter=";"))
    decoded = other.decode(records([b"1;2\n3;4", b"5;6"], [b"a", b"b"]))
    assert list(decoded.readings.series) == [b"a", b"a", b"b"]
    assert decoded.readings.times.tolist() == [BROKER_TIME, BROKER_TIME, BROKER_TIME + 1]
    assert decoded.readings.values[:, 0].tolist() == [2.0, 4.0, 6.0]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(VALUE, KEY), max_size=5))
def test_no_bytes_raise_and_none_vanish(data: list[tuple[bytes | None, bytes | None]]) -> None:
    pump = decoder(CSV(columns=("time", "asset", "flow", "heat"), series=("asset", "@key"), values=("flow", "heat")))
    values, keys = [value for value, _ in data], [key for _, key in data]
    together = pump.decode(records(values, keys))
    accounted(together, len(data))
    alone = [pump.decode(records([value], [key])) for value, key in data]
    assert [row[1:] for row in rows(together)] == [row[1:] for each in alone for row in rows(each)]
    assert [each[1:] for each in told(together)] == [each[1:] for one in alone for each in told(one)]
    for value, _ in data:
        pump.text(value or b"", 0, "flow")


@given(st.text(min_size=1).filter(lambda text: text.isprintable()), st.floats(0, 4e9), st.floats(-1e300, 1e300))
def test_what_pythons_csv_writes_is_read_back(asset: str, time: float, flow: float) -> None:
    written = io.StringIO()
    csv.writer(written).writerow([time, asset, flow, ""])
    decoded = decode(decoder(PUMP), written.getvalue().encode())
    assert (decoded.readings.series[0], decoded.readings.values[0, 0]) == (asset.encode(), flow)
    assert decoded.readings.times[0] == round(time * 1e6) * 1000


def test_cells_can_be_read_as_text() -> None:
    pump, value = decoder(PUMP), b"time,asset,flow,heat\n1,p1,2,\n2,p2,3,4"
    assert [pump.text(value, 1, name) for name in ("asset", "flow", "heat", "none")] == ["p2", "3", "4", None]
    assert (pump.text(value, 0, "heat"), pump.text(value, 2, "asset"), pump.text(b'"', 0, "asset")) == (
        None,
        None,
        None,
    )
