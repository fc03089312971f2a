"""What a configuration may say, and what it may not."""

import msgspec
import pytest

from streams.decode.decoder import decoder
from streams.decode.formats import CSV, JSON, Format, LineProtocol, Telegraf
from tests.streams.decode.material import BROKER_TIME, decode, records, rows


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('format = "json"\nseries = "asset"\nvalues = "x"', JSON(series="asset", values="x")),
        ('format = "json"\nseries = ["a", "b"]\nvalues = ["x", "y"]', JSON(series=("a", "b"), values=("x", "y"))),
        ('format = "telegraf"\nvalues = "usage"', Telegraf(values="usage")),
        ('format = "line_protocol"\nvalues = "usage"\nunit = "us"', LineProtocol(values="usage", unit="us")),
        ('format = "csv"\ncolumns = ["time", "x"]\nvalues = "x"', CSV(columns=("time", "x"), values="x")),
    ],
)
def test_a_format_is_named_by_its_tag(text: str, expected: Format) -> None:
    assert msgspec.toml.decode(text.encode(), type=Format) == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('format = "json"\nvalues = []', "JSON.values must name at least one field"),
        ('format = "json"\nvalues = ["x", "x"]', "each once"),
        ('format = "json"\nvalues = "x"\nmax_bytes = 0', "JSON.max_bytes must be at least 1 byte; got 0"),
        ('format = "json"\nvalues = "x"\nunit = "m"', "Invalid enum value"),
        ('format = "json"\nvalues = "x"\ncolour = "red"', "unknown field `colour`"),
        ('format = "csv"\ncolumns = ["time"]\nvalues = "x"', "CSV.columns must hold x"),
        ('format = "csv"\ncolumns = ["time", "x", "x"]\nvalues = "x"', "CSV.columns must name each column once"),
        ('format = "csv"\ncolumns = ["time", "x"]\nvalues = "x"\ndelimiter = ", "', "CSV.delimiter must be one"),
        ('format = "avro"', "Invalid value 'avro'"),
    ],
)
def test_what_a_format_may_not_say_is_told(text: str, fault: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=fault):
        msgspec.toml.decode(text.encode(), type=Format)


@pytest.mark.parametrize("values", ["time", "time.x", "series", ("a", "a.b")])
def test_fields_that_cannot_both_be_there_are_refused(values: str) -> None:
    with pytest.raises(ValueError, match="cannot both be read from one object"):
        decoder(JSON(series="series", values=values))


def test_no_series_means_the_record_key() -> None:
    named = decoder(JSON(values="value"))
    decoded = named.decode(records([b'{"time":1,"value":1}', b'{"time":1,"value":1,"x":[]}'], [b"a", b"b"]))
    assert list(decoded.readings.series) == [b"a", b"b"]


def test_the_brokers_time_can_be_the_time() -> None:
    stamped = decoder(JSON(series="s", values="v", time="@record"))
    decoded = stamped.decode(records([b'{"s":"a","v":1}', b'{"s":"a","v":1,"x":[]}']))
    assert decoded.readings.times.tolist() == [BROKER_TIME, BROKER_TIME + 1]


def test_several_fields_name_a_series_together() -> None:
    parts = decoder(JSON(series=("line.id", "@key", "sensor"), values="v", time="@record"))
    decoded = decode(parts, b'{"line":{"id":7},"sensor":"t","v":1}', b'{"line":{"id":"x"},"sensor":"t","v":1}')
    assert list(decoded.readings.series) == [b"7/k/t", b"x/k/t"]
    assert decode(parts, b'{"line":null,"sensor":"t","v":1}').rejects[0].reason == "missing_series"


def test_null_is_the_same_as_absent_at_every_depth() -> None:
    nested = decoder(JSON(series="s", values=("a.x", "b.x"), time="@record"))
    decoded = decode(
        nested, b'{"s":"1","a":null,"b":{"x":1}}', b'{"s":"1","b":{"x":1}}', b'{"s":"1","a":{},"b":{"x":1}}'
    )
    assert len({row[4] for row in rows(decoded)}) == 1
    assert decoded.readings.values[0].tolist()[1] == 1


def test_readings_inside_a_record_take_what_they_lack_from_it() -> None:
    batch = decoder(JSON(series=("device", "sensor"), values="v", items="data.readings"))
    value = b'{"device":"d","time":5,"data":{"readings":[{"sensor":"a","v":1},{"sensor":"b","v":2,"time":6},%s]}}'
    decoded = decode(batch, value % b'{"sensor":"c","v":3}', value % b'{"sensor":"c","v":true}')
    assert list(decoded.readings.series) == [b"d/a", b"d/b", b"d/c", b"d/a", b"d/b"]
    assert decoded.readings.times.tolist() == [x * 1_000_000_000 for x in (5, 6, 5, 5, 6)]
    assert [(j.record, j.index, j.reason) for j in decoded.rejects] == [(1, 2, "wrong_type")]


def test_a_record_without_the_array_is_a_reading_itself() -> None:
    batch = decoder(JSON(series="s", values="v", items="readings"))
    decoded = decode(
        batch, b'{"s":"a","v":1,"time":1}', b'{"s":"a","v":"1","time":1}', b'{"readings":[]}', b'{"readings":3}'
    )
    assert decoded.readings.records.tolist() == [0]
    assert [(j.index, j.reason) for j in decoded.rejects] == [(0, "wrong_type"), (-1, "empty"), (-1, "wrong_type")]


def test_an_empty_array_in_a_record_with_faults_of_its_own_is_still_empty() -> None:
    batch = decoder(JSON(series="s", values="v", items="readings"))
    decoded = decode(batch, b'{"s":"a","v":"1","readings":[]}')
    assert [(each.index, each.reason) for each in decoded.rejects] == [(-1, "empty")]


@pytest.mark.parametrize(
    ("value", "index", "field", "expected"),
    [
        (b'{"asset":"p1","x":{"y":7}}', 0, "asset", "p1"),
        (b'{"asset":"p1","x":{"y":7}}', 0, "x.y", "7"),
        (b'{"asset":"p1","x":{"y":7}}', 0, "x", None),
        (b'{"asset":"p1","x":{"y":7}}', 0, "nothing", None),
        (b'{"asset":true}', 0, "asset", "true"),
        (b'[{"asset":"a"},{"asset":"b"}]', 1, "asset", "b"),
        (b'[{"asset":"a"},{"asset":"b"}]', 2, "asset", None),
        (b'[{"asset":"a"},{"asset":"b"}]', -1, "asset", None),
        (b'{"asset":"out","r":[{"asset":"in"},{}]}', 0, "asset", "in"),
        (b'{"asset":"out","r":[{"asset":"in"},{}]}', 1, "asset", "out"),
        (b"{", 0, "asset", None),
        (b"\xff", 0, "asset", None),
        (b"3", 0, "asset", None),
        (b"[" * 100_000, 0, "asset", None),
    ],
)
def test_one_field_can_be_read_as_text(value: bytes, index: int, field: str, expected: str | None) -> None:
    assert decoder(JSON(series="s", values="v", items="r")).text(value, index, field) == expected
