"""Every sink keeps every promise of its contract; SQLite keeps some more, InfluxDB no dead letters."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import connectors.sqlite
from connectors import sqlite_log
from connectors.base import Alert, Alerts, Column, DeadLetter, DeadLetters, Points, Refused, Rows, SinkBusy
from connectors.influxdb import InfluxDB
from connectors.memory import MemorySink
from connectors.sqlite import SQLite
from tests.connectors.buckets import connection, stored, stored_alerts
from tests.servers.fixtures import Bucket

TAGS = {"pipeline": "pumps", "watch": "spikes"}
DAY = 86_400 * 10**9


class Kept:
    """A sink, and what it holds in one form: plain scores, alerts, dead letters."""

    def __init__(self, sink: MemorySink | SQLite | InfluxDB, place: Path | Bucket) -> None:
        self.sink, self.place = sink, place

    def scores(self) -> list[dict[str, Any]]:
        if isinstance(self.place, Bucket):
            points = [point for point in stored(self.place).items() if point[0][0] == "scores"]
            found = [{**dict(tags), "time": time, **fields} for (_, tags, time), fields in points]
        elif isinstance(self.sink, MemorySink):
            held = self.sink.points.items()
            found = [{**dict(tags), "series": s, "time": time, **fields} for (_, tags, s, time), fields in held]
        else:
            return sqlite_log.scores(self.place, limit=None)
        return sorted(found, key=lambda point: -point["time"])

    def alerts(self) -> list[Alert]:
        if isinstance(self.place, Bucket):
            return stored_alerts(self.place)
        if isinstance(self.sink, MemorySink):
            return sorted(self.sink.alerts.values(), key=lambda alert: -alert.opened)
        return sqlite_log.alerts(self.place, limit=None)

    def dead(self) -> list[DeadLetter]:
        assert isinstance(self.place, Path)
        if isinstance(self.sink, MemorySink):
            return sorted(self.sink.dead.values(), key=lambda letter: letter.time)
        return sqlite_log.dead_letters(self.place, newest_first=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a new folder" / "log?#%.db"


@pytest.fixture(params=["memory", "sqlite", pytest.param("influxdb", marks=pytest.mark.servers)])
def kept(request: pytest.FixtureRequest, path: Path) -> Kept:
    if request.param == "influxdb":
        bucket: Bucket = request.getfixturevalue("bucket")
        return Kept(InfluxDB(connection(bucket)), bucket)
    return Kept(MemorySink() if request.param == "memory" else SQLite(path), path)


@pytest.fixture(params=["memory", "sqlite"])
def keeping_dead(request: pytest.FixtureRequest, path: Path) -> Kept:
    return Kept(MemorySink() if request.param == "memory" else SQLite(path), path)


def points(n: int = 3, /, **fields: Any) -> Points:
    """Rows of two series in turn, a second apart."""
    series = Column.of([b"pump-%d" % (row % 2) for row in range(n)])
    return Points("scores", TAGS, series, np.arange(n) * 10**9, fields or {"score": np.arange(n) / 2})


def alert(beginning: str = "a1", *, opened: int = 5, **other: Any) -> Alert:
    place: dict[str, Any] = {"topic": "t", "partition": 0, "first_offset": 3, "last_offset": 4, "started": opened}
    said: dict[str, Any] = {"pipeline": "pumps", "series": "pump-1", "watch": "spikes", "kind": "anomaly"}
    return Alert(**{"id": beginning, "state": "open", "opened": opened, **place, **said, **other})


def letter(offset: int = 7, **other: Any) -> DeadLetter:
    identity: dict[str, Any] = {"pipeline": "pumps", "topic": "t", "partition": 0, "offset": offset, "index": -1}
    said: dict[str, Any] = {"time": offset, "key": None, "value": b"{", "reason": "invalid_json"}
    return DeadLetter(**{**identity, **said, **other})


def written(sink: MemorySink | SQLite, *rows: Rows) -> list[Refused]:
    """Write these, then close."""

    async def write() -> list[Refused]:
        refused = [await sink.write(each) for each in rows]
        await sink.close()
        return refused

    return asyncio.run(write())


# every sink


async def test_writing_twice_changes_nothing(kept: Kept) -> None:
    for _ in range(2):
        for rows in (points(), Alerts([alert("a1"), alert("a2", kind="drift", opened=4)])):
            assert await kept.sink.write(rows) == Refused()
    assert [point["score"] for point in kept.scores()] == [1.0, 0.5, 0.0]
    assert kept.alerts() == [alert("a1"), alert("a2", kind="drift", opened=4)]
    await kept.sink.close()


async def test_dead_letters_are_kept_once_in_their_last_version(keeping_dead: Kept) -> None:
    for _ in range(2):
        assert await keeping_dead.sink.write(DeadLetters([letter(1), letter(2)])) == Refused()
    assert keeping_dead.dead() == [letter(1), letter(2)]
    await keeping_dead.sink.write(DeadLetters([letter(2), letter(2, attempt=1, detail="again")]))
    assert keeping_dead.dead() == [letter(1), letter(2, attempt=1, detail="again")]
    await keeping_dead.sink.close()


async def test_a_later_version_replaces_the_earlier(kept: Kept) -> None:
    later = alert(state="closed", closed=9, peak_score=4.5, actual={"flow": 1.5}, evidence={"voters": [1, 2]})
    await kept.sink.write(Alerts([alert()]))
    await kept.sink.write(Alerts([later]))
    await kept.sink.write(points(1, score=np.array([1.0]), drift=np.array([0.5])))
    await kept.sink.write(points(1, score=np.array([2.0])))
    assert kept.alerts() == [later]
    assert kept.scores() == [{**TAGS, "series": "pump-0", "time": 0, "score": 2.0}]
    await kept.sink.close()


async def test_a_number_that_is_nan_is_absent(kept: Kept) -> None:
    numbers = np.array([1.5, np.nan])
    await kept.sink.write(points(2, score=numbers, threshold=numbers[::-1], flow=numbers, pressure=numbers[::-1]))
    second, first = kept.scores()
    assert first == {**TAGS, "series": "pump-0", "time": 0, "score": 1.5, "flow": 1.5}
    assert second == {**TAGS, "series": "pump-1", "time": 10**9, "threshold": 1.5, "pressure": 1.5}
    await kept.sink.close()


async def test_fields_keep_their_type_and_names_their_signs(kept: Kept) -> None:
    fields = {"alarm": np.array([True]), "kind": np.array([2]), 'a "quoted", ü': np.array([1e-300]), "n": np.array([7])}
    await kept.sink.write(points(1, **fields))
    (point,) = kept.scores()
    assert {name: point[name] for name in fields} == {"alarm": True, "kind": 2, 'a "quoted", ü': 1e-300, "n": 7}
    assert [type(point[name]) for name in fields] == [bool, int, float, int]
    await kept.sink.close()


async def test_writing_nothing_is_accepted(kept: Kept) -> None:
    for rows in (points(0), points(0, flow=np.array([])), Alerts([]), DeadLetters([])):
        assert await kept.sink.write(rows) == Refused()
    assert (kept.scores(), kept.alerts()) == ([], [])
    await kept.sink.close()


# rows that SQLite refuses


@pytest.mark.parametrize(
    ("bad", "reason"), [(None, "NOT NULL constraint failed: scores.series"), (b"\xff", "surrogates not allowed")]
)
async def test_a_point_without_a_readable_series_is_refused_and_the_rest_stored(
    path: Path, bad: bytes | None, reason: str
) -> None:
    sink = SQLite(path)
    refused = await sink.write(replace(points(3), series=Column.of([b"first", bad, b"last"])))
    assert list(refused.rows) == [1]
    assert reason in refused.reasons[0]
    assert [point["series"] for point in sqlite_log.scores(path)] == ["last", "first"]
    await sink.close()


async def test_points_without_a_pipeline_are_refused(path: Path) -> None:
    sink = SQLite(path)
    refused = await sink.write(replace(points(2), tags={"watch": "spikes"}))
    assert list(refused.rows) == [0, 1]
    assert set(refused.reasons) == {"NOT NULL constraint failed: scores.pipeline"}
    assert sqlite_log.scores(path) == []
    await sink.close()


async def test_another_measurement_is_refused_by_name(path: Path) -> None:
    sink = SQLite(path)
    refused = await sink.write(replace(points(2), measurement="health"))
    assert list(refused.rows) == [0, 1]
    assert set(refused.reasons) == {"SQLite stores the measurement 'scores'; got 'health'"}
    await sink.close()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (letter(2**63), "too large to convert to SQLite INTEGER"),
        (letter(2, detail="\ud800"), "surrogates not allowed"),
        (msgspec.structs.replace(letter(2), topic=None), "NOT NULL constraint failed: dead_letters.topic"),
    ],
)
async def test_a_dead_letter_that_cannot_be_stored_is_refused_and_the_rest_stored(
    path: Path, bad: DeadLetter, reason: str
) -> None:
    sink = SQLite(path)
    refused = await sink.write(DeadLetters([letter(1), bad, letter(3)]))
    assert list(refused.rows) == [1]
    assert reason in refused.reasons[0]
    assert [each.offset for each in sqlite_log.dead_letters(path)] == [3, 1]
    await sink.close()


async def test_an_alert_that_is_no_json_is_refused_and_the_rest_stored(path: Path) -> None:
    sink = SQLite(path)
    refused = await sink.write(Alerts([alert("a1"), alert("a2", evidence={"what": object()}), alert("a3")]))
    assert list(refused.rows) == [1]
    assert "object" in refused.reasons[0]
    assert [each.id for each in sqlite_log.alerts(path)] == ["a1", "a3"]
    await sink.close()


async def test_values_that_are_not_finite_are_absent_from_an_alert(path: Path) -> None:
    sink = SQLite(path)
    values = {"flow": float("nan"), "pressure": 1.0, "level": float("inf")}
    await sink.write(Alerts([alert(actual=values, contributions=values, peak_score=float("nan"))]))
    assert sqlite_log.alerts(path) == [alert(actual={"pressure": 1.0}, contributions={"pressure": 1.0})]
    await sink.close()


# a busy file, and one that others use


async def test_a_locked_file_is_busy_and_nothing_is_lost_afterwards(path: Path) -> None:
    sink = SQLite(path, busy_timeout=0)
    await sink.write(DeadLetters([letter(1)]))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(2):
            with pytest.raises(SinkBusy, match="database is locked") as busy:
                await sink.write(DeadLetters([letter(2)]))
            assert busy.value.retry_after > 0
        other.execute("ROLLBACK")
    assert sqlite_log.dead_letters(path) == [letter(1)]
    await sink.write(DeadLetters([letter(2)]))
    assert sqlite_log.dead_letters(path) == [letter(2), letter(1)]
    await sink.close()


async def test_a_full_file_is_busy_and_keeps_nothing_of_the_write(path: Path) -> None:
    sink = SQLite(path)
    await sink.write(DeadLetters([letter(1)]))
    pages = sink._file.execute("PRAGMA page_count").fetchone()[0]
    sink._file.execute(f"PRAGMA max_page_count = {pages + 4}")
    many = [letter(offset, value=bytes(3000)) for offset in range(2, 50)]
    with pytest.raises(SinkBusy, match="full"):
        await sink.write(DeadLetters(many))
    assert sqlite_log.dead_letters(path) == [letter(1)]
    sink._file.execute("PRAGMA max_page_count = 100000")
    await sink.write(DeadLetters(many))
    assert len(sqlite_log.dead_letters(path)) == 49
    await sink.close()


async def test_closing_a_locked_file_gives_up_without_loss(path: Path) -> None:
    sink = SQLite(path, keep=60, busy_timeout=0)
    await sink.write(DeadLetters([letter(1)]))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await sink.close()
        other.execute("ROLLBACK")
    assert sqlite_log.dead_letters(path) == [letter(1)]


async def test_a_write_that_is_cancelled_leaves_the_sink_usable(path: Path) -> None:
    sink = SQLite(path)
    writing = asyncio.create_task(sink.write(points(5000, flow=np.ones(5000))))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert await sink.write(DeadLetters([letter(1)])) == Refused()
    assert len(sqlite_log.scores(path, limit=None)) in (0, 5000)
    await sink.close()


async def test_writes_that_overlap_are_stored_in_the_order_of_their_calls(path: Path) -> None:
    sink = SQLite(path)
    await asyncio.gather(*[sink.write(Alerts([alert(alarms=version)])) for version in range(20)])
    assert sqlite_log.alerts(path)[0].alarms == 19
    await sink.close()


async def test_a_reader_sees_whole_writes_while_others_follow(path: Path) -> None:
    sink = SQLite(path)

    async def write() -> None:
        for row in range(0, 2000, 100):
            await sink.write(DeadLetters([letter(row + each) for each in range(100)]))

    writing, seen = asyncio.create_task(write()), [0]
    while not writing.done():
        seen.append(len(await asyncio.to_thread(sqlite_log.dead_letters, path)))
    await writing
    assert seen == sorted(seen)
    assert all(count % 100 == 0 for count in seen)
    assert len(sqlite_log.dead_letters(path)) == 2000
    await sink.close()


def test_a_reopened_file_still_has_its_rows_and_no_log_beside_it(path: Path) -> None:
    written(SQLite(path), points(), Alerts([alert()]), DeadLetters([letter()]))
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    written(SQLite(path), DeadLetters([letter(8)]))
    assert len(sqlite_log.scores(path)) == 3
    assert sqlite_log.alerts(path) == [alert()]
    assert sqlite_log.dead_letters(path) == [letter(8), letter(7)]


async def test_what_is_written_survives_a_process_that_never_closes(path: Path, tmp_path: Path) -> None:
    sink = SQLite(path)
    await sink.write(DeadLetters([letter(1)]))
    copied = tmp_path / "copy.db"
    for ending in ("", "-wal"):
        copied.with_name(copied.name + ending).write_bytes(path.with_name(path.name + ending).read_bytes())
    assert sqlite_log.dead_letters(copied) == [letter(1)]
    await sink.close()


# retention


def aged(days: Sequence[int]) -> list[Rows]:
    """One point, one closed alert and one dead letter of each of these days."""
    times = np.array(days) * DAY
    scored = Points("scores", TAGS, Column.of([b"s"] * len(days)), times, {"score": np.ones(len(days))})
    closed = Alerts([alert(f"day {day}", opened=day * DAY, state="closed", closed=day * DAY + 1) for day in days])
    return [scored, closed, DeadLetters([letter(day, time=day * DAY) for day in days])]


def days_kept(path: Path) -> list[set[int]]:
    return [
        {point["time"] // DAY for point in sqlite_log.scores(path, limit=None)},
        {each.opened // DAY for each in sqlite_log.alerts(path)},
        {each.time // DAY for each in sqlite_log.dead_letters(path)},
    ]


def test_at_the_end_rows_older_than_keep_before_the_newest_are_gone(path: Path) -> None:
    written(SQLite(path, keep=2 * 86_400), *aged([0, 7, 8, 9, 10]))
    assert days_kept(path) == [{8, 9, 10}] * 3


def test_without_keep_everything_stays(path: Path) -> None:
    written(SQLite(path), *aged([0, 10_000]))
    assert days_kept(path) == [{0, 10_000}] * 3


def test_an_open_alert_is_never_too_old(path: Path) -> None:
    written(SQLite(path, keep=86_400), Alerts([alert("still", opened=0)]), *aged([0, 10]))
    assert [each.id for each in sqlite_log.alerts(path)] == ["day 10", "still"]


async def test_retention_is_applied_with_every_256th_write(path: Path) -> None:
    sink = SQLite(path, keep=86_400)
    await sink.write(DeadLetters([letter(0, time=0), letter(1, time=10 * DAY)]))
    for _ in range(254):
        await sink.write(DeadLetters([]))
    assert len(sqlite_log.dead_letters(path)) == 2
    await sink.write(DeadLetters([]))
    assert sqlite_log.dead_letters(path) == [letter(1, time=10 * DAY)]
    await sink.close()


@pytest.mark.parametrize("keep", [0, -1.0, float("nan"), float("inf")])
def test_a_retention_out_of_range_is_refused(path: Path, keep: float) -> None:
    with pytest.raises(ValueError, match=r"SQLite\.keep must lie in"):
        SQLite(path, keep=keep)


# other files


def test_another_schema_version_is_refused(path: Path) -> None:
    written(SQLite(path))
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA user_version = {connectors.sqlite.VERSION + 1}")
    opening: list[Callable[[Path], object]] = [SQLite, sqlite_log.alerts]
    for use in opening:
        with pytest.raises(ValueError, match=r"log.*schema version 2; .* version 1\. Move the file away"):
            use(path)


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as file:
        file.execute("CREATE TABLE theirs (x)")
    before = other.read_bytes()
    with pytest.raises(ValueError, match="schema version 0"):
        SQLite(other)
    assert other.read_bytes() == before
    other.write_bytes(b"not a database " * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database") as refused:
        SQLite(other)
    assert str(other) in refused.value.__notes__[0]


def test_an_absent_file_says_what_to_do_and_is_not_created(path: Path) -> None:
    reading: list[Callable[[Path], object]] = [sqlite_log.alerts, sqlite_log.scores, sqlite_log.count_dead]
    reading.append(lambda file: sqlite_log.remove_dead(file, [letter()]))
    for read in reading:
        with pytest.raises(FileNotFoundError, match="run `watchkeeper demo` first"):
            read(path)
    assert not path.exists()


# reading back


def test_alerts_come_newest_first_by_state_and_limit(path: Path) -> None:
    states = ["open", "closed", "open", "closed"]
    written(SQLite(path), Alerts([alert(f"a{n}", opened=n, state=state) for n, state in enumerate(states)]))
    assert [each.id for each in sqlite_log.alerts(path)] == ["a3", "a2", "a1", "a0"]
    assert [each.id for each in sqlite_log.alerts(path, state="open")] == ["a2", "a0"]
    assert [each.id for each in sqlite_log.alerts(path, limit=1)] == ["a3"]


def test_an_alert_is_found_by_a_beginning_that_is_enough(path: Path) -> None:
    written(SQLite(path), Alerts([alert("abc1"), alert("abd"), alert("abc"), alert("x%_")]))
    assert sqlite_log.alert(path, "abd").id == "abd"
    assert sqlite_log.alert(path, "x").id == "x%_"
    assert sqlite_log.alert(path, "abc").id == "abc"
    with pytest.raises(
        LookupError, match=r"2 alerts have an id that begins with 'abc1?': abc|3 alerts .*: abc, abc1, abd"
    ):
        sqlite_log.alert(path, "ab")
    for absent in ("%", "b", "ABC"):
        with pytest.raises(LookupError, match="no alert whose id begins with"):
            sqlite_log.alert(path, absent)


def test_dead_letters_are_chosen_counted_and_removed(path: Path) -> None:
    late = [letter(offset, reason="late", pipeline="fans") for offset in (1, 2)]
    split = [letter(3, index=index, time=9) for index in (1, 0)]
    written(SQLite(path), DeadLetters([*late, *split, letter(4)]))
    assert sqlite_log.count_dead(path) == {"invalid_json": 3, "late": 2}
    assert list(sqlite_log.count_dead(path)) == ["invalid_json", "late"]
    assert sqlite_log.dead_letters(path, pipeline="fans") == late[::-1]
    assert sqlite_log.dead_letters(path, reason="late", newest_first=False) == late
    assert sqlite_log.dead_letters(path, pipeline="pumps", reason="late") == []
    assert sqlite_log.dead_letters(path, limit=1) == split[:1]
    assert sqlite_log.dead_letter(path, "pumps", "t", 0, 3) == split[::-1]
    assert sqlite_log.remove_dead(path, [*late, late[0], letter(99)]) == 2
    assert sqlite_log.remove_dead(path, []) == 0
    assert sqlite_log.count_dead(path) == {"invalid_json": 3}


def test_scores_are_chosen_by_series(path: Path) -> None:
    written(SQLite(path), points(5))
    assert [point["time"] for point in sqlite_log.scores(path, series="pump-1")] == [3 * 10**9, 10**9]
    assert [point["time"] for point in sqlite_log.scores(path, limit=1)] == [4 * 10**9]


# whatever is written is read back

words = st.text(st.characters(exclude_categories=["Cs"]))
whole = st.integers(-(2**63), 2**63 - 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
named = st.dictionaries(words, finite, max_size=3)
plain = st.recursive(
    st.none() | st.booleans() | whole | finite | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
dead = st.builds(
    DeadLetter,
    pipeline=words, topic=words, partition=whole, offset=whole, index=whole, time=whole, attempt=whole,
    key=st.none() | st.binary(), value=st.none() | st.binary(), reason=words, detail=words,
)  # fmt: skip
raised = st.builds(
    Alert,
    id=words, pipeline=words, series=words, watch=words, kind=words, state=words, topic=words, asset=words,
    reason=words,
    opened=whole, started=whole, partition=whole, first_offset=whole, last_offset=whole, alarms=whole,
    closed=st.none() | whole, peak_time=st.none() | whole,
    opening_score=st.none() | finite, peak_score=st.none() | finite, threshold=st.none() | finite,
    actual=named, expected=named, contributions=named,
    parameters=st.dictionaries(words, plain, max_size=3), evidence=st.dictionaries(words, plain, max_size=3),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(dead, max_size=4), st.lists(raised, max_size=3))
def test_whatever_is_written_is_read_back(letters: list[DeadLetter], alerts: list[Alert]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "log.db"
        assert written(SQLite(path), DeadLetters(letters), Alerts(alerts)) == [Refused()] * 2
        identity = {(d.pipeline, d.topic, d.partition, d.offset, d.index): d for d in letters}
        found = sqlite_log.dead_letters(path)
        assert {(d.pipeline, d.topic, d.partition, d.offset, d.index): d for d in found} == identity
        assert {a.id: a for a in sqlite_log.alerts(path)} == {a.id: a for a in alerts}
        assert sqlite_log.remove_dead(path, letters) == len(identity)
