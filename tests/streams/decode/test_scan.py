"""The scanner takes what is plain, leaves the rest, and touches nothing outside its records."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Column
from streams.decode.scan import Fields, scan
from streams.decode.times import CLOCKS
from tests.streams.decode.material import DOCUMENT

FIELDS = Fields.of(series="series", time="time", values=("value", "other"), clock=CLOCKS["s"], max_name=8)
GOOD = b'{"series":"a","time":1,"value":2}'


def left(*values: bytes) -> list[bool]:
    marks: list[bool] = scan(Column.of(values), FIELDS).left.tolist()
    return marks


@pytest.mark.parametrize(
    "value",
    [
        GOOD,
        b' { "value" : 2 ,\r\n\t"time" : 1.5 , "series" : "abcdefgh" } \n',
        b'{"other":-0.5e-3,"value":null,"time":"2024-05-01T10:00:00Z","series":"a"}',
        b'{"x":"","":0,"y":true,"z":false,"n":null,"e":1e9,"series":"a","time":1,"value":2}',
        b"[" + GOOD + b"]",
        b" [ " + GOOD + b" , " + GOOD + b" ] ",
    ],
)
def test_plain_objects_are_for_this_lane(value: bytes) -> None:
    assert left(value) == [False]


@pytest.mark.parametrize(
    "value",
    [
        *(
            b"",
            b" ",
            b"{",
            b"}",
            b"{}",
            b"[]",
            b"[{}]",
            b"1",
            b'"',
            b"[" + GOOD,
            b"[" + GOOD + b",]",
            GOOD + b"," + GOOD,
        ),
        *(b"[" + GOOD + GOOD + b"]", b"[" + GOOD + b",3]", b"[[" + GOOD + b"]]", GOOD + b"]", b"[" + GOOD + b"}"),
        *(GOOD[:-1], GOOD[1:], GOOD + b"x", GOOD[:-1] + b",}", GOOD[:-1] + b',"x"}', GOOD[:-1] + b',"x":}'),
        GOOD[:-1] + b',"x":{}}',
        GOOD[:-1] + b',"x":"\\n"}',
        GOOD[:-1] + b',"x":"\xc3\xa9"}',
        GOOD[:-1] + b',"x":tru}',
        GOOD[:-1] + b',"x":nul}',
        GOOD[:-1] + b',"x":01}',
        GOOD[:-1] + b',"x":"\x1f"}',
        GOOD[:-1] + b',"value":3}',
        b'{"series":"abcdefghi","time":1,"value":2}',
        b'{"series":"","time":1,"value":2}',
        b'{"series":7,"time":1,"value":2}',
        b'{"series":"a","time":-1,"value":2}',
        b'{"series":"a","time":"soon","value":2}',
        b'{"series":"a","time":1,"value":"2"}',
        b'{"series":"a","time":1,"value":1e400}',
        b'{"series":"a","time":1,"value":null}',
        b'{"series":"a","time":1}',
        b'{"series":"a","value":2}',
        b'{"time":1,"value":2}',
    ],
)
def test_anything_unusual_is_left_to_the_parser(value: bytes) -> None:
    assert left(value) == [True]


def test_one_faulty_reading_leaves_its_whole_array_and_nothing_else() -> None:
    got = scan(Column.of([GOOD, b"[" + GOOD + b"," + GOOD + b",{}]", b"[" + GOOD + b"]"]), FIELDS)
    assert (got.records.tolist(), got.index.tolist(), got.left.tolist()) == ([0, 2], [0, 0], [False, True, False])


@settings(deadline=None)
@given(st.lists(DOCUMENT, min_size=1, max_size=4), st.binary(max_size=3))
def test_what_lies_around_a_record_does_not_matter(documents: list[bytes], around: bytes) -> None:
    for document in documents:
        inside = Column.of([around, document, around]).rows(slice(1, 2))
        alone, within = scan(Column.of([document]), FIELDS), scan(inside, FIELDS)
        assert alone.left.tolist() == within.left.tolist()
        assert alone.values.tobytes() == within.values.tobytes()
        assert list(alone.names) == list(within.names)


def test_names_lie_in_the_records_own_bytes() -> None:
    records = Column.of([GOOD, GOOD])
    assert scan(records, FIELDS).names.data is records.data
