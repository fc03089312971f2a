"""Line protocol: the columnar encoder equals one that is plain, and InfluxDB gives back what was written."""

import asyncio
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Column, Points, Refused
from connectors.influxdb import InfluxDB
from connectors.line_protocol import encode
from tests.connectors.buckets import Identity, connection, new_bucket, stored
from tests.servers.fixtures import Bucket

EMPTY = "the series is empty"
NOT_UTF8 = "the series is not UTF-8 text"
LINE_BREAK = "the series holds a line break, which no tag of InfluxDB can"
BACKSLASH = "the series ends in a backslash, which no tag of InfluxDB can"
NO_FIELD = "no field holds a number"


# the reference: one row after the other, in plain Python


def escape(text: str, special: str = ",= ") -> str:
    return "".join("\\" + sign if sign in special else sign for sign in text)


def number(value: float | int | bool) -> str | None:
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, int):
        return f"{value}i"
    return orjson.dumps(value).decode() if np.isfinite(value) else None


def fault(name: bytes | None) -> str | None:
    """What is wrong with a series."""
    if not name:
        return EMPTY
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return NOT_UTF8
    if "\n" in text or "\r" in text:
        return LINE_BREAK
    return BACKSLASH if text.endswith("\\") else None


def line(points: Points, row: int) -> tuple[str, bytes]:
    """Why this row is refused, or its line."""
    name = points.series[row]
    if found := fault(name):
        return found, name or b""
    assert name is not None
    tags = {key: value for key, value in {**points.tags, "series": name.decode()}.items() if value}
    texts = {field: number(column[row].item()) for field, column in points.fields.items()}
    fields = [f"{escape(field)}={text}" for field, text in texts.items() if text is not None]
    if not fields:
        return NO_FIELD, name
    pairs = [f"{escape(key)}={escape(value)}" for key, value in sorted(tags.items())]
    head = ",".join([escape(points.measurement, ", "), *pairs])
    return "", f"{head} {','.join(fields)} {points.times[row]}\n".encode()


def same(points: Points) -> None:
    """The encoder's lines and refusals are the reference's, byte for byte."""
    encoded, plain = encode(points), [line(points, row) for row in range(len(points))]
    written = [(row, text) for row, (why, text) in enumerate(plain) if not why]
    refused = [(row, why, text) for row, (why, text) in enumerate(plain) if why]
    assert [encoded.between(i, i + 1) for i in range(len(encoded))] == [text for _, text in written]
    assert encoded.rows.tolist() == [row for row, _ in written]
    assert list(zip(encoded.refused.rows, encoded.refused.reasons, encoded.refused.values, strict=True)) == refused
    assert bytes(encoded.data) == b"".join(text for _, text in written)


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
signs = st.text(st.sampled_from("a,= \\\"'#é😀"), min_size=1, max_size=6)
named = (words | signs).filter(lambda s: bool(s) and "\\" not in s and s not in ("time", "series") and s[0] not in "#_")
values = (words | signs).filter(lambda s: not s.endswith("\\"))
series = st.none() | st.binary(max_size=6) | st.sampled_from([b"a\nb", b"\r", b"a\\", b"\\,", b""]) | (
    st.builds(str.encode, words | signs)
)  # fmt: skip
times = st.integers(-(2**63) + 2, 2**63 - 3)  # of those that InfluxDB takes, all but the last, which no query reaches
whole = st.integers(-(2**63), 2**63 - 1)


@st.composite
def drawn(draw: st.DrawFn, names: st.SearchStrategy[bytes | None] = series) -> Points:
    n = draw(st.integers(0, 6))

    def column(of: st.SearchStrategy[Any], dtype: Any) -> Any:
        return np.array(draw(st.lists(of, min_size=n, max_size=n)), dtype)

    kinds = {"f": st.floats(), "i": whole, "b": st.booleans()}
    types = {"f": np.float64, "i": np.int64, "b": np.bool_}
    chosen = draw(st.dictionaries(named, st.sampled_from("ffib"), max_size=5))
    fields = {name: column(kinds[kind], types[kind]) for name, kind in chosen.items()}
    tags = draw(st.dictionaries(named, values, max_size=3))
    names_ = Column.of(draw(st.lists(names, min_size=n, max_size=n)))
    return Points(draw(named), tags, names_, column(times, np.int64), fields)


@settings(max_examples=200, deadline=None)
@given(drawn())
def test_lines_are_those_of_the_plain_encoder(points: Points) -> None:
    same(points)


def test_columns_that_are_strided_or_share_a_buffer_give_the_same_lines() -> None:
    rng, names = np.random.default_rng(3), Column.of([b"a b", b"c", b"", b"d\\,e", None, "ü".encode()])
    table = rng.normal(size=(500, 4))
    table[rng.random((500, 4)) < 0.3] = np.nan
    fields: dict[str, Any] = {
        "x": table[:, 0],
        "y": table[:, 3],
        "n": rng.integers(0, 9, 1000)[::2],
        "b": rng.random(500) < 0.5,
    }
    at = np.arange(1000)[::-2]
    same(Points("scores", {"watch": "w"}, names.rows(rng.integers(0, 6, 500)), at, fields))
    same(Points("scores", {}, names.rows(rng.integers(0, 6, 500)), at, {"x": table[:, 0], "y": table[:, 3]}))


def test_escapes_and_characters_of_four_bytes_never_outgrow_the_buffer() -> None:
    for name in (b", =" * 300, "😀".encode() * 300, b"a"):
        fields = {"v": np.full(40, -1.2345678901234567e-300), "n": np.full(40, -(2**63)), "b": np.zeros(40, np.bool_)}
        same(Points("m", {}, Column.of([name] * 40), np.full(40, -(2**63)), fields))


# refusals


def one(name: bytes | None = b"s", **other: Any) -> Points:
    whole = {"measurement": "m", "tags": {}, "times": np.array([1]), "fields": {"v": np.array([1.5])}, **other}
    return Points(series=Column.of([name]), **whole)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (None, EMPTY), (b"", EMPTY), (b"\xff", NOT_UTF8), (b"a\xe2\x82", NOT_UTF8), (b"\xed\xa0\x80", NOT_UTF8),
        (b"a\nb", LINE_BREAK), (b"a\r", LINE_BREAK), (b"a\\", BACKSLASH), (b"\\", BACKSLASH),
    ],
)  # fmt: skip
def test_a_series_that_no_tag_can_hold_is_refused(name: bytes | None, reason: str) -> None:
    encoded = encode(one(name))
    assert (len(encoded), encoded.refused) == (0, Refused((0,), (reason,), (name or b"",)))


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (one(measurement="#m"), "InfluxDB takes the measurement '#m' for a comment"),
        (one(measurement=""), "InfluxDB cannot hold a measurement named ''"),
        (one(measurement="a\\"), r"InfluxDB cannot hold a measurement named 'a\\'"),
        (one(measurement="\ud800"), r"InfluxDB cannot hold a measurement named '\ud800'"),
        (one(tags={"a\nb": "c"}), r"InfluxDB cannot hold a tag named 'a\nb'"),
        (one(tags={"series": "c"}), "InfluxDB keeps no tag named 'series' beside its own and the series"),
        (one(tags={"_value": "c"}), "InfluxDB keeps no tag named '_value' beside its own and the series"),
        (one(tags={"a": "b\\"}), r"the tag a ends in a backslash, which no tag of InfluxDB can; got 'b\\'"),
        (one(tags={"a": "b\n"}), r"the tag a holds a line break, which no tag of InfluxDB can; got 'b\n'"),
        (one(tags={"a": "\ud800"}), r"the tag a is not UTF-8 text; got '\ud800'"),
        (one(fields={"a\\,b": np.array([1.0])}), r"InfluxDB cannot hold a field named 'a\\,b'"),
        (one(fields={"\t": np.array([1.0])}), r"InfluxDB cannot hold a field named '\t'"),
        (one(fields={"time": np.array([1.0])}), "InfluxDB drops a field named 'time'; give the variable another name"),
    ],
)
def test_a_name_that_influxdb_cannot_hold_refuses_all_points(points: Points, reason: str) -> None:
    encoded = encode(points)
    assert (len(encoded), encoded.refused) == (0, Refused((0,), (reason,), (b"s",)))


def test_runs_of_lines_are_slices_of_the_buffer() -> None:
    points = Points("m", {}, Column.of([b"a", b"", b"bc", b"d"]), np.arange(4), {"v": np.arange(4)})
    encoded = encode(points)
    assert encoded.between(0, 3) == b"m,series=a v=0i 0\nm,series=bc v=2i 2\nm,series=d v=3i 3\n"
    assert encoded.between(1, 2) == b"m,series=bc v=2i 2\n"
    assert (encoded.between(0, 0), encoded.between(3, 3)) == (b"", b"")


# the real server gives back what it was given

influx_names = st.builds(str.encode, values.filter(bool)) | st.binary(max_size=5)


def expected(points: Points) -> dict[Identity, dict[str, str]]:
    """What InfluxDB holds of the points that are not refused; numbers as text, so that -0.0 is not 0.0."""
    found: dict[Identity, dict[str, str]] = {}
    for row, name in enumerate(points.series):
        fields = {field: column[row].item() for field, column in points.fields.items()}
        present = {field: repr(value) for field, value in fields.items() if np.isfinite(value)}
        if present and not fault(name):
            assert name is not None
            tags = {key: value for key, value in {**points.tags, "series": name.decode()}.items() if value}
            identity = (points.measurement, tuple(sorted(tags.items())), int(points.times[row]))
            found[identity] = found.get(identity, {}) | present
    return found


@pytest.mark.servers
@settings(max_examples=40, deadline=None)
@given(points=drawn(influx_names))
def test_influxdb_gives_back_every_bit_of_what_it_accepts(influxdb: Bucket, points: Points) -> None:
    async def write(bucket: Bucket) -> Refused:
        sink = InfluxDB(connection(bucket))
        refused = await sink.write(points)
        await sink.close()
        return refused

    with new_bucket(influxdb) as bucket:
        assert asyncio.run(write(bucket)) == encode(points).refused
        found = {identity: {k: repr(v) for k, v in fields.items()} for identity, fields in stored(bucket).items()}
        assert found == expected(points)
