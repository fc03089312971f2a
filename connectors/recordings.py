"""Files of recorded readings as a source that ends: as fast as possible, or at a multiple of real time."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from connectors.base import Records
from connectors.recording_files import RecordedFile, Table, labels, numbers, open_file
from connectors.recording_times import LAST

__all__ = ["Recording", "labels", "numbers"]


class Recording:
    """Files as the partitions of a topic: partition k is the k-th file, an offset is a row of it.

    Rows of `.csv` and `.parquet` become JSON objects: the file's own columns, and `series` with the file's stem if it
    has no such column. Times are ISO 8601 with Z; a CSV passes its time on as it stands there, text or number.
    Columns that begin with `label` or `split` are left out (`labels` reads them). Lines of `.jsonl`, `.lp` and `.txt`
    are passed on unchanged. The key is the series' name. A record's time is the reading's own, from the column (or
    JSON field) `time`: a datetime, ISO 8601 text or seconds since 1970, or the nanoseconds that end a line of line
    protocol; a reading without one gets the last known, 0 before the first.

    The files are held in memory as columns; JSON is built a chunk at a time, in a thread.

    speed: None = as fast as possible; 60 = one recorded minute per second, by the records' times
    time:  name of the time column
    series: name of the series column
    chunk: most rows in one `Records`; files take turns chunk by chunk

    Raises ValueError if a file cannot be read as what its ending says.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        topic: str,
        speed: float | None = None,
        time: str = "timestamp",
        series: str = "series",
        chunk: int = 1000,
    ) -> None:
        if not paths:
            raise ValueError("Recording.paths must name at least one file; got none")
        if speed is not None and not 0 < speed < float("inf"):
            raise ValueError(f"Recording.speed must be a finite number above 0, or None; got {speed}")
        if chunk < 1:
            raise ValueError(f"Recording.chunk must be at least 1; got {chunk}")
        self.topic = topic
        self.partitions = range(len(paths))
        self._files = [open_file(Path(path), time=time, series=series) for path in paths]
        _refuse_same_series(paths, self._files)
        first = b"\n".join(file.first for file in self._files)
        self.identity = "recording:" + hashlib.blake2b(first, digest_size=12).hexdigest()
        self._speed, self._chunk = speed, chunk

    def bounds(self, partition: int) -> tuple[int, int | None]:
        """First row, and one past the last."""
        return 0, self._file(partition).rows

    async def read(self, start: Mapping[int, int]) -> AsyncIterator[Records]:
        """Chunks of the files in turn; with a speed, only what is due by now."""
        at = {partition: start[partition] for partition in sorted(start)}
        first = min((self._first_time(partition, row) for partition, row in at.items()), default=LAST)
        clock = asyncio.get_running_loop().time
        began = clock()
        while unread := [partition for partition, row in at.items() if row < self._file(partition).rows]:
            now = LAST if self._speed is None else min(LAST, first + int((clock() - began) * self._speed * 1e9))
            due = {partition: rows for partition in unread if (rows := self._due(partition, at[partition], now))}
            for partition, rows in due.items():
                yield await asyncio.to_thread(self._records, partition, at[partition], at[partition] + rows)
                at[partition] += rows
            if not due and self._speed is not None:
                soonest = min(int(self._file(partition).times[at[partition]]) for partition in unread)
                await asyncio.sleep((soonest - now) / 1e9 / self._speed)

    def _file(self, partition: int) -> RecordedFile:
        if partition not in self.partitions:
            raise ValueError(f"this recording has partitions 0 to {len(self.partitions) - 1}; got {partition}")
        return self._files[partition]

    def _first_time(self, partition: int, row: int) -> int:
        """The first known time that is still to come."""
        times = self._file(partition).times[row:]
        known = np.flatnonzero(times)
        return int(times[known[0]]) if len(known) else LAST

    def _due(self, partition: int, row: int, now: int) -> int:
        """How many rows of the next chunk are not later than `now`; one that steps back in time is not held up."""
        times = self._file(partition).times[row : row + self._chunk]
        return int(np.searchsorted(np.maximum.accumulate(times), now, side="right"))

    def _records(self, partition: int, begin: int, end: int) -> Records:
        file = self._file(partition)
        keys, values = file.records(begin, end)
        return Records(self.topic, partition, np.arange(begin, end), keys, values, file.times[begin:end])


def _refuse_same_series(paths: Sequence[Path], files: Sequence[RecordedFile]) -> None:
    """Two series of one name would overwrite each other's scores."""
    stems = [
        Path(p).stem for p, file in zip(paths, files, strict=True) if isinstance(file, Table) and not file.names_series
    ]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise ValueError(f"the series is named by the file, and several are called {', '.join(twice)}; rename them")
