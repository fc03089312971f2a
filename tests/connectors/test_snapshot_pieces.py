import shutil
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from connectors.base import Snapshot
from connectors.snapshot_pieces import PIECE, Parts, cut
from connectors.snapshots import FolderSnapshots
from tests.connectors.snapshot_cases import NAME, assert_same, files, left_over, sharing, torn

NUMBERS = count()
GOLDEN = Path("tests/golden/snapshots_format_1")
SMALL = 3000
"""more than a manifest and a piece of small arrays take"""

Url = Callable[[Path], str]
EVERYWHERE = pytest.mark.parametrize(
    "url", [str, lambda _: f"memory://shared-{next(NUMBERS)}"], ids=["folder", "object_store"]
)


def names(url: str, name: str = NAME) -> list[str]:
    fs, root = fsspec.core.url_to_fs(url)
    return sorted(path.rsplit("/", 1)[-1] for path in fs.ls(f"{root}/{name}", detail=False))


def read(url: str) -> Snapshot:
    """As another machine reads it, without a word about damage."""
    with capture_logs() as logs:
        found = FolderSnapshots(url).read(NAME)
    assert found is not None
    assert logs == []
    return found


@EVERYWHERE
def test_what_did_not_change_is_not_written_again(tmp_path: Path, url: Url) -> None:
    place = url(tmp_path)
    snapshots = FolderSnapshots(place)
    sizes = [snapshots.write(NAME, sharing(1, generation)) for generation in range(1, 7)]
    assert 3 * PIECE < sizes[0] < 3 * PIECE + SMALL
    assert all(PIECE < size < PIECE + SMALL for size in sizes[1:])
    assert_same(read(place), sharing(1, 6))
    same = Snapshot(1, 7, 9, {"another": "number"}, sharing(1, 6).parts)
    assert snapshots.write(NAME, same) < SMALL
    assert_same(read(place), same)


def test_bytes_written_are_those_of_the_new_files(tmp_path: Path) -> None:
    snapshots = FolderSnapshots(str(tmp_path), keep=9)
    for generation in range(5):
        before = {path: path.stat().st_size for path in files(tmp_path)}
        size = snapshots.write(NAME, sharing(1, generation))
        assert size == sum(path.stat().st_size for path in files(tmp_path) if path not in before)


@EVERYWHERE
def test_files_stay_as_long_as_a_snapshot_that_stays_names_them(tmp_path: Path, url: Url) -> None:
    place = url(tmp_path)
    snapshots = FolderSnapshots(place, keep=2)
    constant = np.arange(PIECE // 8)
    for generation in range(1, 9):
        parts = {"a": {"constant": constant, "n": np.array(generation)}}
        snapshots.write(NAME, Snapshot(1, generation, 0, {}, parts))
        assert_same(read(place), Snapshot(1, generation, 0, {}, parts))
    found = names(place)
    assert [name[11:21] for name in found if name.endswith(".json")] == ["0000000007", "0000000008"]
    assert [name[11:21] for name in found if name.endswith(".bin")] == ["0000000001", "0000000007", "0000000008"]


def test_rows_that_are_added_cost_the_last_piece_only(tmp_path: Path) -> None:
    snapshots = FolderSnapshots(str(tmp_path))
    rows = np.arange(500_000.0).reshape(-1, 5)
    snapshots.write(NAME, Snapshot(1, 1, 0, {}, {"a": {"rows": rows[:90_000]}}))
    assert snapshots.write(NAME, Snapshot(1, 2, 0, {}, {"a": {"rows": rows}})) < 2 * PIECE
    assert_same(read(str(tmp_path)), Snapshot(1, 2, 0, {}, {"a": {"rows": rows}}))


def test_pieces_that_are_alike_are_one_file(tmp_path: Path) -> None:
    blank = Snapshot(1, 1, 0, {}, {"a": {"blank": np.zeros(PIECE, np.int64), "more": np.zeros(PIECE, np.int64)}})
    assert FolderSnapshots(str(tmp_path)).write(NAME, blank) < PIECE + 4 * SMALL
    assert_same(read(str(tmp_path)), blank)


def test_small_arrays_share_a_piece_and_large_ones_are_not_copied() -> None:
    large = np.arange(PIECE // 8 + 1)
    parts: Parts = {
        "a": {"n": np.array(1), "large": large},
        "b": {"m": np.zeros(5, np.uint8), "none": np.zeros((0, 3))},
    }
    pieces = list(cut(parts))
    assert [spans for spans, _ in pieces] == [
        [("a", "large", 0, PIECE)], [("a", "large", PIECE, PIECE + 8)], [("a", "n", 0, 8), ("b", "m", 0, 5)],
    ]  # fmt: skip
    assert np.shares_memory(np.frombuffer(pieces[0][1], np.uint8), large)
    assert max(len(data) for _, data in cut({"a": {str(k): np.zeros(200_000, np.uint8) for k in range(9)}})) <= PIECE


@EVERYWHERE
def test_an_epoch_begins_with_everything_anew(tmp_path: Path, url: Url) -> None:
    place = url(tmp_path)
    snapshots = FolderSnapshots(place)
    first = snapshots.write(NAME, sharing(1, 1))
    again = Snapshot(2, 1, 0, {}, sharing(1, 1).parts)
    assert snapshots.write(NAME, again) == first
    for name in names(place):
        if not name.startswith("0000000002"):
            fs, root = fsspec.core.url_to_fs(place)
            fs.rm_file(f"{root}/{NAME}/{name}")
    assert_same(read(place), again)


@EVERYWHERE
def test_a_new_writer_writes_everything_anew(tmp_path: Path, url: Url) -> None:
    place = url(tmp_path)
    first = FolderSnapshots(place).write(NAME, sharing(1, 1))
    assert FolderSnapshots(place).write(NAME, Snapshot(1, 2, 0, {}, sharing(1, 1).parts)) == first


def test_a_piece_that_has_gone_is_written_again(tmp_path: Path) -> None:
    snapshots = FolderSnapshots(str(tmp_path))
    snapshots.write(NAME, sharing(1, 1))
    snapshots.forget(NAME)
    assert snapshots.write(NAME, sharing(1, 2)) > 3 * PIECE
    max(files(tmp_path, ".bin"), key=lambda path: path.stat().st_size).unlink()
    assert snapshots.write(NAME, sharing(1, 3)) > 2 * PIECE
    assert_same(read(str(tmp_path)), sharing(1, 3))


@EVERYWHERE
def test_what_an_old_owner_writes_and_deletes_late_changes_nothing_for_the_new_one(tmp_path: Path, url: Url) -> None:
    """Workers on several machines claim and write in any order; the newest claim that wrote is always what is read."""
    for seed in range(4):
        place = f"{url(tmp_path)}/{seed}"
        chance = np.random.default_rng(seed)
        workers = [FolderSnapshots(place) for _ in range(3)]
        epochs, generations = [0, 0, 0], [0, 0, 0]
        written: list[Snapshot] = []
        for _ in range(30):
            at = int(chance.integers(3))
            if not epochs[at] or chance.random() < 0.15:
                epochs[at], generations[at] = workers[at].claim(NAME, 0).epoch, 0
            generations[at] += 1
            written.append(sharing(epochs[at], generations[at]))
            workers[at].write(NAME, written[-1])
            assert_same(read(place), max(written, key=lambda one: (one.epoch, one.generation)))
        newest = written.index(max(written, key=lambda one: (one.epoch, one.generation)))
        told = (written[newest].epoch, written[newest].generation, 0)
        assert [worker.newest(NAME) for worker in workers] == [told] * 3


@EVERYWHERE
def test_a_reader_meets_a_whole_snapshot_while_others_are_swept(tmp_path: Path, url: Url) -> None:
    place = url(tmp_path)
    writer = FolderSnapshots(place, keep=1)
    writer.write(NAME, sharing(1, 1))
    thread = threading.Thread(target=lambda: [writer.write(NAME, sharing(1, g)) for g in range(2, 25)])
    reader, seen = FolderSnapshots(place), [0]
    with capture_logs():
        thread.start()
        while thread.is_alive() or seen[-1] < 24:
            found = reader.read(NAME)
            assert found is not None
            assert_same(found, sharing(1, found.generation))
            seen.append(found.generation)
        thread.join()
    assert seen == sorted(seen)


def test_any_history_of_states_reads_back_also_the_snapshot_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.snapshot_pieces.PIECE", 64)
    chance = np.random.default_rng(3)
    state: dict[str, dict[str, NDArray[Any]]] = {
        "a": {"x": chance.normal(size=(30, 3)), "n": np.zeros(3)},
        "b": {"y": np.arange(40, dtype=np.int16)},
    }
    snapshots = FolderSnapshots(str(tmp_path), keep=2)
    written: list[Snapshot] = []
    for generation in range(1, 60):
        part, name = [("a", "x"), ("a", "n"), ("b", "y")][chance.integers(3)]
        rows = state[part][name].copy()
        rows[chance.integers(len(rows))] = generation
        longer, shorter = np.concatenate([rows, rows[-2:]]), rows[: max(len(rows) - 1, 2)]
        state[part][name] = [rows, longer, shorter][chance.choice(3, p=[0.6, 0.2, 0.2])]
        parts = {key: dict(arrays) for key, arrays in state.items()}
        written.append(Snapshot(1, generation, 0, {}, parts))
        snapshots.write(NAME, written[-1])
        assert_same(read(str(tmp_path)), written[-1])
        if generation > 1:
            newest = files(tmp_path, ".json")[-1]
            hidden = newest.rename(newest.with_suffix(".hidden"))
            assert_same(read(str(tmp_path)), written[-2])
            hidden.rename(newest)
    assert (torn(tmp_path), left_over(tmp_path)) == (0, 0)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Two snapshots, and two starts from the second, as Watchkeeper wrote them in format 1."""
    return shutil.copytree(GOLDEN, tmp_path / "old")


def golden(generation: int) -> Snapshot:
    state = {
        "mean": np.arange(3.0) * generation,
        "seen": np.array([generation, 7], np.uint8),
        "file": np.array(generation),
        "none": np.zeros((0, 2), np.float32),
    }
    metadata = {"number": generation, "limit": 0.1 + 0.2}
    return Snapshot(3, generation, 100 * generation, metadata, {"watch/level": state, "empty": {}})


def test_snapshots_of_format_1_are_read_and_give_way_to_new_ones(old: Path) -> None:
    snapshots = FolderSnapshots(str(old))
    found = snapshots.read("pumps/0")
    assert found is not None
    assert_same(found, golden(2))
    files(old, "200.json")[0].unlink()
    found = snapshots.read("pumps/0")
    assert found is not None
    assert_same(found, golden(1))
    for generation in (1, 2, 3):
        snapshots.write("pumps/0", Snapshot(4, generation, 300, {}, found.parts))
        assert snapshots.newest("pumps/0") == (4, generation, 300)
    assert {path.name[:10] for path in files(old)} == {"0000000004", "starts.jso"}


def test_a_damaged_snapshot_of_format_1_is_passed_over(old: Path) -> None:
    files(old, "level.npz")[-1].write_bytes(b"PK")
    with capture_logs() as logs:
        found = FolderSnapshots(str(old)).read("pumps/0")
    assert found is not None
    assert_same(found, golden(1))
    assert len(logs) == 1


def test_starts_of_format_1_are_counted_on(old: Path) -> None:
    claim = FolderSnapshots(str(old)).claim("pumps/0", 200)
    assert claim == (4, 3)
    assert files(old, "starts.json") == []
