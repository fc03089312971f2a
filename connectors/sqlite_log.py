"""Reading back what the SQLite sink has stored, also while it is being written."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from connectors.base import Alert, DeadLetter
from connectors.sqlite import COLUMNS, refuse_other_version

_LISTED = 10
"""candidates named where the beginning of an id is not enough"""

_LETTER = 'pipeline, topic, "partition", "offset", idx, time, key, value, reason, detail, attempt'


def alerts(path: Path, *, state: str | None = None, limit: int | None = 50) -> list[Alert]:
    """Alerts, the last opened first; only open or closed ones if `state` says so; all if there is no limit."""
    where = " WHERE state = :state" if state is not None else ""
    query = f"SELECT alert FROM alerts{where} ORDER BY opened DESC, id LIMIT :limit"
    rows = _read(path, query, {"state": state, "limit": _limit(limit)})
    return [_alert(text) for (text,) in rows]


def alert(path: Path, beginning: str) -> Alert:
    """The alert whose id begins so. LookupError if there is none, or more than one."""
    query = "SELECT id, alert FROM alerts WHERE substr(id, 1, :length) = :beginning ORDER BY id = :beginning DESC, id"
    rows = _read(path, query, {"length": len(beginning), "beginning": beginning})
    if not rows:
        raise LookupError(f"no alert whose id begins with {beginning!r} in {path}; `watchkeeper alerts` lists them")
    if len(rows) > 1 and rows[0][0] != beginning:
        candidates = ", ".join(row[0] for row in rows[:_LISTED]) + (", ..." if len(rows) > _LISTED else "")
        raise LookupError(
            f"{len(rows)} alerts have an id that begins with {beginning!r}: {candidates}; give more of it"
        )
    return _alert(rows[0][1])


def dead_letters(
    path: Path,
    *,
    pipeline: str | None = None,
    reason: str | None = None,
    limit: int | None = None,
    newest_first: bool = True,
) -> list[DeadLetter]:
    """Dead letters by the time of their record, of one pipeline and reason if these are given."""
    given = {"pipeline": pipeline, "reason": reason}
    where = " AND ".join(["TRUE", *(f"{name} = :{name}" for name, value in given.items() if value is not None)])
    way = "DESC" if newest_first else "ASC"
    order = ", ".join(f"{name} {way}" for name in ("time", "pipeline", "topic", '"partition"', '"offset"', "idx"))
    query = f"SELECT {_LETTER} FROM dead_letters WHERE {where} ORDER BY {order} LIMIT :limit"
    return _letters(_read(path, query, {**given, "limit": _limit(limit)}))


def dead_letter(path: Path, pipeline: str, topic: str, partition: int, offset: int) -> list[DeadLetter]:
    """What became dead of one record, in the order of its readings; empty if nothing did."""
    where = 'pipeline = ? AND topic = ? AND "partition" = ? AND "offset" = ?'
    query = f"SELECT {_LETTER} FROM dead_letters WHERE {where} ORDER BY idx"
    return _letters(_read(path, query, (pipeline, topic, partition, offset)))


def count_dead(path: Path) -> dict[str, int]:
    """How many dead letters there are of each reason, the most frequent first."""
    query = "SELECT reason, count(*) FROM dead_letters GROUP BY reason ORDER BY count(*) DESC, reason"
    return dict(_read(path, query, ()))


def scores(path: Path, *, series: str | None = None, limit: int | None = 50) -> list[dict[str, Any]]:
    """Points of the measurement `scores`, the newest first: pipeline, watch, series, time and the fields they have."""
    names = ("pipeline", "watch", "series", "time", *COLUMNS)
    where = " WHERE series = :series" if series is not None else ""
    order = "ORDER BY time DESC, pipeline, watch, series LIMIT :limit"
    rows = _read(
        path, f"SELECT {', '.join(names)}, more FROM scores{where} {order}", {"series": series, "limit": _limit(limit)}
    )
    return [_point(dict(zip(names, row[:-1], strict=True)), row[-1]) for row in rows]


def remove_dead(path: Path, letters: Sequence[DeadLetter]) -> int:
    """Delete these dead letters, all or none, and say how many were there."""
    where = 'pipeline = ? AND topic = ? AND "partition" = ? AND "offset" = ? AND idx = ?'
    identities = [(each.pipeline, each.topic, each.partition, each.offset, each.index) for each in letters]
    with _opened(path, "rw") as file, file:
        return file.executemany(f"DELETE FROM dead_letters WHERE {where}", identities).rowcount


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no file {path}; run `watchkeeper demo` first, or name the file that a worker writes"
        )
    file = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)
    try:
        refuse_other_version(file, path)
        yield file
    except sqlite3.DatabaseError as error:
        error.add_note(f"while using {path}")
        raise
    finally:
        file.close()


def _read(path: Path, query: str, values: dict[str, Any] | tuple[Any, ...]) -> list[tuple[Any, ...]]:
    with _opened(path, "ro") as file:
        return file.execute(query, values).fetchall()


def _limit(limit: int | None) -> int:
    # SQLite takes a negative limit for none
    return -1 if limit is None else limit


def _alert(text: str) -> Alert:
    return msgspec.json.decode(text, type=Alert)


def _letters(rows: Sequence[tuple[Any, ...]]) -> list[DeadLetter]:
    return [DeadLetter(**dict(zip(DeadLetter.__struct_fields__, row, strict=True))) for row in rows]


def _point(point: dict[str, Any], more: str | None) -> dict[str, Any]:
    present = {name: value for name, value in point.items() if value is not None}
    if "alarm" in present:
        present["alarm"] = bool(present["alarm"])
    return present | (msgspec.json.decode(more) if more else {})
