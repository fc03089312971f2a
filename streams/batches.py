"""Raw Kafka record batches to Records: checked when fetched, decompressed and framed when used."""

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import NamedTuple

import cramjam
import numpy as np
from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.util import calc_crc32c
from numba import njit

from connectors.base import Column, IntArray, Records
from connectors.kafka.letters import ATTEMPT
from connectors.octets import Octets, octets

HEAD = Struct(">qiibIhiqqqhii")
"""Record batch v2 (KIP-98): base offset, length, leader epoch, magic, crc, attributes, last offset delta, first and
last time in ms, producer id, producer epoch, base sequence, count. The crc covers everything from the attributes on."""

LENGTH_END, CRC_END = 12, 21
CODEC, LOG_APPEND_TIME, TRANSACTIONAL, CONTROL = 0x07, 0x08, 0x10, 0x20
"""bits of the attributes"""

MS = 1_000_000
"""ns"""

LATEST = (2**63 - 1) // MS
"""ms since 1970 that are ns in 64 bits: the year 2262; a record that says later is taken as of then"""

LEAST = 7
"""bytes of a record: length, attributes, time, offset, key, value, count of headers"""

_DECODE: dict[int, Callable[[bytes], bytes]] = {1: gzip_decode, 2: snappy_decode, 3: lz4_decode, 4: zstd_decode}
_UNREADABLE = (OSError, EOFError, struct.error, zlib.error, cramjam.DecompressionError)
"""what the codecs make of bytes that they did not write"""
_ATTEMPT = octets(ATTEMPT.encode())


class Batch(NamedTuple):
    """Where the records of one batch lie in the fetched bytes; times in ms."""

    start: int
    end: int
    attributes: int
    base: int
    records: int
    first_time: int
    last_time: int


@dataclass(slots=True)
class Slice:
    """Undecoded record batches of one partition, in order, as one fetch brought them.

    first, last: offsets that it covers, whether there are records at each of them or not
    round:       which assignment of the worker it was delivered in
    """

    topic: str
    partition: int
    first: int
    last: int
    data: bytes
    batches: list[Batch] = field(default_factory=list)
    round: int = 0

    def records(self) -> Records:
        """The records from `first` on. Raises ValueError if a batch is not what its header says."""
        try:
            data, rows = self._bodies()
        except _UNREADABLE as error:
            raise self._malformed(f" ({error})") from error
        if not ((rows[:, 3] > 0) & (rows[:, 3] <= (rows[:, 1] - rows[:, 0]) // LEAST)).all():
            raise self._malformed(" (it cannot hold as many records as it says)")
        columns = np.empty((7, sum(batch.records for batch in self.batches)), np.int64)
        n = _frame(octets(data), rows, self.first, _ATTEMPT, columns)
        if n < 0:
            raise self._malformed()
        offsets, times, key_starts, key_ends, starts, ends, attempts = columns[:, :n]
        keys, values = Column(data, key_starts, key_ends), Column(data, starts, ends)
        tried = attempts if attempts.any() else None
        return Records(self.topic, self.partition, offsets, keys, values, times, tried, self.last + 1)

    def _malformed(self, why: str = "") -> ValueError:
        return ValueError(f"{self.topic}/{self.partition}: a malformed record batch near offset {self.first}{why}")

    def _bodies(self) -> tuple[bytes, IntArray]:
        """The records' bytes, decompressed where needed, and where each batch lies in them."""
        data, parts, at = self.data, [], 0
        packed = any(batch.attributes & CODEC for batch in self.batches)
        rows = np.empty((len(self.batches), 6), np.int64)
        for row, batch in zip(rows, self.batches, strict=True):
            start, end = batch.start, batch.end
            if packed:
                body = data[start:end]
                if codec := batch.attributes & CODEC:
                    body = _decompress(codec, body)
                parts.append(body)
                start, end = at, at + len(body)
                at = end
            appended = batch.last_time if batch.attributes & LOG_APPEND_TIME else -1
            row[:] = start, end, batch.base, batch.records, batch.first_time, appended
        return b"".join(parts) if packed else data, rows


def _decompress(codec: int, body: bytes) -> bytes:
    if codec not in _DECODE:
        raise UnsupportedCodecError(f"compression codec {codec}; there are gzip, snappy, lz4 and zstd")
    return bytes(_DECODE[codec](body))


def take(topic: str, partition: int, data: bytes, first: int, aborted: Sequence[tuple[int, int]] | None) -> Slice:
    """A slice of all whole batches in what was fetched from offset `first` on.

    Control batches, batches that end below `first` and those of aborted transactions have no part in it, but it covers
    their offsets. aborted: producer id and first offset of each, None = aborted records are read like others.
    Raises CorruptRecordException where a checksum is wrong.
    """
    slice_ = Slice(topic, partition, first, first - 1, data)
    waiting = sorted(aborted or [], key=lambda each: each[1])
    open_: set[int] = set()
    view, at = memoryview(data), 0
    while len(data) - at >= HEAD.size:
        base, length, _, magic, crc, attributes, delta, first_time, last_time, producer, _, _, count = HEAD.unpack_from(
            data, at
        )
        start, at = at, at + LENGTH_END + length
        if at > len(data):
            break  # cut off at the end: it comes again with the next fetch
        if magic != 2:
            raise UnsupportedCodecError(f"{topic}/{partition}: record format {magic} at offset {base}; only 2 is read")
        if calc_crc32c(view[start + CRC_END : at]) != crc:
            raise CorruptRecordException(f"{topic}/{partition}: wrong checksum of the batch at offset {base}")
        while waiting and waiting[0][1] <= base:
            open_.add(waiting.pop(0)[0])
        left_out = base + delta < first or attributes & CONTROL
        if attributes & CONTROL and _aborts(data, start + HEAD.size):
            open_.discard(producer)
        if attributes & TRANSACTIONAL and producer in open_:
            left_out = True
        slice_.last = max(slice_.last, base + delta)
        if count and not left_out:
            slice_.batches.append(Batch(start + HEAD.size, at, attributes, base, count, first_time, last_time))
    return slice_


def _aborts(data: bytes, start: int) -> bool:
    """Whether the one record of a control batch ends a transaction by aborting it: its key is version, then type 0."""
    body = data[start:]
    columns = np.empty((7, 1), np.int64)
    rows = np.array([[0, len(body), 0, 1, 0, -1]])
    _frame(octets(body), rows, 0, _ATTEMPT, columns)
    key = int(columns[2, 0])
    return body[key + 2 : key + 4] == b"\x00\x00"


@njit(cache=True, nogil=True, inline="always")
def _varint(b: Octets, p: int, end: int) -> tuple[int, int]:
    """A zigzag varint and one past its end; one that does not end before `end` ends behind it."""
    number, shift = np.uint64(0), np.uint64(0)
    while p < end:
        c = np.uint64(b[p])
        p += 1
        number |= (c & np.uint64(127)) << shift
        if c < np.uint64(128):
            return int(np.int64(number >> np.uint64(1)) ^ -np.int64(number & np.uint64(1))), p
        shift += np.uint64(7)
        if shift > np.uint64(63):
            break
    return 0, end + 1


@njit(cache=True, nogil=True)
def _attempt(b: Octets, p: int, end: int, word: Octets) -> int:
    """The number in the header named `word` among the headers at p; 0 = there is none, -1 = they are malformed."""
    count, p = _varint(b, p, end)
    found = 0
    for _ in range(count):
        length, p = _varint(b, p, end)
        if length < 0 or length > end - p:
            return -1
        same = length == word.size
        j = 0
        while same and j < length:
            same = b[p + j] == word[j]
            j += 1
        size, p = _varint(b, p + length, end)
        if size > end - p:
            return -1
        if same and size > 0:
            found = 0
            for q in range(p, p + min(size, 9)):
                if 48 <= b[q] <= 57:
                    found = 10 * found + b[q] - 48
        p += max(size, 0)
    return found if p == end else -1


@njit(cache=True, nogil=True)
def _frame(b: Octets, batches: IntArray, first: int, word: Octets, out: IntArray) -> int:
    """Find the records at or above the offset `first`; how many, or -1 if a batch is malformed.

    batches: (m, 6) start, end, base offset, count, first time in ms, append time in ms or -1
    out:     (7, n) offset, time in ns, start and end of the key, of the value; attempt
    """
    n = 0
    for j in range(batches.shape[0]):
        p, stop = batches[j, 0], batches[j, 1]
        for _ in range(batches[j, 3]):
            length, p = _varint(b, p, stop)
            end = p + length
            if length < 1 or end > stop:
                return -1
            after, p = _varint(b, p + 1, end)
            delta, p = _varint(b, p, end)
            key, p = _varint(b, p, end)
            if key > end - p:
                return -1
            out[2, n], out[3, n] = p, p + key
            value, p = _varint(b, p + max(key, 0), end)
            if value > end - p:
                return -1
            out[4, n], out[5, n] = p, p + value
            p += max(value, 0)
            # most records have no headers: one byte that says so
            plain = p + 1 == end and b[p] == 0
            out[6, n] = 0 if plain else _attempt(b, p, end, word)
            if out[6, n] < 0:
                return -1
            out[0, n] = batches[j, 2] + delta
            time = batches[j, 4] + after if batches[j, 5] < 0 else batches[j, 5]
            out[1, n] = min(max(time, -1), LATEST) * MS
            if out[0, n] >= first:
                n += 1
            p = end
        if p != stop:
            return -1
    return n
