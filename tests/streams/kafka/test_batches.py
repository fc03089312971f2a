"""Raw record batches: what they hold is read as aiokafka reads it, and what is not right in them is never read."""

import asyncio
import struct
import time
from collections.abc import Sequence

import numpy as np
import pytest
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Column
from connectors.kafka.letters import ATTEMPT
from streams.batches import CRC_END, HEAD, LATEST, MS, take
from tests.streams.kafka import broker, raw
from tests.streams.kafka.broker import CODECS, Sent
from tests.streams.kafka.raw import CODES, One, batch, patched, rows

EVERY_CODEC = pytest.mark.parametrize("codec", CODES)

BYTES = st.one_of(st.none(), st.binary(max_size=40))
HEADERS = st.lists(st.tuples(st.text(max_size=8), BYTES), max_size=3)
RECORDS = st.lists(st.tuples(st.integers(1, 3), st.integers(0, LATEST), BYTES, BYTES, HEADERS), min_size=1, max_size=20)


def ones(drawn: Sequence[tuple[int, int, bytes | None, bytes | None, raw.Headers]]) -> list[One]:
    """With the gaps between their offsets summed up, as in a compacted topic."""
    offsets = np.cumsum([0, *(step for step, *_ in drawn[1:])]).tolist()
    return [One(offset, *rest) for offset, (_, *rest) in zip(offsets, drawn, strict=True)]  # type: ignore[arg-type]


@EVERY_CODEC
@given(drawn=RECORDS, base=st.integers(0, 2**60), skip=st.integers(0, 60))
@settings(max_examples=30, deadline=None)
def test_records_of_any_make_are_what_was_packed(drawn, base, skip, codec: str) -> None:  # type: ignore[no-untyped-def]
    """Null and empty keys, values and headers; offsets with gaps; a start in the middle of a batch."""
    records = ones(drawn)
    slice_ = take("t", 0, batch(records, base=base, codec=codec), base + skip, None)
    found = slice_.records()
    assert rows(found) == [(base + r.offset, r.time, r.key, r.value) for r in records if r.offset >= skip]
    assert (slice_.first, slice_.last) == (base + skip, max(base + records[-1].offset, base + skip - 1))
    assert found.end == slice_.last + 1
    assert found.attempts is None


PLAIN = [One(i, 1_700_000_000_000 + i, b"k%d" % i, b"value %d" % i, [("h", b"x")]) for i in range(8)]


@EVERY_CODEC
def test_batches_in_several_codecs_stand_in_one_slice(codec: str) -> None:
    data = b"".join(
        batch(PLAIN, base=10 * i, codec=each) for i, each in enumerate([codec, "none", "gzip", codec, "zstd"])
    )
    found = take("t", 0, data, 3, None).records()
    assert found.offsets.tolist() == [10 * i + r for i in range(5) for r in range(8) if 10 * i + r >= 3]
    assert list(found.values) == [r.value for _ in range(5) for r in PLAIN][3:]


def test_a_batch_that_is_cut_off_comes_with_the_next_fetch() -> None:
    two = [batch(PLAIN, base=0), batch(PLAIN, base=8, codec="lz4")]
    data, edge = b"".join(two), len(two[0])
    for size in range(len(data) + 1):
        slice_ = take("t", 0, data[:size], 0, None)
        whole = 2 if size == len(data) else 1 if size >= edge else 0
        assert slice_.last == 8 * whole - 1
        assert len(slice_.records()) == 8 * whole


@EVERY_CODEC
def test_a_flipped_bit_anywhere_is_a_wrong_checksum(codec: str) -> None:
    data = batch(PLAIN, codec=codec)
    for at in range(CRC_END - 4, len(data)):
        with pytest.raises(CorruptRecordException, match="wrong checksum of the batch at offset 0"):
            take("t", 0, data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :], 0, None)


def test_formats_before_the_second_are_refused() -> None:
    data = batch(PLAIN)
    with pytest.raises(UnsupportedCodecError, match="record format 1 at offset 0; only 2 is read"):
        take("t", 0, data[:16] + b"\1" + data[17:], 0, None)


def inside(column: Column, size: int) -> bool:
    """Whether all that is not null lies in the buffer."""
    there = column.ends >= column.starts
    starts, ends = column.starts[there], column.ends[there]
    return bool(np.all(starts >= 0) and np.all(ends <= size))


@EVERY_CODEC
@given(at=st.integers(0, 400), new=st.binary(min_size=1, max_size=12), drawn=RECORDS)
@settings(max_examples=150, deadline=None)
def test_damage_under_a_right_checksum_is_refused_or_stays_inside(at, new, drawn, codec: str) -> None:  # type: ignore[no-untyped-def]
    data = batch(ones(drawn), codec=codec)
    place = HEAD.size + at % (len(data) - HEAD.size)
    slice_ = take("t", 0, patched(data, place, new[: len(data) - place]), 0, None)
    try:
        found = slice_.records()
    except ValueError:
        return
    assert len(found) <= len(drawn)
    assert inside(found.keys, len(found.keys.data))
    assert inside(found.values, len(found.values.data))


@EVERY_CODEC
@pytest.mark.parametrize("count", [1, 7, 9, 1000, 2**31 - 1, -1])
def test_a_count_that_lies_is_refused(codec: str, count: int) -> None:
    data = patched(batch(PLAIN, codec=codec), HEAD.size - 4, struct.pack(">i", count))
    with pytest.raises(ValueError, match="t/0: a malformed record batch near offset 0"):
        take("t", 0, data, 0, None).records()


@pytest.mark.parametrize(
    "body",
    [
        b"\xff" * 9 + b"\x01",
        b"\xfe" + b"\xff" * 8 + b"\x01",
        b"\x80" * 11,
        b"\x00",
        b"\x01",
        b"\x0c\x00\x00\x00\xfe\xff",
    ],
    ids=["the least", "the greatest", "endless", "none", "less than none", "a key beyond the end"],
)
def test_lengths_that_lie_are_refused(body: bytes) -> None:
    data = batch(PLAIN)
    with pytest.raises(ValueError, match="malformed"):
        take("t", 0, patched(data, HEAD.size, body), 0, None).records()


@pytest.mark.parametrize(("sent", "taken"), [(-1, -1), (0, 0), (LATEST, LATEST), (LATEST + 1, LATEST), (2**62, LATEST)])
def test_a_time_that_no_clock_shows_is_taken_as_the_last_that_one_does(sent: int, taken: int) -> None:
    data = patched(batch(PLAIN[:1]), HEAD.size - 34, struct.pack(">q", sent))
    assert take("t", 0, data, 0, None).records().times.tolist() == [taken * MS]


def test_how_often_a_record_was_replayed_stands_in_its_header() -> None:
    def attempt(value: bytes | None) -> raw.Headers:
        return [("other", b"9"), (ATTEMPT, value), ("", None)]

    records = [One(i, 0, None, b"v", attempt(value)) for i, value in enumerate([b"1", b"23", b"", None])]
    found = take("t", 0, batch([*records, One(4, 0, None, b"v")]), 0, None).records()
    assert found.attempts is not None
    assert found.attempts.tolist() == [1, 23, 0, 0, 0]


def odd(i: int) -> Sent:
    """Null and empty keys, values and headers, now and then."""
    value = None if i % 5 == 0 else b"%d" % i * (i % 3)
    key = None if value is not None and i % 7 == 0 else b"k" * (i % 4)
    return Sent(value, key=key, headers=[("h", b"x"), ("", b"")][: i % 3])


async def send_mixed(bootstrap: str, topic: str) -> None:
    """All codecs, nulls and empties, headers; committed, aborted and interleaved transactions."""
    for number, codec in enumerate(CODECS):
        records = [odd(i) for i in range(60)]
        await broker.send(bootstrap, topic, records, compression_type=codec, max_batch_size=400)
        async with (
            broker.producer(bootstrap, transactional_id=f"{topic}.{number}", compression_type=codec) as one,
            broker.producer(bootstrap, transactional_id=f"{topic}.{number}b", compression_type=codec) as other,
        ):
            for aborts in (True, False, True):
                await one.begin_transaction()
                await other.begin_transaction()
                for part in range(0, 60, 20):
                    await broker.put(one, topic, records[part : part + 20])
                    await broker.put(other, topic, records[part : part + 5])
                await (one.abort_transaction() if aborts else one.commit_transaction())
                await broker.put(other, topic, records[:5])
                await (other.commit_transaction() if aborts else other.abort_transaction())


@pytest.mark.servers
@pytest.mark.parametrize("stamp", ["CreateTime", "LogAppendTime"])
def test_what_a_broker_holds_is_read_as_aiokafka_reads_it(bootstrap: str, topic: str, stamp: str) -> None:
    raw.create(bootstrap, topic, message_timestamp_type=stamp)
    asyncio.run(compare(bootstrap, topic))


async def compare(bootstrap: str, topic: str) -> None:
    await send_mixed(bootstrap, topic)
    end = (await broker.ends(bootstrap, topic, 1))[0]
    async with raw.fetcher(bootstrap, topic) as fetcher:
        for committed in (True, False):
            expected = await raw.read_by_aiokafka(bootstrap, topic, 0, committed=committed)
            assert len(expected) > 500
            for first in (0, 1, 37, 60, 61, end // 2, end - 1):
                for size in (1 << 20, 700):
                    found = await fetcher.read(first, size=size, committed=committed)
                    assert found == [row for row in expected if row[0] >= first]


@pytest.mark.servers
@pytest.mark.slow
def test_a_compacted_topic_is_read_as_aiokafka_reads_it(bootstrap: str, topic: str) -> None:
    raw.create(
        bootstrap, topic, cleanup_policy="compact", min_cleanable_dirty_ratio="0.0", segment_ms="100",
        delete_retention_ms="0",
    )  # fmt: skip
    asyncio.run(compacted(bootstrap, topic))


async def compacted(bootstrap: str, topic: str) -> None:
    records = [Sent(b"%d" % i, key=b"k%d" % (i % 7 if i % 3 else i)) for i in range(300)]
    deadline = time.monotonic() + 120
    async with raw.fetcher(bootstrap, topic) as fetcher:
        while True:
            await broker.send(bootstrap, topic, records, max_batch_size=500)
            expected = await raw.read_by_aiokafka(bootstrap, topic, 0, committed=True)
            if len(expected) < expected[-1][0] + 1:
                break
            assert time.monotonic() < deadline, "the broker has not compacted"
            await asyncio.sleep(1.0)
        assert await fetcher.read(0) == expected
