"""Records to decode: built by hand, and by hypothesis, from the well-formed to any bytes whatever."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from connectors.base import Column, Records
from streams.decode.readings import Decoded, Decoder

BROKER_TIME = 1_600_000_000_000_000_000


def records(values: Sequence[bytes | None], keys: Sequence[bytes | None] | None = None) -> Records:
    """Records of one partition with these values, and the key `k` unless others are given."""
    n = len(values)
    named = Column.of([b"k"] * n if keys is None else keys)
    return Records("t", 0, np.arange(n), named, Column.of(values), BROKER_TIME + np.arange(n))


def decode(decoder: Decoder, *values: bytes | None) -> Decoded:
    return decoder.decode(records(values))


def reason(decoder: Decoder, value: bytes | None) -> tuple[int, str]:
    """Index and reason of the only reject of one record that holds no reading."""
    decoded = decode(decoder, value)
    assert len(decoded.readings) == 0
    (reject,) = decoded.rejects
    return reject.index, reject.reason


def rows(decoded: Decoded) -> list[tuple[int, int, bytes | None, int, bytes]]:
    """Every reading, its values as their bits."""
    r = decoded.readings
    columns = (r.records.tolist(), r.index.tolist(), list(r.series), r.times.tolist())
    return list(zip(*columns, [row.tobytes() for row in r.values], strict=True))


def told(decoded: Decoded) -> list[tuple[int, int, str]]:
    return [(reject.record, reject.index, reject.reason) for reject in decoded.rejects]


def accounted(decoded: Decoded, n: int) -> None:
    """accepted + rejected = received: every record is there, each of its readings exactly once."""
    seen: dict[int, list[int]] = {row: [] for row in range(n)}
    r = decoded.readings
    assert np.all(np.diff(r.records) >= 0)
    assert [reject.record for reject in decoded.rejects] == sorted(reject.record for reject in decoded.rejects)
    for record, index in [*zip(r.records, r.index, strict=True), *((j.record, j.index) for j in decoded.rejects)]:
        seen[int(record)].append(int(index))
    for indexes in seen.values():
        assert indexes
        assert sorted(indexes) == ([-1] if -1 in indexes else list(range(len(indexes))))


TOKENS = [
    *(
        "null",
        "true",
        "0",
        "-0",
        "-0.0",
        "1e400",
        "-1e400",
        "1e-400",
        "NaN",
        "Infinity",
        "-Infinity",
        '"1"',
        "[]",
        "{}",
    ),
    *(
        "9007199254740993",
        "18446744073709551617",
        "9" * 400,
        "0.1",
        "1E5",
        "2e-7",
        "123456789012345678901.5",
        "01",
        "1.",
    ),
    *("1700000000", "1700000000123", "1700000000.123456", "1700000000.1234567", "-1", "-1e-9", "1e9", "4.5e-6", "1e19"),
    *('"2024-02-29T23:59:59.999999999Z"', '"2023-02-29"', '"1969-12-31T23:59:59Z"', '"9999-01-01"', '"a"', '""'),
    *('"\\u0061"', '"\\ud800"', '"\\ud83d\\ude00"', '"é"', '"\\""', '"\\\\"', '"]"', '"{"', '{"id":"x"}', '{"id":3}'),
]
KEYS = ["series", "time", "value", "other", "items", "meta", "seri\\u0065s", "é", ""]
BLANKS = st.sampled_from(["", "", "", " ", "\n", "\t ", "\r\n"])


def _dumped(value: Any) -> str:
    return json.dumps(value)


TOKEN = st.one_of(
    st.sampled_from(TOKENS),
    st.floats().map(_dumped),
    st.integers().map(_dumped),
    st.floats(0, 4e9).map(_dumped),
    st.decimals(0, 10**9, places=6).map(str),
    st.text(max_size=4).map(_dumped),
    st.text(max_size=4).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.datetimes().map(lambda time: _dumped(time.isoformat())),
)


@st.composite
def members(draw: st.DrawFn, value: st.SearchStrategy[str]) -> str:
    """An object, mostly with the keys that matter, in any order and spacing, some of them twice."""
    good = {"series": '"a"', "time": "1700000000.5", "value": "20.5"}
    keys = draw(st.permutations([*good, *draw(st.lists(st.sampled_from(KEYS), max_size=3))]))
    parts = []
    for key in keys:
        blank = [draw(BLANKS) for _ in range(4)]
        kept = key in good and draw(st.integers(0, 3))
        parts.append(f'{blank[0]}"{key}"{blank[1]}:{blank[2]}{good[key] if kept else draw(value)}{blank[3]}')
    return "{" + ",".join(parts[draw(st.sampled_from([0, 0, 0, 1])) :]) + "}"


def arrays(value: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(value, max_size=4).map(lambda inner: "[" + ", ".join(inner) + "]")


OBJECT = members(TOKEN)
NESTED = members(st.one_of(TOKEN, arrays(OBJECT), OBJECT))
DOCUMENT = st.one_of(OBJECT, NESTED, arrays(st.one_of(OBJECT, OBJECT, TOKEN)), TOKEN).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """A document that was cut, joined with another, or had a byte changed, put in or taken out."""
    text = draw(whole)
    at = draw(st.integers(0, len(text)))
    byte = draw(
        st.one_of(st.sampled_from([b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" "]), st.binary(max_size=2))
    )
    how = draw(st.integers(0, 4))
    cut, spliced = [text[:at], text[at:]], text[:at] + byte
    return [cut[0], cut[1], spliced + text[at:], spliced + text[at + 1 :], text + draw(whole)][how]


VALUE = st.one_of(DOCUMENT, DOCUMENT, damaged(DOCUMENT), st.binary(max_size=30), st.none())
KEY = st.one_of(st.none(), st.binary(max_size=6), st.just(b"k"))
