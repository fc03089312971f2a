"""Each kind of bad input has its own name."""

import pytest

from streams.decode.decoder import decoder
from streams.decode.formats import CSV, JSON, LineProtocol, Telegraf
from streams.decode.readings import REASONS, Decoder
from tests.streams.decode.material import decode, reason, records, told

PLAIN = JSON(series="series", values="value", max_bytes=200)
BAD: list[tuple[bytes | None, int, str]] = [
    (None, -1, "tombstone"),
    (b"", -1, "empty"),
    (b" \n", -1, "empty"),
    (b"[]", -1, "empty"),
    (b"x" * 201, -1, "too_large"),
    (b'{"series":"a","time":1,"value":1,"unit":"\xff"}', -1, "invalid_utf8"),
    (b'{"series":"\xed\xa0\x80","time":1,"value":1}', -1, "invalid_utf8"),
    (b'{"series":"a","time":1,"val', -1, "invalid_json"),
    (b'{"series":"a","time":1,"value":1}}', -1, "invalid_json"),
    (b'{"series":"a","time":1,"value":01}', -1, "invalid_json"),
    (b'{"series":"\\ud800","time":1,"value":1}', -1, "invalid_json"),
    (b'\xef\xbb\xbf{"series":"a","time":1,"value":1}', -1, "invalid_json"),
    (b"[" * 70 + b"]" * 70, -1, "too_deep"),
    (b"3", -1, "not_an_object"),
    (b'"text"', -1, "not_an_object"),
    (b"null", -1, "not_an_object"),
    (b"[1]", 0, "not_an_object"),
    (b"[null]", 0, "not_an_object"),
    (b'{"time":1,"value":1}', 0, "missing_series"),
    (b'{"series":null,"time":1,"value":1}', 0, "missing_series"),
    (b'{"series":"","time":1,"value":1}', 0, "missing_series"),
    (b'{"series":1.5,"time":1,"value":1}', 0, "wrong_type"),
    (b'{"series":"a","value":1}', 0, "missing_time"),
    (b'{"series":"a","time":null,"value":1}', 0, "missing_time"),
    (b'{"series":"a","time":"soon","value":1}', 0, "invalid_time"),
    (b'{"series":"a","time":"2023-02-29T00:00:00Z","value":1}', 0, "invalid_time"),
    (b'{"series":"a","time":[1],"value":1}', 0, "wrong_type"),
    (b'{"series":"a","time":true,"value":1}', 0, "wrong_type"),
    (b'{"series":"a","time":-1,"value":1}', 0, "before_1970"),
    (b'{"series":"a","time":"1969-12-31T23:59:59Z","value":1}', 0, "before_1970"),
    (b'{"series":"a","time":1700000000000,"value":1}', 0, "time_out_of_range"),
    (b'{"series":"a","time":1e300,"value":1}', 0, "time_out_of_range"),
    (b'{"series":"a","time":1' + b"0" * 100 + b',"value":1}', 0, "time_out_of_range"),
    (b'{"series":"a","time":1}', 0, "missing_field"),
    (b'{"series":"a","time":1,"value":null}', 0, "missing_field"),
    (b'{"series":"a","time":1,"value":"1"}', 0, "wrong_type"),
    (b'{"series":"a","time":1,"value":true}', 0, "wrong_type"),
    (b'{"series":"a","time":1,"value":NaN}', -1, "not_finite"),
    (b'{"series":"a","time":1,"value":-Infinity}', -1, "not_finite"),
    (b'{"series":"a","time":1,"value":1e400}', 0, "not_finite"),
    (b'{"series":"a","time":1,"value":' + b"9" * 150 + b"e200}", 0, "not_finite"),
    (b'{"series":"' + b"a" * 20 + b'","time":1,"value":1}', 0, "name_too_long"),
]


@pytest.mark.parametrize(("value", "index", "why"), BAD)
def test_what_is_wrong_with_a_json_record_has_a_name(value: bytes | None, index: int, why: str) -> None:
    limited = decoder(JSON(series="series", values="value", max_bytes=200, max_name=19))
    assert reason(limited, value) == (index, why)


def test_every_reason_is_in_the_table_and_every_reason_of_the_table_occurs() -> None:
    lines = decode(decoder(LineProtocol(values="value")), b"x")
    rows = decode(decoder(CSV(columns=("time", "value"), values="value")), b'1,"', b"1,2,3")
    others = {each.reason for each in (*lines.rejects, *rows.rejects)}
    assert {why for _, _, why in BAD} | others == set(REASONS)


def test_a_value_of_ten_megabytes_is_not_read() -> None:
    decoded = decode(decoder(PLAIN), b'{"series":"a","time":1,"value":1,"x":"' + b"x" * 10_000_000 + b'"}')
    assert [(reject.reason, reject.detail) for reject in decoded.rejects] == [("too_large", "10000040 bytes")]


KEYS: list[tuple[bytes | None, str]] = [
    (None, "missing_series"),
    (b"", "missing_series"),
    (b"k" * 65536, "name_too_long"),
    (b"\xff", "invalid_utf8"),
]


@pytest.mark.parametrize(("key", "why"), KEYS)
@pytest.mark.parametrize("series", [(), ("@key",), ("@key", "series")])
def test_a_key_that_cannot_name_a_series_is_refused(key: bytes | None, why: str, series: tuple[str, ...]) -> None:
    named = decoder(JSON(series=series, values="value"))
    assert told(named.decode(records([b'{"series":"a","time":1,"value":1}'], [key]))) == [(0, -1, why)]


def test_a_key_that_names_nothing_may_be_anything() -> None:
    assert len(decoder(PLAIN).decode(records([b'{"series":"a","time":1,"value":1}'], [b"\xff"])).readings) == 1


@pytest.mark.parametrize(
    ("time", "unit", "hint"),
    [
        ("1700000000123", "s", "ms"),
        ("1700000000123456", "s", "us"),
        ("1.7e18", "s", "ns"),
        ("1700000000123456", "ms", "us"),
    ],
)
def test_a_time_in_another_unit_says_which(time: str, unit: str, hint: str) -> None:
    units = decoder(JSON(series="series", values="value", unit=unit))  # type: ignore[arg-type]
    (reject,) = decode(units, b'{"series":"a","time":%s,"value":1}' % time.encode()).rejects
    assert reject.reason == "time_out_of_range"
    assert f"looks like {hint}, the pipeline says {unit}" in reject.detail


def test_of_an_array_each_reading_is_judged_on_its_own() -> None:
    good = b'{"series":"a","time":1,"value":1}'
    decoded = decode(decoder(PLAIN), b"[" + good + b',{"series":"a","time":1,"value":"1"},7,' + good + b"]")
    assert decoded.readings.index.tolist() == [0, 3]
    assert told(decoded) == [(0, 1, "wrong_type"), (0, 2, "not_an_object")]


def test_an_array_that_is_cut_off_gives_nothing() -> None:
    assert reason(decoder(PLAIN), b'[{"series":"a","time":1,"value":1},{"ser') == (-1, "invalid_json")


@pytest.mark.parametrize(
    "each",
    [
        decoder(PLAIN),
        decoder(Telegraf(values="value")),
        decoder(LineProtocol(values="value")),
        decoder(CSV(columns=("time", "value"), values="value")),
    ],
)
@pytest.mark.parametrize("value", [None, b"", b"\n", b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 100_000])
def test_hostile_bytes_are_refused_by_every_format(each: Decoder, value: bytes | None) -> None:
    decoded = decode(each, value)
    assert len(decoded.readings) == 0
    assert {reject.reason for reject in decoded.rejects} <= set(REASONS)
    assert decoded.rejects
    assert each.text(value or b"", 0, "value") is None
