"""InfluxDB line protocol."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.decode.decoder import decoder
from streams.decode.formats import LineProtocol
from streams.decode.line_protocol import Lines
from streams.decode.plain_lines import PlainLines
from streams.decode.rowwise import Limits, RowDecoder
from tests.streams.decode.material import BROKER_TIME, KEY, accounted, decode, records, rows, told

CPU = LineProtocol(series=("@measurement", "host"), values=("usage", "idle"))
BYTES = st.lists(
    st.sampled_from([*'m,=\\ "\n#i1.-e+tFu\t\r\x00é', "cpu", "host", "usage", "m,host=a usage=1 5\n"]), max_size=25
)
VALUE = st.one_of(st.binary(max_size=20), BYTES.map(lambda parts: "".join(parts).encode()), st.none())


def test_each_line_is_a_reading() -> None:
    decoded = decode(
        decoder(CPU), b"cpu,host=a usage=1.5,idle=3i 1458229140000000000\ncpu,host=b idle=2u,usage=-1e3 7\n"
    )
    assert list(decoded.readings.series) == [b"cpu/a", b"cpu/b"]
    assert decoded.readings.times.tolist() == [1_458_229_140_000_000_000, 7]
    assert decoded.readings.values.tolist() == [[1.5, 3.0], [-1000.0, 2.0]]
    assert decoded.readings.index.tolist() == [0, 1]


def test_blank_lines_and_comments_are_no_readings() -> None:
    decoded = decode(decoder(CPU), b"# cpu,host=a usage=9\n\n  \r\ncpu,host=a usage=1 5\r\n\n#")
    assert (decoded.readings.index.tolist(), decoded.rejects) == ([0], [])
    assert told(decode(decoder(CPU), b"# only\n")) == [(0, -1, "empty")]


def test_a_line_without_a_time_has_the_brokers() -> None:
    decoded = decode(decoder(CPU), b"cpu,host=a usage=1\ncpu,host=b usage=1 5\ncpu,host=c usage=1")
    assert decoded.readings.times.tolist() == [BROKER_TIME, 5, BROKER_TIME]
    assert list(decoded.readings.series) == [b"cpu/a", b"cpu/b", b"cpu/c"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *((word, 1.0) for word in ("t", "T", "true", "True", "TRUE")),
        *((word, 0.0) for word in ("f", "F", "false", "False", "FALSE")),
        *(("1", 1.0), ("-1i", -1.0), ("18446744073709551615u", 2.0**64), (".5", 0.5), ("1.", 1.0), ("+1e2", 100.0)),
    ],
)
def test_numbers_and_booleans(text: str, number: float) -> None:
    assert decode(decoder(CPU), b"cpu,host=a usage=%s 5" % text.encode()).readings.values[0, 0] == number


def test_escapes_and_quotes() -> None:
    line = rb'a\ b\,c,host=x\ y\=z,t\,u=1 "sp"=1,text="a \"q\", b=2 ' + b"\n" + rb'# c\\",usage=4,us\ age=5 9'
    escaped = decoder(LineProtocol(series=("@measurement", "host", "t,u"), values=("usage", "us age")))
    decoded = decode(escaped, line)
    assert list(decoded.readings.series) == [b"a b,c/x y=z/1"]
    assert decoded.readings.values.tolist() == [[4.0, 5.0]]
    assert escaped.text(line, 0, "text") == 'a "q", b=2 \n# c\\'


@pytest.mark.parametrize(
    ("line", "why"),
    [
        *((b"cpu", "invalid_line"), (b"cpu,host=a", "invalid_line"), (b"cpu,host=a usage", "invalid_line")),
        *(
            (b"cpu,host usage=1", "invalid_line"),
            (b"cpu,host=a usage=1 5 6", "invalid_line"),
            (b",a=b c=1", "invalid_line"),
        ),
        *((b"cpu,host=a usage=1 x", "invalid_line"), (b'cpu,host=a usage="1', "invalid_line")),
        *((b"cpu usage=1 5", "missing_series"), (b"cpu,host=a other=1 5", "missing_field")),
        *((b'cpu,host=a usage="1" 5', "wrong_type"), (b"cpu,host=a usage=x 5", "wrong_type")),
        *((b"cpu,host=a usage=NaN 5", "not_finite"), (b"cpu,host=a usage=1e400 5", "not_finite")),
        *((b"cpu,host=a usage=1 -5", "before_1970"), (b"cpu,host=a usage=1 99999999999999999999", "time_out_of_range")),
    ],
)
def test_a_bad_line_is_named_and_costs_no_other(line: bytes, why: str) -> None:
    good = b"cpu,host=a usage=1 5\n"
    decoded = decode(decoder(CPU), good + line + b"\n" + good)
    assert decoded.readings.index.tolist() in ([0, 2], [0])
    assert told(decoded)[0] == (0, 1, why)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(VALUE, KEY), max_size=5))
def test_no_bytes_raise_and_none_vanish(data: list[tuple[bytes | None, bytes | None]]) -> None:
    lines = decoder(LineProtocol(series=("@measurement", "@key"), values="usage", max_bytes=60))
    values, keys = [value for value, _ in data], [key for _, key in data]
    together = lines.decode(records(values, keys))
    accounted(together, len(data))
    alone = [lines.decode(records([value], [key])) for value, key in data]
    assert [row[1:3] for row in rows(together)] == [row[1:3] for each in alone for row in rows(each)]
    assert [each[1:] for each in told(together)] == [each[1:] for one in alone for each in told(one)]
    for value, _ in data:
        lines.text(value or b"", 0, "usage")


LINE = st.lists(
    st.sampled_from(
        [
            *(
                "cpu",
                ",host=a",
                ",x=1",
                "=",
                ",",
                " ",
                " ",
                " usage=1",
                "usage=1.5",
                ",idle=2i",
                ",idle=t",
                ",s=q",
                " 5",
                "\n",
            ),
            *(
                "cpu,host=a usage=1 5\n",
                "cpu,host=b idle=-3,x=1\n",
                "\r\n",
                "# c\n",
                "-0",
                "-0i",
                "1.",
                "true",
                "é",
                '"',
                "\\",
            ),
        ]
    ),
    max_size=12,
).map(lambda parts: "".join(parts).encode())


@settings(deadline=None, max_examples=1000)
@given(st.lists(LINE, min_size=1, max_size=3), st.sampled_from([CPU.series, (), ("host",)]))
def test_the_fast_lane_equals_the_parser(values: list[bytes | None], series: tuple[str, ...]) -> None:
    format = LineProtocol(series=series, values=("usage", "idle"), max_name=6)
    limits = Limits(series or ("@key",), "ns", True, format.max_bytes, 6)
    slow = RowDecoder(format=Lines(format), variables=("usage", "idle"), limits=limits)
    fast = decode(decoder(format), *values)
    assert (rows(fast), fast.rejects) == (rows(decode(slow, *values)), decode(slow, *values).rejects)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        *((b"cpu,host=a usage=1 5", True), (b"cpu,x=1,host=a x=q,usage=2i,idle=f\r\n# c\n\nb,host=b idle=1 5", True)),
        *((b"cpu,host=a usage=1", False), (b"cpu,host=a usage=1 5\nx", False), (b'cpu,host=a s="",usage=1 5', False)),
        *((b"cpu,host=a usage=-0i 5", False), (b"cpu,host=\\ usage=1 5", False), (b"cpu,host=a other=1 5", False)),
        *((b"cpu,host=a,host=b usage=1 5", False), (b"cpu,host=a usage=1,usage=2 5", False), (b"#", False)),
    ],
)
def test_plain_lines_are_for_the_fast_lane_and_others_are_not(value: bytes, plain: bool) -> None:
    lane = PlainLines.of(series=("@measurement", "host"), values=("usage", "idle"), unit="ns", max_name=512)
    assert lane is not None
    drafts, left = lane.read(records([value]))
    assert (left.tolist(), len(drafts.records) > 0) == ([not plain], plain)


@given(st.text(min_size=1, max_size=8).filter(lambda t: "\n" not in t and "\\" not in t), st.floats(allow_nan=False))
def test_what_is_written_by_the_rules_is_read_back(host: str, value: float) -> None:
    escaped = host.replace(",", r"\,").replace("=", r"\=").replace(" ", r"\ ")
    decoded = decode(decoder(CPU), f"cpu,host={escaped} usage={value!r} 5".encode())
    if math.isfinite(value):
        assert (decoded.readings.series[0], decoded.readings.values[0, 0]) == (f"cpu/{host}".encode(), value)
    else:
        assert told(decoded) == [(0, 0, "not_finite")]


def test_a_long_hostile_line_takes_linear_time() -> None:
    for part in (b"\\", b"\\,", b'"', b"=", b",a=", b" ", b'a="\\"', b"a=1,"):
        accounted(decode(decoder(CPU), b"m" + part * 100_000), 1)


def test_tags_and_fields_can_be_read_as_text() -> None:
    lines, value = decoder(CPU), b'cpu,host=a\\ b usage=1.5,s="x"\nmem,host=c usage=2 5'
    assert [lines.text(value, 0, name) for name in ("@measurement", "host", "usage", "s", "none")] == [
        *("cpu", "a b", "1.5", "x", None)
    ]
    assert (lines.text(value, 1, "host"), lines.text(value, 2, "host"), lines.text(b"\xff", 0, "host")) == (
        "c",
        None,
        None,
    )
