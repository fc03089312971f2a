"""A Sink that is one SQLite file: the alert log, scores and dead letters of one machine, without a server."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import repeat
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import orjson

from connectors.base import (
    Alert,
    Alerts,
    BoolArray,
    DeadLetter,
    DeadLetters,
    FloatArray,
    IntArray,
    Points,
    Refused,
    Rows,
    SinkBusy,
)

VERSION = 1
RETAINED_EVERY = 256
"""writes between two checks of the retention, which reads whole tables"""

COLUMNS = ("score", "threshold", "alarm", "kind", "drift")
"""fields of the measurement `scores` that have a column; the others are in `more`"""

# Time leads the key of `scores`: rows come in its order, so that a write touches the last pages only, not one for each
# series (10,000 series: 350,000 points/s instead of 100,000), and the retention deletes from one end.
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS scores (
    pipeline TEXT NOT NULL, watch TEXT NOT NULL, series TEXT NOT NULL, time INTEGER NOT NULL,
    score REAL, threshold REAL, alarm INTEGER, kind INTEGER, drift REAL, more TEXT,
    PRIMARY KEY (time, pipeline, watch, series)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alerts (
    id TEXT NOT NULL PRIMARY KEY, pipeline TEXT NOT NULL, series TEXT NOT NULL, watch TEXT NOT NULL,
    kind TEXT NOT NULL, state TEXT NOT NULL, opened INTEGER NOT NULL, closed INTEGER, peak_score REAL,
    alert TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS dead_letters (
    pipeline TEXT NOT NULL, topic TEXT NOT NULL, "partition" INTEGER NOT NULL, "offset" INTEGER NOT NULL,
    idx INTEGER NOT NULL, time INTEGER NOT NULL, key BLOB, value BLOB, reason TEXT NOT NULL, detail TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    PRIMARY KEY (pipeline, topic, "partition", "offset", idx)
);
PRAGMA user_version = {VERSION};
COMMIT;
"""

_INTO_SCORES = "INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INTO_ALERTS = "INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INTO_DEAD_LETTERS = "INSERT OR REPLACE INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

_RETAIN = (
    "DELETE FROM scores WHERE time < (SELECT max(time) FROM scores) - ?",
    "DELETE FROM alerts WHERE state = 'closed' AND coalesce(closed, opened) < "
    "(SELECT max(coalesce(closed, opened)) FROM alerts) - ?",
    "DELETE FROM dead_letters WHERE time < (SELECT max(time) FROM dead_letters) - ?",
)

_BUSY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}

_UNSTORABLE = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    TypeError,
    ValueError,
)
"""what binding or storing one row raises when the row itself is at fault"""

Values = tuple[Any, ...]


class SQLite:
    """Keeps the measurement `scores`, alerts and dead letters in one file, which others may read meanwhile.

    Durable when `write` returns (write-ahead log, synchronous=FULL). One writer at a time: while another connection
    holds the file, or the disk is full, `write` raises SinkBusy. Refused are points of another measurement, and rows
    that SQLite cannot hold: no pipeline, watch or series, text that is not UTF-8, integers beyond 64 bits. A number
    that is NaN is NULL in a column; one that is not finite is absent in JSON text. Tags beside pipeline and watch go
    into `more` and are not part of the identity.

    path:         the file; its folder is created
    keep:         seconds of retention; None = everything. At every 256th write and at the end, rows older than `keep`
                  before the newest time in their table are deleted: scores and dead letters by their time, alerts by
                  when they were closed, and open ones never. The file does not shrink; its free pages are used again.
    busy_timeout: seconds to wait for another connection

    Raises ValueError if the file is of another schema version.
    """

    def __init__(self, path: Path, *, keep: float | None = None, busy_timeout: float = 5.0) -> None:
        if keep is not None and not 0 < keep <= 9e9:
            raise ValueError(f"SQLite.keep must lie in (0, 9e9] seconds; got {keep}")
        if not 0 <= busy_timeout <= 2e6:
            raise ValueError(f"SQLite.busy_timeout must lie in [0, 2e6] seconds; got {busy_timeout}")
        self._path = path
        self._keep = None if keep is None else int(keep * 1e9)
        self._writes = 0
        self._closed = False
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = _open(path, busy_timeout)
        # One thread: writes are stored in the order of their calls, and one that is cancelled still ends alone.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")

    async def write(self, rows: Rows) -> Refused:
        """Store all rows that can be stored, in one transaction."""
        if self._closed:
            raise ValueError(f"the sink of {self._path} is closed; nothing may be written to it")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._write, rows)

    async def close(self) -> None:
        """Apply the retention, move the write-ahead log into the file, and let go of it."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
            self._thread.shutdown(wait=False)

    def _write(self, rows: Rows) -> Refused:
        match rows:
            case Points(measurement="scores"):
                return self._store(_INTO_SCORES, list(_points(rows)), tuple)
            case Points():
                reason = f"SQLite stores the measurement 'scores'; got {rows.measurement!r}"
                return Refused(range(len(rows)), [reason] * len(rows))
            case Alerts():
                return self._store(_INTO_ALERTS, rows.rows, _alert)
            case DeadLetters():
                return self._store(_INTO_DEAD_LETTERS, rows.rows, _dead_letter)

    def _store(self, insert: str, rows: Sequence[Any], values: Callable[[Any], Values]) -> Refused:
        with self._transaction():
            refused = self._insert(insert, rows, values)
            if (self._writes + 1) % RETAINED_EVERY == 0:
                self._retain()
        self._writes += 1
        return refused

    def _insert(self, insert: str, rows: Sequence[Any], values: Callable[[Any], Values]) -> Refused:
        try:
            self._file.executemany(insert, map(values, rows))
        except _UNSTORABLE:
            return self._insert_singly(insert, rows, values)
        return Refused()

    def _insert_singly(self, insert: str, rows: Sequence[Any], values: Callable[[Any], Values]) -> Refused:
        refused: dict[int, str] = {}
        for index, row in enumerate(rows):
            try:
                self._file.execute(insert, values(row))
            except _UNSTORABLE as error:
                refused[index] = str(error)
        return Refused(list(refused), list(refused.values()))

    def _retain(self) -> None:
        if self._keep is not None:
            for statement in _RETAIN:
                self._file.execute(statement, (self._keep,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._file.execute("BEGIN IMMEDIATE")
            yield
            self._file.execute("COMMIT")
        except sqlite3.OperationalError as error:
            # the lower byte is the kind of error, the others say more about it
            if error.sqlite_errorcode & 0xFF in _BUSY:
                raise SinkBusy(f"{self._path}: {error}") from error
            raise
        finally:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")

    def _close(self) -> None:
        try:
            with self._transaction():
                self._retain()
            self._file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except SinkBusy:
            pass  # everything is stored; whoever opens the file next tidies up
        finally:
            self._file.close()


def refuse_other_version(file: sqlite3.Connection, path: Path) -> None:
    """Raise ValueError if this is not a file of our schema version."""
    version = file.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        raise ValueError(
            f"{path}: schema version {version}; this release reads and writes version {VERSION}. Move the file away, "
            "or name another one, or use the release that wrote it"
        )


def _open(path: Path, busy_timeout: float) -> sqlite3.Connection:
    file = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)
    try:
        if not file.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            file.execute("PRAGMA journal_mode = WAL")
            file.executescript(_SCHEMA)
        refuse_other_version(file, path)
        file.execute("PRAGMA synchronous = FULL")
        # ten thousand series touch as many pages in one write: keep them in memory, and move them into the file rarely
        file.execute("PRAGMA cache_size = -65536")
        file.execute("PRAGMA wal_autocheckpoint = 8192")
    except (sqlite3.DatabaseError, ValueError) as error:
        error.add_note(f"while opening {path}")
        file.close()
        raise
    return file


def _points(points: Points) -> Iterable[Values]:
    tags = dict(points.tags)
    pipeline, watch = tags.pop("pipeline", None), tags.pop("watch", None)
    # a name that is not UTF-8 then fails to bind, with a reason of its own
    series = [None if name is None else name.decode(errors="surrogateescape") for name in points.series]
    columns = [points.fields[name].tolist() if name in points.fields else repeat(None) for name in COLUMNS]
    others = {name: column for name, column in points.fields.items() if name not in COLUMNS}
    return zip(repeat(pipeline), repeat(watch), series, points.times.tolist(), *columns, _more(tags, others))


def _more(tags: Mapping[str, str], fields: Mapping[str, FloatArray | IntArray | BoolArray]) -> Iterable[str | None]:
    """JSON objects, one a row, made by columns: numbers in JSON hold no comma, so a list of them splits."""
    if not tags and not fields:
        return repeat(None)
    columns: list[Iterable[str]] = [repeat(f"{_json(name)}:{_json(value)}") for name, value in tags.items()]
    columns += [_members(_json(name), column) for name, column in fields.items()]
    return ("{" + ",".join(filter(None, members)) + "}" for members in zip(*columns, strict=False))


def _members(name: str, column: FloatArray | IntArray | BoolArray) -> list[str]:
    numbers = orjson.dumps(np.ascontiguousarray(column), option=orjson.OPT_SERIALIZE_NUMPY).decode()[1:-1]
    return ["" if number == "null" else f"{name}:{number}" for number in numbers.split(",")]


def _json(text: str) -> str:
    return orjson.dumps(text).decode()


def _alert(alert: Alert) -> Values:
    finite = msgspec.structs.replace(
        alert,
        actual=_finite(alert.actual),
        expected=_finite(alert.expected),
        contributions=_finite(alert.contributions),
    )
    whole = msgspec.json.encode(finite).decode()
    named = (alert.id, alert.pipeline, alert.series, alert.watch, alert.kind, alert.state)
    return (*named, alert.opened, alert.closed, alert.peak_score, whole)


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if isfinite(value)}


def _dead_letter(letter: DeadLetter) -> Values:
    return msgspec.structs.astuple(letter)
