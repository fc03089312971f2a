import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from structlog.testing import capture_logs

from connectors.base import Snapshot, Snapshots
from connectors.memory import MemorySnapshots
from connectors.snapshots import FolderSnapshots
from tests.connectors.snapshot_cases import NAME, assert_same, files, number, snapshot

NUMBERS = count()
Make = Callable[[Path], Snapshots]


def in_memory(_: Path) -> Snapshots:
    return MemorySnapshots()


def in_folder(folder: Path) -> Snapshots:
    return FolderSnapshots(str(folder / "snapshots"))


def in_object_store(_: Path) -> Snapshots:
    return FolderSnapshots(f"memory://snapshots-{next(NUMBERS)}")


EVERYWHERE = pytest.mark.parametrize("make", [in_memory, in_folder, in_object_store])


@EVERYWHERE
def test_without_a_snapshot_there_is_none(make: Make, tmp_path: Path) -> None:
    assert make(tmp_path).read(NAME) is None


@EVERYWHERE
def test_the_highest_epoch_is_read_and_in_it_the_highest_generation(make: Make, tmp_path: Path) -> None:
    snapshots = make(tmp_path)
    for epoch, generation in [(1, 1), (2, 9), (2, 10), (2, 11)]:
        snapshots.write(NAME, snapshot(epoch, generation))
    assert number(snapshots.read(NAME)) == 2011


@EVERYWHERE
@pytest.mark.parametrize("epoch", [2, 11])
def test_a_late_write_of_a_lower_epoch_is_never_read(make: Make, tmp_path: Path, epoch: int) -> None:
    snapshots = make(tmp_path)
    snapshots.write(NAME, snapshot(epoch, 1, offset=10))
    for generation in range(2, 9):
        snapshots.write(NAME, snapshot(epoch - 1, generation, offset=10**6))
        assert number(snapshots.read(NAME)) == epoch * 1000 + 1


@EVERYWHERE
def test_names_do_not_meet(make: Make, tmp_path: Path) -> None:
    snapshots = make(tmp_path)
    names = ["a", "a/b", "a/b.c", "a%2Fb", "ä/ b?*", "a/..", ".."]
    for at, name in enumerate(names):
        snapshots.write(name, snapshot(1, at))
        assert snapshots.claim(name, at).starts == 1
    assert [number(snapshots.read(name)) for name in names] == [1000 + at for at in range(len(names))]


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    snapshots = FolderSnapshots(str(tmp_path / "in"))
    for name in ("../a", "a/../../b", "/c", "."):
        snapshots.write(name, snapshot(1, 1))
        assert number(snapshots.read(name)) == 1001
    assert files(tmp_path) == files(tmp_path / "in")
    assert len(files(tmp_path)) == 4 * 2


@EVERYWHERE
def test_starts_count_in_a_row_from_one_offset(make: Make, tmp_path: Path) -> None:
    snapshots = make(tmp_path)
    assert [snapshots.claim(NAME, offset).starts for offset in (5, 5, 5, 6, 5, 5)] == [1, 2, 3, 1, 1, 2]
    assert snapshots.claim("another", 5).starts == 1


@EVERYWHERE
def test_what_is_read_may_be_changed_and_is_not_changed_by_it(make: Make, tmp_path: Path) -> None:
    snapshots = make(tmp_path)
    written = snapshot(1, 3)
    snapshots.write(NAME, written)
    written.parts["series"]["n"][:] = -1
    assert number(snapshots.read(NAME)) == 1003


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
kinds = st.sampled_from(["?", "i1", "u1", "u8", "i8", "f4", "f8", "U3", "S4"]).map(np.dtype)
shapes = arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
parts_of = st.dictionaries(words, st.dictionaries(words, arrays_of.arrays(kinds, shapes), max_size=3), max_size=3)


@pytest.mark.parametrize("make", [in_memory, in_object_store])
@given(metadata=st.dictionaries(st.text(), plain, max_size=4), parts=parts_of, piece=st.sampled_from([8, 100, 2**20]))
def test_any_state_comes_back_bit_for_bit(
    make: Make, metadata: dict[str, Any], parts: dict[str, Any], piece: int
) -> None:
    snapshots = make(Path())
    written = Snapshot(1, 2, 3, metadata, parts)
    with pytest.MonkeyPatch.context() as small:
        small.setattr("connectors.snapshot_pieces.PIECE", piece)
        snapshots.write(NAME, written)
    found = snapshots.read(NAME)
    assert found is not None
    assert_same(found, written)


@pytest.mark.parametrize("make", [in_folder, in_object_store])
def test_arrays_keep_type_shape_and_bytes(make: Make, tmp_path: Path) -> None:
    arrays = {
        "file": np.array([np.nan, -0.0, np.inf, 0.1]),
        "none.yet": np.zeros((0, 3), np.int8),
        "turned": np.arange(6.0).reshape(2, 3).T,
        "flags": np.array([True, False]),
        "words": np.array([2**64 - 1], np.uint64),
        "scalar": np.array(7, np.int64),
        "deep/er": np.arange(4, dtype=np.uint8)[::2],
        "x.npy": np.array([], np.float64),
        "turned.large": np.arange(400_000.0).reshape(400, 1000).T,
        "other.order": np.arange(3, dtype=">i4"),
        "when": np.array(["2026-01-01T00:00:00.5"], "M8[ns]"),
    }
    written = Snapshot(
        1, 1, 2**62, {"limit": 0.1 + 0.2, "n": 2**60, "all": [1, 2.0, None]}, {"a.b": arrays, "none": {}}
    )
    snapshots = make(tmp_path)
    snapshots.write(NAME, written)
    found = snapshots.read(NAME)
    assert found is not None
    assert_same(found, written)
    found.parts["a.b"]["file"][0] = 1.0


def test_what_is_not_plain_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    snapshots = FolderSnapshots(str(tmp_path))
    with pytest.raises(TypeError):
        snapshots.write(NAME, Snapshot(1, 1, 1, {"a": {1, 2}}))
    for array in (np.array([object()]), np.zeros(2, "i4,f8")):
        with pytest.raises(ValueError, match="a/b: nothing is pickled"):
            snapshots.write(NAME, Snapshot(1, 1, 1, {}, {"a": {"b": array}}))
    with pytest.raises(ValueError, match="count from 0"):
        snapshots.write(NAME, Snapshot(1, 1, -1))
    assert files(tmp_path) == []


@pytest.mark.parametrize("url", ["{}/a", "file://{}/a"])
def test_a_folder_is_named_by_path_or_url(tmp_path: Path, url: str) -> None:
    FolderSnapshots(url.format(tmp_path)).write(NAME, snapshot(1, 1))
    assert number(FolderSnapshots(str(tmp_path / "a")).read(NAME)) == 1001


def test_a_relative_folder_is_below_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    FolderSnapshots("file://./a/b").write(NAME, snapshot(1, 1))
    assert number(FolderSnapshots(str(tmp_path / "a" / "b")).read(NAME)) == 1001


@pytest.mark.parametrize("keep", [1, 3])
def test_only_the_last_ones_stay(tmp_path: Path, keep: int) -> None:
    snapshots = FolderSnapshots(str(tmp_path), keep=keep)
    for generation in range(6):
        snapshots.write(NAME, snapshot(1, generation))
    stems = sorted({path.name.split(".")[0] for path in files(tmp_path)})
    assert stems == [f"{1:010d}-{generation:010d}-{0:020d}" for generation in range(6 - keep, 6)]
    assert len(files(tmp_path)) == 2 * keep


def test_only_the_last_three_stay_in_an_object_store() -> None:
    url = f"memory://snapshots-{next(NUMBERS)}"
    for generation in range(6):
        FolderSnapshots(url).write("a", snapshot(1, generation))
    assert len(fsspec.filesystem("memory").ls(f"{url}/a", detail=False)) == 6


def test_what_a_crashed_write_left_goes_with_a_later_one(tmp_path: Path) -> None:
    snapshots = FolderSnapshots(str(tmp_path))
    snapshots.write(NAME, snapshot(1, 1))
    piece, manifest = files(tmp_path)
    manifest.rename(manifest.with_name(f".{manifest.name}.tmp"))
    snapshots.write(NAME, snapshot(2, 1))
    assert len(files(tmp_path)) == 2
    assert not piece.exists()


def test_a_worker_that_lost_the_partition_leaves_alone_what_its_successor_is_writing(tmp_path: Path) -> None:
    snapshots = FolderSnapshots(str(tmp_path))
    snapshots.write(NAME, snapshot(2, 1))
    pieces = files(tmp_path, ".bin")
    files(tmp_path, ".json")[0].unlink()
    snapshots.write(NAME, snapshot(1, 5))
    assert [path for path in pieces if path.exists()] == pieces != []


def test_forgetting_a_name_deletes_its_snapshots_and_no_others(tmp_path: Path) -> None:
    snapshots = FolderSnapshots(str(tmp_path))
    snapshots.forget(NAME)
    for name in (NAME, "pumps/sensors.pumps"):
        snapshots.write(name, snapshot(1, 1))
        snapshots.claim(name, 5)
    snapshots.forget(NAME)
    assert snapshots.read(NAME) is None
    assert [path.name for path in files(tmp_path / NAME)] == ["0000000002.claim"]
    assert snapshots.claim(NAME, 5).starts == 1
    assert number(snapshots.read("pumps/sensors.pumps")) == 1001
    assert snapshots.claim("pumps/sensors.pumps", 5).starts == 2


def newest(folder: Path, ending: str) -> Path:
    return files(folder, ending)[-1]


def no_manifest(folder: Path) -> None:
    newest(folder, ".json").unlink()


def only_rough_copies(folder: Path) -> None:
    stem = newest(folder, ".json").name.removesuffix(".json")
    for path in files(folder):
        if path.name.startswith(stem):
            path.rename(path.with_name(f".{path.name}.tmp"))


def no_piece(folder: Path) -> None:
    newest(folder, ".bin").unlink()


def short_piece(folder: Path) -> None:
    path = newest(folder, ".bin")
    path.write_bytes(path.read_bytes()[:-1])


def empty_piece(folder: Path) -> None:
    newest(folder, ".bin").write_bytes(b"")


def short_manifest(folder: Path) -> None:
    path = newest(folder, ".json")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def manifest_of_something_else(folder: Path) -> None:
    newest(folder, ".json").write_text("[1, 2]")


def another_piece(folder: Path) -> None:
    """Whole and readable, of the same size, but of another snapshot."""
    *_, other, mine = files(folder, ".bin")
    mine.write_bytes(other.read_bytes())


TEARS = [
    no_manifest, only_rough_copies, no_piece, short_piece, empty_piece, short_manifest, manifest_of_something_else,
    another_piece,
]  # fmt: skip


@pytest.mark.parametrize("tear", TEARS)
def test_a_torn_snapshot_is_passed_over_for_the_one_before(tmp_path: Path, tear: Callable[[Path], None]) -> None:
    snapshots = FolderSnapshots(str(tmp_path))
    for generation in (1, 8, 15):
        snapshots.write(NAME, snapshot(1, generation))
    tear(tmp_path)
    with capture_logs() as logs:
        assert number(snapshots.read(NAME)) == 1008
    seen = [(entry["event"], entry["log_level"], entry["name"]) for entry in logs]
    assert seen == ([] if tear in (no_manifest, only_rough_copies) else [("snapshot_damaged", "warning", NAME)])
    snapshots.write(NAME, snapshot(2, 1))
    assert number(snapshots.read(NAME)) == 2001


def says_the_same(text: bytes | bytearray, other: bytes) -> bool:
    """A flip of white space changes nothing."""
    try:
        return bool(json.loads(text) == json.loads(other))
    except ValueError:
        return False


def test_a_flipped_bit_anywhere_is_noticed(tmp_path: Path) -> None:
    snapshots = FolderSnapshots(str(tmp_path))
    snapshots.write(NAME, snapshot(1, 1))
    snapshots.write(NAME, snapshot(1, 2))
    chance = random.Random(1)
    for path in [*files(tmp_path)[-2:]] * 60:
        whole = path.read_bytes()
        torn = bytearray(whole)
        torn[chance.randrange(len(torn))] ^= 1 << chance.randrange(8)
        path.write_bytes(torn)
        with capture_logs():
            assert number(snapshots.read(NAME)) == (
                1002 if path.suffix == ".json" and says_the_same(torn, whole) else 1001
            )
        path.write_bytes(whole)
    assert number(snapshots.read(NAME)) == 1002


def test_without_a_whole_snapshot_there_is_none(tmp_path: Path) -> None:
    snapshots = FolderSnapshots(str(tmp_path))
    snapshots.write(NAME, snapshot(1, 1))
    no_piece(tmp_path)
    with capture_logs() as logs:
        assert snapshots.read(NAME) is None
    assert len(logs) == 1


def test_snapshots_that_are_replaced_while_they_are_read_are_read_anew(tmp_path: Path) -> None:
    snapshots = FolderSnapshots(str(tmp_path))
    snapshots.write(NAME, snapshot(1, 1))
    no_piece(tmp_path)

    def replaced(*_: object) -> str:
        for generation in range(2, 6):
            snapshots.write(NAME, snapshot(1, generation))
        raise structlog.DropEvent

    before = structlog.get_config()["processors"]
    structlog.configure(processors=[replaced])
    try:
        assert number(snapshots.read(NAME)) == 1005
    finally:
        structlog.configure(processors=before)


def test_a_newer_format_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots = FolderSnapshots(str(tmp_path))
    with monkeypatch.context() as newer:
        newer.setattr("connectors.snapshot_manifest.FORMAT", 3)
        snapshots.write(NAME, snapshot(1, 1))
    with pytest.raises(ValueError, match=r"format 3, .* reads up to 2; run the version that wrote it, or"):
        snapshots.read(NAME)


def test_a_damaged_count_of_starts_begins_again(tmp_path: Path) -> None:
    snapshots = FolderSnapshots(str(tmp_path))
    snapshots.claim(NAME, 5)
    for text in ("", "[]", '{"offset": 5}', "\x00"):
        files(tmp_path)[0].write_text(text)
        assert snapshots.claim(NAME, 5).starts == 1


WRITER = """
import sys
from itertools import count
from tests.connectors.snapshot_cases import NAME, snapshot
from connectors.snapshots import FolderSnapshots
snapshots = FolderSnapshots(sys.argv[1])
found = snapshots.read(NAME)
epoch = found.epoch + 1 if found else 1
for generation in count(1):
    snapshots.write(NAME, snapshot(epoch, generation))
    print(epoch * 1000 + generation, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_its_last_snapshot(tmp_path: Path) -> None:
    chance = random.Random(7)
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(chance.randrange(1, 20)):
                last = int(writer.stdout.readline())
            for _ in range(chance.randrange(200_000)):
                pass  # so that the kill comes at no particular step of a write
            writer.send_signal(signal.SIGKILL)
            told = [last, *map(int, writer.stdout.read().split())]
        with capture_logs() as logs:
            found = number(FolderSnapshots(str(tmp_path)).read(NAME))
        assert found in (told[-1], told[-1] + 1)
        assert logs == []
    FolderSnapshots(str(tmp_path)).write(NAME, snapshot(99, 1))
    assert len(files(tmp_path)) == 6


SMALL_DISK = """
import resource, signal, sys
import numpy as np
from connectors.base import Snapshot
from connectors.snapshots import FolderSnapshots
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
snapshots = FolderSnapshots(sys.argv[1])
try:
    small, large = {"n": np.zeros(9)}, {"n": np.zeros(9999)}
    snapshots.write(sys.argv[2], Snapshot(1, 2, 0, {}, {"a": small, "b": large}))
except OSError as error:
    print("OSError", error.errno)
resource.setrlimit(resource.RLIMIT_FSIZE, (9, 9))
try:
    snapshots.claim(sys.argv[2], 5)
except OSError as error:
    print("OSError", error.errno)
"""


def test_a_write_that_finds_no_room_raises_and_leaves_what_was(tmp_path: Path) -> None:
    snapshots = FolderSnapshots(str(tmp_path))
    snapshots.write(NAME, snapshot(1, 1))
    snapshots.claim(NAME, 5)
    before = files(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", SMALL_DISK, str(tmp_path), NAME], capture_output=True, text=True, check=True
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["OSError", "OSError"]
    assert number(snapshots.read(NAME)) == 1001
    assert files(tmp_path) == before
    assert snapshots.claim(NAME, 5).starts == 2


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    snapshots = FolderSnapshots(str(tmp_path / "file"))
    with pytest.raises(OSError, match="file"):
        snapshots.write(NAME, snapshot(1, 1))
    with pytest.raises(OSError, match="file"):
        snapshots.claim(NAME, 1)


LOCKED = """
import sys
from connectors.snapshots import FolderSnapshots
try:
    with FolderSnapshots(sys.argv[1]).lock():
        print("in")
except RuntimeError as error:
    print(error)
"""


def test_one_worker_at_a_time_has_the_lock_of_a_folder(tmp_path: Path) -> None:
    def another() -> str:
        command = [sys.executable, "-c", LOCKED, str(tmp_path / "a")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with FolderSnapshots(str(tmp_path / "a")).lock():
        assert another() == (
            f"another watchkeeper uses {tmp_path / 'a'}; stop it first, or choose another snapshots.url"
        )
        with pytest.raises(RuntimeError), FolderSnapshots(str(tmp_path / "a")).lock():
            pass
        with FolderSnapshots(str(tmp_path / "b")).lock():
            pass
    assert another() == "in"


def test_an_object_store_has_no_lock() -> None:
    with FolderSnapshots("memory://a").lock(), FolderSnapshots("memory://a").lock():
        pass


def test_nothing_is_kept_where_nothing_would_stay() -> None:
    with pytest.raises(ValueError, match="keep must be at least 1"):
        FolderSnapshots("memory://a", keep=0)
