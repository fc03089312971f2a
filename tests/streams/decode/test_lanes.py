"""All lanes of JSON agree, value for value, on any bytes; and nothing vanishes."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.decode.decoder import decoder
from streams.decode.formats import JSON, Format, Telegraf
from tests.streams.decode.material import DOCUMENT, KEY, OBJECT, VALUE, accounted, decode, records, rows, told

PLAIN = JSON(series="series", values=("value", "other"))
FORMATS: dict[str, Format] = {
    "plain": PLAIN,
    "keyed": JSON(values="value", time="@record"),
    "milliseconds": JSON(series="series", values="value", unit="ms", max_name=3),
    "parts": JSON(series=("series", "@key"), values="value", max_bytes=120),
    "nested": JSON(series="meta.id", values=("value", "other.value"), unit="ns"),
    "items": JSON(series="series", values="value", items="items"),
    "telegraf": Telegraf(values="value", series=("name", "id")),
}
EVERY = pytest.mark.parametrize("name", FORMATS)


Told = tuple[list[tuple[int, int, bytes | None, int, bytes]], list[tuple[int, int, str]]]


def one_by_one(name: str, values: list[bytes | None], keys: list[bytes | None]) -> Told:
    """Readings and rejects of each record decoded alone, told in the numbering of the whole."""
    one, everything, readings, rejects = decoder(FORMATS[name]), records(values, keys), [], []
    for i in range(len(values)):
        decoded = one.decode(everything.rows(slice(i, i + 1)))
        readings += [(i, *row[1:]) for row in rows(decoded)]
        rejects += [(i, *each[1:]) for each in told(decoded)]
    return readings, rejects


@EVERY
@settings(deadline=None, max_examples=150)
@given(data=st.lists(st.tuples(VALUE, KEY), max_size=8))
def test_records_together_decode_as_each_of_them_alone(
    name: str, data: list[tuple[bytes | None, bytes | None]]
) -> None:
    values, keys = [value for value, _ in data], [key for _, key in data]
    decoded = decoder(FORMATS[name]).decode(records(values, keys))
    accounted(decoded, len(values))
    assert (rows(decoded), told(decoded)) == one_by_one(name, values, keys)


@settings(deadline=None, max_examples=400)
@given(st.lists(VALUE, min_size=1, max_size=6))
def test_the_scanner_agrees_with_the_joined_and_the_single_decoding(values: list[bytes | None]) -> None:
    # an array that is nowhere turns the scanner off; a record that only the parser refuses splits what was joined
    slow = decoder(JSON(series="series", values=("value", "other"), items="no such array"))
    fast, joined, single = (
        decode(decoder(PLAIN), *values),
        decode(slow, *values),
        decode(slow, *values, b'{"a":tru}', b"[tru]"),
    )
    assert rows(fast) == rows(joined) == rows(single)
    assert told(fast) == told(joined) == told(single)[:-2]


@settings(deadline=None, max_examples=300)
@given(OBJECT.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_a_reading_has_the_values_that_pythons_own_reader_finds(value: bytes) -> None:
    decoded = decode(decoder(PLAIN), value)
    if len(decoded.readings):
        tree = json.loads(value)
        expected = [np.nan if tree.get(key) is None else float(tree[key]) for key in ("value", "other")]
        assert decoded.readings.values.tobytes() == np.array([expected]).tobytes()
        assert decoded.readings.series[0] == str(tree["series"]).encode()


@settings(deadline=None)
@given(st.lists(DOCUMENT, min_size=2, max_size=5), st.data())
def test_pieces_of_records_never_make_up_a_record(documents: list[bytes], data: st.DataObject) -> None:
    whole = b",".join(documents)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    pieces: list[bytes | None] = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    decoded = decode(decoder(PLAIN), *pieces)
    accounted(decoded, len(pieces))
    assert (rows(decoded), told(decoded)) == one_by_one("plain", pieces, [b"k"] * len(pieces))


def test_three_broken_records_whose_brackets_balance_stay_three_broken_records() -> None:
    good = b'{"series":"a","time":1,"value":1,"x":{}}'
    one = b'{"series":"a","time":1,"value":1,"x":['
    broken = [one + b"{}", b"{}]}," + one + b"]}," + one + b"{}", b"{}]}"]
    assert len(json.loads(b"[" + b",".join(broken) + b"]")) == len(broken)
    decoded = decode(decoder(PLAIN), good, *broken, good)
    assert decoded.readings.records.tolist() == [0, 4]
    assert told(decoded) == [(1, -1, "invalid_json"), (2, -1, "invalid_json"), (3, -1, "invalid_json")]


def test_a_quote_that_is_not_closed_does_not_swallow_the_next_record() -> None:
    decoded = decode(
        decoder(PLAIN), b'{"series":"a","time":1,"value":1,"x":"}', b'{"y":"","series":"b","time":1,"value":1}'
    )
    assert decoded.readings.records.tolist() == [1]
    assert told(decoded) == [(0, -1, "invalid_json")]


def test_one_bad_record_costs_no_other() -> None:
    many = [b'{"series":"a","time":%d,"value":1,"x":{}}' % i for i in range(1000)]
    many[500] = b'{"series":"a","time":1,"value":"1","x":{}}'
    decoded = decode(decoder(PLAIN), *many)
    assert len(decoded.readings) == 999
    assert told(decoded) == [(500, 0, "wrong_type")]


def test_no_records_are_no_readings() -> None:
    decoded = decode(decoder(PLAIN))
    assert (len(decoded.readings), decoded.readings.values.shape, decoded.rejects) == (0, (0, 2), [])


def test_of_a_key_that_is_there_twice_the_last_counts() -> None:
    decoded = decode(decoder(PLAIN), b'{"series":"a","series":"b","time":1,"value":1,"value":2}')
    assert (decoded.readings.series[0], decoded.readings.values[0, 0]) == (b"b", 2)
