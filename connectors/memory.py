"""The contracts of this package held in lists and dicts: for tests, and to read how a contract is meant."""

import copy
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np

from connectors.base import Alert, Alerts, DeadLetter, Points, Records, Refused, Rows, Snapshot

PointIdentity = tuple[str, tuple[tuple[str, str], ...], str, int]
"""measurement, sorted tags, series, time"""

DeadLetterIdentity = tuple[str, str, int, int, int]
"""pipeline, topic, partition, offset, index"""


class MemorySource:
    """Slices of records in the order in which they are read.

    >>> import asyncio, numpy as np
    >>> from connectors.base import Column
    >>> words, now = Column.of([b"a", b"b", b"c"]), np.zeros(3, np.int64)
    >>> source = MemorySource("pumps", [Records("pumps", 0, np.array([4, 5, 9]), words, words, now)])
    >>> source.bounds(0)
    (4, 10)
    >>> async def values(start: int) -> list[bytes | None]:
    ...     return [value async for records in source.read({0: start}) for value in records.values]
    >>> asyncio.run(values(5))
    [b'b', b'c']
    """

    def __init__(self, topic: str, slices: Sequence[Records]) -> None:
        for one in slices:
            if one.topic != topic:
                raise ValueError(f"MemorySource.slices must all be of topic {topic!r}; got {one.topic!r}")
        self.topic = topic
        self.identity = f"memory:{topic}"
        self.partitions = sorted({one.partition for one in slices})
        self._slices = [one for one in slices if len(one)]

    def bounds(self, partition: int) -> tuple[int, int | None]:
        if partition not in self.partitions:
            raise ValueError(f"{self.identity} has partitions {self.partitions}; got {partition}")
        offsets = [one.offsets for one in self._slices if one.partition == partition]
        return (int(offsets[0][0]), int(offsets[-1][-1]) + 1) if offsets else (0, 0)

    async def read(self, start: Mapping[int, int]) -> AsyncIterator[Records]:
        for partition in start:
            self.bounds(partition)
        for one in self._slices:
            wanted = one.offsets >= start.get(one.partition, np.iinfo(np.int64).max)
            if wanted.all():
                yield one
            elif wanted.any():
                yield one.rows(wanted)


class MemorySink:
    """The last version of each point, alert and dead letter, by identity.

    >>> import asyncio, numpy as np
    >>> from connectors.base import Column
    >>> sink = MemorySink()
    >>> series, times = Column.of([b"p1", b"p2"]), np.array([10, 20])
    >>> rows = Points("scores", {"watch": "spikes"}, series, times, {"score": np.array([1.5, np.nan])})
    >>> len(asyncio.run(sink.write(rows)))
    0
    >>> sink.points[("scores", (("watch", "spikes"),), "p1", 10)]
    {'score': 1.5}
    """

    def __init__(self) -> None:
        self.points: dict[PointIdentity, dict[str, float | int | bool]] = {}
        self.alerts: dict[str, Alert] = {}
        self.dead: dict[DeadLetterIdentity, DeadLetter] = {}
        self._closed = False

    async def write(self, rows: Rows) -> Refused:
        if self._closed:
            raise ValueError("this sink is closed; nothing may be written to it")
        if isinstance(rows, Points):
            return self._put_points(rows)
        if isinstance(rows, Alerts):
            self.alerts |= {alert.id: copy.deepcopy(alert) for alert in rows.rows}
        else:
            self.dead |= {(d.pipeline, d.topic, d.partition, d.offset, d.index): d for d in rows.rows}
        return Refused()

    async def close(self) -> None:
        self._closed = True

    def _put_points(self, points: Points) -> Refused:
        tags = tuple(sorted(points.tags.items()))
        columns = {name: values.tolist() for name, values in points.fields.items()}
        refused: list[int] = []
        for row, (name, time) in enumerate(zip(points.series, points.times.tolist(), strict=True)):
            series = _text(name)
            if series is None:
                refused.append(row)
                continue
            fields = {field: values[row] for field, values in columns.items() if values[row] == values[row]}
            self.points[points.measurement, tags, series, time] = fields
        reasons = (f"the series must be UTF-8 text; got {points.series[row]!r}" for row in refused)
        return Refused(tuple(refused), tuple(reasons))


class MemorySnapshots:
    """Every snapshot that was ever written, in a list per name.

    >>> snapshots = MemorySnapshots()
    >>> for generation in (1, 2):
    ...     snapshots.write("pumps/0", Snapshot(epoch=7, generation=generation, offset=100 * generation))
    >>> snapshots.read("pumps/0").offset
    200
    >>> [snapshots.starts("pumps/0", offset) for offset in (200, 200, 300)]
    [1, 2, 1]
    """

    def __init__(self) -> None:
        self.written: dict[str, list[Snapshot]] = {}
        self._starts: dict[str, tuple[int, int]] = {}

    def read(self, name: str) -> Snapshot | None:
        found = self.written.get(name, [])
        return _apart(max(found, key=lambda s: (s.epoch, s.generation, s.offset))) if found else None

    def write(self, name: str, snapshot: Snapshot) -> None:
        self.written.setdefault(name, []).append(_apart(snapshot))

    def starts(self, name: str, offset: int) -> int:
        last, count = self._starts.get(name, (offset, 0))
        self._starts[name] = (offset, count + 1 if last == offset else 1)
        return self._starts[name][1]


def _text(name: bytes | None) -> str | None:
    try:
        return None if name is None else name.decode()
    except UnicodeDecodeError:
        return None


def _apart(snapshot: Snapshot) -> Snapshot:
    """A copy that shares no memory; metadata goes through JSON, as it does on a disk."""
    parts = {name: {key: np.array(a) for key, a in arrays.items()} for name, arrays in snapshot.parts.items()}
    metadata: dict[str, Any] = json.loads(json.dumps(dict(snapshot.metadata)))
    return Snapshot(snapshot.epoch, snapshot.generation, snapshot.offset, metadata, parts)
