"""The contracts of this package held in lists and dicts: for tests, and to read how a contract is meant."""

import copy
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np

from connectors.base import Alert, Alerts, Claim, DeadLetter, Points, Records, Refused, Rows, Snapshot

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
    >>> snapshots.claim("pumps/0", 0)
    Claim(epoch=1, starts=1)
    >>> for generation in (1, 2):
    ...     size = snapshots.write("pumps/0", Snapshot(epoch=1, generation=generation, offset=100 * generation))
    >>> snapshots.read("pumps/0").offset, snapshots.newest("pumps/0")
    (200, (1, 2, 200))
    >>> [snapshots.claim("pumps/0", offset).starts for offset in (200, 200, 300)]
    [1, 2, 1]
    >>> snapshots.left("pumps/0", 300)
    >>> snapshots.claim("pumps/0", 300)
    Claim(epoch=5, starts=1)
    """

    def __init__(self) -> None:
        self.written: dict[str, list[Snapshot]] = {}
        self._claims: dict[str, tuple[int, int, int]] = {}
        """epoch, offset and starts of the last claim"""

    def read(self, name: str) -> Snapshot | None:
        found = self.written.get(name, [])
        return _apart(max(found, key=_order)) if found else None

    def newest(self, name: str) -> tuple[int, int, int] | None:
        return max(map(_order, self.written.get(name, [])), default=None)

    def write(self, name: str, snapshot: Snapshot) -> int:
        self.written.setdefault(name, []).append(_apart(snapshot))
        return sum(array.nbytes for arrays in snapshot.parts.values() for array in arrays.values())

    def claim(self, name: str, offset: int) -> Claim:
        last, at, count = self._claims.get(name, (0, offset, 0))
        epoch = 1 + max(last, (self.newest(name) or (0,))[0])
        starts = count + 1 if at == offset else 1
        self._claims[name] = (epoch, offset, starts)
        return Claim(epoch, starts)

    def left(self, name: str, offset: int) -> None:
        if name in self._claims:
            self._claims[name] = (self._claims[name][0], offset, 0)


def _text(name: bytes | None) -> str | None:
    try:
        return None if name is None else name.decode()
    except UnicodeDecodeError:
        return None


def _order(snapshot: Snapshot) -> tuple[int, int, int]:
    return snapshot.epoch, snapshot.generation, snapshot.offset


def _apart(snapshot: Snapshot) -> Snapshot:
    """A copy that shares no memory; metadata goes through JSON, as it does on a disk."""
    parts = {name: {key: np.array(a) for key, a in arrays.items()} for name, arrays in snapshot.parts.items()}
    metadata: dict[str, Any] = json.loads(json.dumps(dict(snapshot.metadata)))
    return Snapshot(snapshot.epoch, snapshot.generation, snapshot.offset, metadata, parts)
