"""The contracts of this package: what goes in and out as bytes and rows, and who carries it."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Column:
    """n byte strings without n Python objects: one buffer, and where each begins and ends.

    data:   the buffer
    starts: (n,) first byte
    ends:   (n,) one past the last byte; `end < start` = null
    """

    data: bytes
    starts: IntArray
    ends: IntArray

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, row: int) -> bytes | None:
        start, end = int(self.starts[row]), int(self.ends[row])
        return None if end < start else self.data[start:end]

    def __iter__(self) -> Iterator[bytes | None]:
        data = self.data
        for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True):
            yield None if end < start else data[start:end]

    def rows(self, index: IntArray | BoolArray | slice) -> "Column":
        """The strings at `index`, over the same buffer."""
        return Column(self.data, self.starts[index], self.ends[index])

    @classmethod
    def of(cls, items: Sequence[bytes | None]) -> "Column":
        """A column of these strings."""
        lengths = np.fromiter((0 if item is None else len(item) for item in items), np.int64, len(items))
        ends = np.cumsum(lengths)
        starts = ends - lengths
        null = np.fromiter((item is None for item in items), np.bool_, len(items))
        return cls(b"".join(item for item in items if item), starts, np.where(null, starts - 1, ends))


@dataclass(frozen=True, slots=True)
class Records:
    """Consecutive records of one topic partition.

    offsets:  (n,) rising, with gaps where a topic is compacted
    times:    (n,) broker time, ns since 1970
    attempts: (n,) how often each was replayed from the dead letters; None = none of them ever
    end:      the offset to read next; None = one past the last record. A log may hold more than records
    """

    topic: str
    partition: int
    offsets: IntArray
    keys: Column
    values: Column
    times: IntArray
    attempts: IntArray | None = None
    end: int | None = None

    def __len__(self) -> int:
        return len(self.offsets)

    def rows(self, index: IntArray | BoolArray | slice) -> "Records":
        """The records at `index`, over the same buffers; `end` is not among them."""
        attempts = None if self.attempts is None else self.attempts[index]
        keys, values = self.keys.rows(index), self.values.rows(index)
        return Records(self.topic, self.partition, self.offsets[index], keys, values, self.times[index], attempts)


@dataclass(frozen=True, slots=True)
class Origin:
    """Which readings n rows were made of: offsets (n,), and index (n,) within the record."""

    topic: str
    partition: int
    offsets: IntArray
    index: IntArray


@dataclass(frozen=True, slots=True)
class Points:
    """Rows of one measurement. A point is (measurement, tags, series, time): writing it again overwrites it.

    tags:   the same on every row
    series: (n,) UTF-8 names, a tag that varies
    times:  (n,) ns since 1970
    fields: name -> (n,) numbers; NaN = absent
    origin: of the rows; None = they were not made of readings
    """

    measurement: str
    tags: Mapping[str, str]
    series: Column
    times: IntArray
    fields: Mapping[str, FloatArray | IntArray | BoolArray]
    origin: Origin | None = None

    def __len__(self) -> int:
        return len(self.times)


class Alert(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a person sees: opened, held, closed. Writing the same id again overwrites it.

    Times are ns since 1970, UTC; offsets count in (topic, partition); values are in the unit of the readings.
    """

    id: str
    pipeline: str
    series: str
    watch: str
    kind: str
    state: str
    """open or closed"""
    opened: int
    """time of the reading that opened it"""
    started: int
    """time of the first alarm that led to it"""
    topic: str
    partition: int
    first_offset: int
    last_offset: int
    """replay these, first to last, to see it again"""
    asset: str = ""
    closed: int | None = None
    alarms: int = 0
    opening_score: float | None = None
    peak_score: float | None = None
    peak_time: int | None = None
    threshold: float | None = None
    """at the peak, in the score's unit"""
    actual: dict[str, float] = {}
    expected: dict[str, float] = {}
    contributions: dict[str, float] = {}
    """variable or feature -> value at the peak"""
    parameters: dict[str, Any] = {}
    """of the watch that raised it"""
    evidence: dict[str, Any] = {}
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Alerts:
    """Alerts that were opened, changed or closed, in that order."""

    rows: Sequence[Alert]

    def __len__(self) -> int:
        return len(self.rows)


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record, or one reading of it, that could not be used: the original bytes and why.

    It is (pipeline, topic, partition, offset, index): writing it again overwrites it.
    `index` counts readings within the record, -1 = the record as a whole.
    """

    pipeline: str
    topic: str
    partition: int
    offset: int
    index: int
    time: int
    key: bytes | None
    value: bytes | None
    reason: str
    detail: str = ""
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Dead letters in the order of their records."""

    rows: Sequence[DeadLetter]

    def __len__(self) -> int:
        return len(self.rows)


Rows = Points | Alerts | DeadLetters


@dataclass(frozen=True, slots=True)
class Refused:
    """Rows that a sink will never accept, the server's reason for each, and the bytes that it refused."""

    rows: Sequence[int] = ()
    reasons: Sequence[str] = ()
    values: Sequence[bytes] = ()

    def __len__(self) -> int:
        return len(self.rows)


class SinkBusy(Exception):
    """Nothing was accepted; ask again after `retry_after` seconds."""

    def __init__(self, reason: str, retry_after: float = 1.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Source(Protocol):
    """Where records come from: a recording, this machine, a topic."""

    @property
    def topic(self) -> str:
        """Where the records come from, as in Records."""

    @property
    def identity(self) -> str:
        """What a snapshot remembers, so that its offsets are never applied to something else."""

    @property
    def partitions(self) -> Sequence[int]:
        """Numbers of the partitions."""

    def bounds(self, partition: int) -> tuple[int, int | None]:
        """First offset that can be read, and one past the last; None = it has no end."""

    def read(self, start: Mapping[int, int]) -> AsyncIterator[Records]:
        """Records of the partitions named in `start`, each from the offset given there, in order per partition.

        Ends when all are read to their end; a source without end never does.
        """


class Sink(Protocol):
    """Where points, alerts and dead letters go."""

    async def write(self, rows: Rows) -> Refused:
        """Return when all but the refused rows are durably accepted.

        Raises SinkBusy if nothing was. Writing the same rows again changes nothing.
        """

    async def close(self) -> None:
        """Let go of files and connections. Nothing may be written afterwards."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a worker knows about one partition, and the next offset to read.

    Ordered by (epoch, generation): an epoch is one ownership of the partition, a generation one checkpoint in it.
    parts: name -> named arrays; metadata: plain JSON values.
    """

    epoch: int
    generation: int
    offset: int
    metadata: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict)


class Claim(NamedTuple):
    """An ownership of a partition, and how many in a row began at its offset and never left it in order, with this."""

    epoch: int
    starts: int


class Snapshots(Protocol):
    """Where snapshots are kept, by names such as `pumps/sensors.pumps/3`. Its methods block, and raise OSError."""

    def read(self, name: str) -> Snapshot | None:
        """The newest one that is whole; None if there is none. Damaged ones are passed over, with a warning."""

    def newest(self, name: str) -> tuple[int, int, int] | None:
        """Epoch, generation and offset of the one that `read` tries first; None if there is none. Cheap."""

    def write(self, name: str, snapshot: Snapshot) -> int:
        """All or nothing, and durable on return; the bytes written. Its arrays must stand still meanwhile."""

    def claim(self, name: str, offset: int) -> Claim:
        """Take over, to start from this offset, with an epoch above all that were ever claimed or written."""

    def left(self, name: str, offset: int) -> None:
        """Let go in order, at this offset: the next start there is the first again. Without a claim, nothing."""
