import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.base import Column, Records, Source
from connectors.host import Host, rates
from connectors.memory import MemorySource
from connectors.recordings import Recording, labels

RECORDINGS = Path(__file__).parents[2] / "streams" / "recordings"
MACHINE = RECORDINGS / "machine" / "machine_temperature_system_failure.parquet"
FERRYBOX = RECORDINGS / "ferrybox" / "one_ocean_2021.parquet"
ROWS = 25
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
NOON_NS = int(NOON.timestamp()) * 10**9

Record = tuple[int, bytes | None, bytes | None, int]


def memory(_: Path) -> Source:
    def slice_of(partition: int, offsets: range) -> Records:
        values = Column.of([b"%d/%d" % (partition, offset) for offset in offsets])
        times = np.array(offsets, np.int64) * 10**9
        return Records("t", partition, np.array(offsets, np.int64), Column.of([b"k"] * len(offsets)), values, times)

    return MemorySource("t", [slice_of(0, range(10)), slice_of(1, range(ROWS)), slice_of(0, range(10, ROWS))])


def csv(folder: Path) -> Source:
    rows = [f"2024-05-01T12:00:{row:02}Z,{row / 4},{int(row > 20)},{row % 2}" for row in range(ROWS)]
    for name in ("north", "south"):
        (folder / f"{name}.csv").write_text("\n".join(["timestamp,value,label,split_part", *rows]))
    return Recording([folder / "north.csv", folder / "south.csv"], topic="t", chunk=7)


def parquet(folder: Path) -> Source:
    table = pa.table(
        {
            "timestamp": pa.array([NOON_NS + row * 10**9 for row in range(ROWS)], pa.timestamp("ns", "UTC")),
            "value": np.arange(ROWS) / 4,
            "label": pa.array([int(row > 20) for row in range(ROWS)], pa.int8()),
            "label_window": pa.array([int(row > 20) for row in range(ROWS)], pa.int8()),
        }
    )
    for name in ("north", "south"):
        pq.write_table(table, folder / f"{name}.parquet")
    return Recording([folder / "north.parquet", folder / "south.parquet"], topic="t", chunk=7)


def jsonl(folder: Path) -> Source:
    lines = [json.dumps({"timestamp": f"2024-05-01T12:00:{row:02}Z", "value": row}) for row in range(ROWS)]
    for name in ("north", "south"):
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return Recording([folder / "north.jsonl", folder / "south.jsonl"], topic="t", chunk=7)


SOURCES = pytest.mark.parametrize("make", [memory, csv, parquet, jsonl])


async def slices(source: Source, start: dict[int, int]) -> list[Records]:
    return [records async for records in source.read(start)]


async def rows(source: Source, start: dict[int, int]) -> dict[int, list[Record]]:
    """What is read from each partition, record by record."""
    found: dict[int, list[Record]] = {partition: [] for partition in start}
    for records in await slices(source, start):
        columns = (records.offsets.tolist(), records.keys, records.values, records.times.tolist())
        found[records.partition] += zip(*columns, strict=True)
    return found


async def values(path: Path, **options: Any) -> list[Any]:
    """The records of one file as JSON."""
    read = (await rows(Recording([path], topic="t", **options), {0: 0}))[0]
    return [json.loads(value or b"") for _, _, value, _ in read]


async def times(path: Path) -> list[int]:
    return [time for *_, time in (await rows(Recording([path], topic="t"), {0: 0}))[0]]


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@SOURCES
async def test_every_record_is_read_once_in_order_and_then_the_source_ends(
    make: Callable[[Path], Source], tmp_path: Path
) -> None:
    source = make(tmp_path)
    read = await rows(source, dict.fromkeys(source.partitions, 0))
    assert list(read) == [0, 1]
    for partition, records in read.items():
        assert [offset for offset, *_ in records] == list(range(ROWS))
        assert source.bounds(partition) == (0, ROWS)


@SOURCES
@pytest.mark.parametrize("begin", [0, 1, 6, 7, 13, ROWS - 1, ROWS])
async def test_from_any_offset_the_same_records_follow(
    make: Callable[[Path], Source], tmp_path: Path, begin: int
) -> None:
    source = make(tmp_path)
    whole = await rows(source, {0: 0, 1: 0})
    read = await rows(source, {0: begin, 1: 3})
    assert read == {0: whole[0][begin:], 1: whole[1][3:]}


@SOURCES
async def test_only_partitions_that_are_asked_for_are_read(make: Callable[[Path], Source], tmp_path: Path) -> None:
    assert {records.partition for records in await slices(make(tmp_path), {1: 0})} == {1}


@pytest.mark.parametrize("make", [csv, parquet, jsonl])
async def test_files_take_turns_in_chunks(make: Callable[[Path], Source], tmp_path: Path) -> None:
    read = await slices(make(tmp_path), {0: 0, 1: 14})
    assert [(records.partition, len(records)) for records in read] == [(0, 7), (1, 7), (0, 7), (1, 4), (0, 7), (0, 4)]


@pytest.mark.parametrize("make", [csv, parquet])
async def test_a_row_becomes_an_object_with_the_files_name_as_series(
    make: Callable[[Path], Source], tmp_path: Path
) -> None:
    _, key, value, time = (await rows(make(tmp_path), {1: 5}))[1][0]
    assert json.loads(value or b"") == {"timestamp": "2024-05-01T12:00:05Z", "value": 1.25, "series": "south"}
    assert key == b"south"
    assert time == NOON_NS + 5 * 10**9


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*/*.parquet")), ids=lambda path: path.stem)
async def test_labels_never_appear_in_a_record_that_ships(path: Path) -> None:
    source = Recording([path], topic="t")
    async with aclosing(_generator(source, {0: 0})) as read:
        records = await anext(read)
    assert len(records) == min(1000, source.bounds(0)[1] or 0)
    for value in records.values:
        assert not [name for name in json.loads(value or b"") if name.startswith(("label", "split"))]


def _generator(source: Source, start: dict[int, int]) -> Any:
    reading: AsyncIterator[Records] = source.read(start)
    return reading


async def test_what_ships_is_read_value_for_value() -> None:
    read = await values(FERRYBOX)
    table = pq.read_table(FERRYBOX).to_pylist()
    assert len(read) == len(table) == 4316
    for row, expected in zip(read, table, strict=True):
        assert datetime.fromisoformat(row.pop("timestamp")) == expected.pop("timestamp")
        assert row.pop("series") == "one_ocean_2021"
        expected.pop("label")
        assert row == expected


async def test_sub_second_digits_are_kept_where_there_are_any(tmp_path: Path) -> None:
    stamps = pa.array([0, 1_500_000, None], pa.timestamp("us"))
    pq.write_table(pa.table({"timestamp": stamps, "value": [1.0, None, float("nan")]}), tmp_path / "a.parquet")
    assert await values(tmp_path / "a.parquet") == [
        {"timestamp": "1970-01-01T00:00:00Z", "value": 1.0, "series": "a"},
        {"timestamp": "1970-01-01T00:00:01.500000Z", "value": None, "series": "a"},
        {"timestamp": None, "value": None, "series": "a"},
    ]
    assert await times(tmp_path / "a.parquet") == [0, 1_500_000_000, 1_500_000_000]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2024-05-01 12:00:00", "2024-05-01T12:00:01"], [NOON_NS, NOON_NS + 10**9]),
        (["2024-05-01T14:00:00+02:00", "2024-05-01T12:00:01.250Z"], [NOON_NS, NOON_NS + 1_250_000_000]),
        (["2024-05-01T12:00:00", "2024-05-01T12:00:01Z"], [NOON_NS, NOON_NS + 10**9]),
        (["yesterday", "2024-05-01T12:00:00Z", "noon"], [0, NOON_NS, NOON_NS]),
    ],
)
async def test_times_of_a_csv_that_are_text_stay_that_text(
    tmp_path: Path, cells: list[str], expected: list[int]
) -> None:
    path = written(tmp_path / "a.csv", "\n".join(["timestamp,value", *(f"{cell},1" for cell in cells)]))
    assert [row["timestamp"] for row in await values(path)] == cells
    assert await times(path) == expected


async def test_times_of_a_csv_that_are_numbers_stay_numbers(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.csv", "timestamp,value\n1714564800,1\n1714564801,2\n")
    parts = written(tmp_path / "b.csv", "timestamp,value\n1714564800.125,1\n1714564801,2\n")
    assert [row["timestamp"] for row in await values(whole)] == [1714564800, 1714564801]
    assert [row["timestamp"] for row in await values(parts)] == [1714564800.125, 1714564801]
    assert await times(whole) == [NOON_NS, NOON_NS + 10**9]
    assert await times(parts) == [NOON_NS + 125_000_000, NOON_NS + 10**9]


async def test_other_columns_of_a_csv_are_what_they_look_like_and_dates_stay_text(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", 'at,n,x,note,seen,pump\n1,7,,"a, ""b""\nc",2024-05-01,007\n2,8,2.5,,,8\n')
    assert await values(path, time="at", series="pump") == [
        {"at": 1, "n": 7, "x": None, "note": 'a, "b"\nc', "seen": "2024-05-01", "pump": "007"},
        {"at": 2, "n": 8, "x": 2.5, "note": None, "seen": None, "pump": "8"},
    ]
    read = (await rows(Recording([path], topic="t", time="at", series="pump"), {0: 0}))[0]
    assert [key for _, key, _, _ in read] == [b"007", b"8"]


@pytest.mark.parametrize("ending", [".jsonl", ".lp", ".txt"])
async def test_lines_are_passed_on_unchanged(tmp_path: Path, ending: str) -> None:
    lines = [b'{"timestamp": 3, "x":1}', b"", b"{broken", b"\xff\x00 a,b c=1 1714564800000000001", b" last "]
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"\n".join(lines))
    read = (await rows(Recording([path], topic="t"), {0: 0}))[0]
    assert [(offset, value) for offset, _, value, _ in read] == list(enumerate(lines))
    known = {".jsonl": [3 * 10**9] * 5, ".lp": [0, 0, 0, NOON_NS + 1, NOON_NS + 1], ".txt": [0] * 5}
    assert [time for *_, time in read] == known[ending]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_rows_that_are_appended_change_the_bounds_and_not_the_identity(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    path.write_text("timestamp,value\n1,2\n") if ending != ".parquet" else _parquet(path, [1.0])
    before = Recording([path], topic="t")
    path.write_text("timestamp,value\n1,2\n2,none\n") if ending != ".parquet" else _parquet(path, [1.0, 2.0])
    after = Recording([path], topic="t")
    assert after.identity == before.identity
    assert after.bounds(0)[1] == (before.bounds(0)[1] or 0) + 1


def test_another_first_row_name_or_column_is_another_recording(tmp_path: Path) -> None:
    texts = {"a": "timestamp,value\n1,2\n", "b": "timestamp,value\n1,2\n"}
    paths = [written(tmp_path / f"{name}.csv", text) for name, text in texts.items()]
    (tmp_path / "other").mkdir()
    paths += [written(tmp_path / "other" / "a.csv", text) for text in ("timestamp,value\n1,3\n",)]
    (tmp_path / "third").mkdir()
    paths.append(written(tmp_path / "third" / "a.csv", "timestamp,volts\n1,2\n"))
    assert len({Recording([path], topic="t").identity for path in paths}) == 4


async def test_at_a_speed_every_record_still_comes_and_none_before_its_time(tmp_path: Path) -> None:
    csv(tmp_path)
    source = Recording([tmp_path / "north.csv", tmp_path / "south.csv"], topic="t", speed=200.0)
    read = await slices(source, {0: 0, 1: 20})
    assert sum(map(len, read)) == ROWS + 5
    first = next(at for at, records in enumerate(read) if records.partition == 1)
    assert [records.times[0] for records in read] == sorted(records.times[0] for records in read)
    assert max(records.times[-1] for records in read[:first]) <= NOON_NS + 21 * 10**9


def test_labels_of_a_window_go_before_labels_of_a_row(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"label": [0, 0, 0], "label_window": pa.array([1, 0, None], pa.int8())}), path)
    assert (found := labels(path)) is not None
    assert found.tolist() == [1, 0, -1]


def test_labels_of_what_ships() -> None:
    windows, rows_, absent = labels(MACHINE), labels(FERRYBOX), labels(RECORDINGS / "bikes" / "bike_hourly.parquet")
    assert windows is not None
    assert rows_ is not None
    assert (int((windows == 1).sum()), int((rows_ == 1).sum())) == (2268, 186)
    assert absent is None


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl", "a.xlsx"])
def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}.*(No such file|a recording ends in)"):
        Recording([tmp_path / name], topic="t")


@pytest.mark.parametrize(("name", "content"), [("a.parquet", b"no"), ("a.csv", b""), ("b.csv", b"a,b\n1,2\n1\n")])
def test_a_file_of_the_wrong_content_is_named_with_the_reason(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}: \w+"):
        Recording([tmp_path / name], topic="t")


@pytest.mark.parametrize("wrong", [{"speed": 0.0}, {"speed": float("nan")}, {"chunk": 0}])
def test_options_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"Recording.{next(iter(wrong))} must"):
        Recording([MACHINE], topic="t", **wrong)


async def test_the_host_is_read_without_end_from_the_offset_asked_for() -> None:
    source = Host(interval=0.01)
    assert source.bounds(0) == (0, None)
    readings: list[Records] = []
    async with aclosing(_generator(source, {0: 40})) as read:
        while len(readings) < 3:
            readings.append(await anext(read))
    assert [records.offsets.tolist() for records in readings] == [[40], [41], [42]]
    found = [json.loads(records.values[0] or b"") for records in readings]
    for records, reading in zip(readings, found, strict=True):
        assert records.keys[0] == reading["host"].encode()
        assert abs(int(records.times[0]) - reading["time"] * 1e9) < 1000
        assert 0 <= reading["memory"] <= 100
        assert reading["load"] >= 0
    assert [reading["time"] for reading in found] == sorted(reading["time"] for reading in found)
    names = ("disk_read", "disk_write", "net_received", "net_sent")
    assert [found[0][name] for name in names] == [None] * 4
    assert found[0]["cpu"] is None
    assert all(found[1][name] is None or found[1][name] >= 0 for name in names)
    assert 0 <= found[2]["cpu"] <= 100


def test_a_rate_is_null_where_its_counter_is_absent_or_went_backwards() -> None:
    before = {"net_sent": 100.0, "net_received": 50.0, "disk_read": None, "disk_write": 7.0}
    after = {"net_sent": 300.0, "net_received": 49.0, "disk_read": 5.0, "disk_write": None}
    nothing = {"net_received": None, "disk_read": None, "disk_write": None}
    assert rates(before, after, 2.0) == {"net_sent": 100.0} | nothing


def _parquet(path: Path, numbers: list[float]) -> None:
    """Written beside and moved: a reader may still hold the file."""
    rough = path.with_suffix(".new")
    pq.write_table(pa.table({"timestamp": numbers, "value": numbers}), rough)
    shutil.move(rough, path)
