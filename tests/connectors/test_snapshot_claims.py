import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from connectors.base import Snapshot, Snapshots
from connectors.memory import MemorySnapshots
from connectors.snapshots import FolderSnapshots
from tests.connectors.snapshot_cases import NAME, files, snapshot

NUMBERS = count()
Make = Callable[[Path], Snapshots]

EVERYWHERE = pytest.mark.parametrize(
    "make",
    [
        lambda _: MemorySnapshots(),
        lambda folder: FolderSnapshots(str(folder)),
        lambda _: FolderSnapshots(f"memory://claims-{next(NUMBERS)}"),
    ],
    ids=["memory", "folder", "object_store"],
)
SHARED = pytest.mark.parametrize("url", ["{}", "memory://claims{}"], ids=["folder", "object_store"])


@EVERYWHERE
def test_the_newest_is_told_without_reading_it(make: Make, tmp_path: Path) -> None:
    snapshots = make(tmp_path)
    assert snapshots.newest(NAME) is None
    snapshots.claim(NAME, 5)
    assert snapshots.newest(NAME) is None
    for epoch, generation, offset in [(1, 2, 30), (2, 1, 20), (1, 3, 40)]:
        snapshots.write(NAME, snapshot(epoch, generation, offset))
    assert snapshots.newest(NAME) == (2, 1, 20)
    assert snapshots.newest("another") is None


@EVERYWHERE
def test_an_epoch_is_above_all_that_were_claimed_or_written(make: Make, tmp_path: Path) -> None:
    snapshots = make(tmp_path)
    assert [snapshots.claim(NAME, 5).epoch for _ in range(3)] == [1, 2, 3]
    snapshots.write(NAME, snapshot(3, 1))
    assert snapshots.claim(NAME, 5).epoch == 4
    snapshots.write(NAME, snapshot(9, 1))
    snapshots.write(NAME, snapshot(4, 1))
    assert snapshots.claim(NAME, 6).epoch == 10
    assert snapshots.claim("another", 5) == (1, 1)


@EVERYWHERE
def test_starts_from_one_offset_are_deaths_unless_it_was_left_in_order(make: Make, tmp_path: Path) -> None:
    snapshots = make(tmp_path)
    assert [snapshots.claim(NAME, offset).starts for offset in (5, 5, 5, 6, 5, 5)] == [1, 2, 3, 1, 1, 2]
    snapshots.left(NAME, 5)
    assert [snapshots.claim(NAME, 5).starts for _ in range(2)] == [1, 2]
    snapshots.left(NAME, 8)
    assert snapshots.claim(NAME, 8).starts == 1
    snapshots.left("another", 5)
    assert snapshots.claim("another", 5) == (1, 1)


@EVERYWHERE
def test_rebalances_without_progress_never_look_like_deaths(make: Make, tmp_path: Path) -> None:
    snapshots = make(tmp_path)
    starts = []
    for _ in range(20):
        starts.append(snapshots.claim(NAME, 5).starts)
        snapshots.left(NAME, 5)
    assert starts == [1] * 20
    assert snapshots.claim(NAME, 5) == (21, 1)


@EVERYWHERE
def test_starts_are_those_of_a_claim(make: Make, tmp_path: Path) -> None:
    snapshots = make(tmp_path)
    assert snapshots.claim(NAME, 5).starts == 1
    assert snapshots.claim(NAME, 5).starts == 2
    assert snapshots.claim(NAME, 5) == (3, 3)


@SHARED
def test_two_workers_that_find_the_same_snapshot_get_different_epochs(tmp_path: Path, url: str) -> None:
    first, second = FolderSnapshots(url.format(tmp_path)), FolderSnapshots(url.format(tmp_path))
    first.write(NAME, snapshot(1, 1))
    assert first.newest(NAME) == second.newest(NAME)
    assert first.claim(NAME, 0).epoch == 2
    assert second.claim(NAME, 0).epoch == 3


@SHARED
def test_a_worker_that_leaves_late_changes_nothing_for_its_successor(tmp_path: Path, url: str) -> None:
    slow, dying, next_one = (FolderSnapshots(url.format(tmp_path)) for _ in range(3))
    assert slow.claim(NAME, 5).starts == 1
    assert dying.claim(NAME, 5).starts == 2
    slow.left(NAME, 5)
    slow.left(NAME, 5)
    assert next_one.claim(NAME, 5) == (3, 3)
    next_one.left(NAME, 5)
    assert slow.claim(NAME, 5) == (4, 1)


def test_only_the_last_claim_stays(tmp_path: Path) -> None:
    snapshots = FolderSnapshots(str(tmp_path))
    for offset in range(5):
        snapshots.claim(NAME, offset)
    assert [path.name for path in files(tmp_path)] == ["0000000005.claim"]


@pytest.mark.parametrize("text", ["", "[]", '{"offset": 5}', '{"count": 1, "off'])
def test_a_claim_cut_short_by_a_crash_takes_its_epoch_and_no_more(tmp_path: Path, text: str) -> None:
    snapshots = FolderSnapshots(str(tmp_path))
    assert [snapshots.claim(NAME, 5).starts for _ in range(3)] == [1, 2, 3]
    files(tmp_path)[0].with_name("0000000004.claim").write_text(text)
    assert snapshots.claim(NAME, 5) == (5, 4)


@SHARED
def test_who_forgets_a_name_does_not_forget_its_epochs(tmp_path: Path, url: str) -> None:
    snapshots, old = FolderSnapshots(url.format(tmp_path)), FolderSnapshots(url.format(tmp_path))
    old.claim(NAME, 5)
    old.write(NAME, snapshot(7, 1))
    snapshots.forget(NAME)
    assert snapshots.read(NAME) is None
    claim = snapshots.claim(NAME, 5)
    assert claim == (8, 1)
    snapshots.write(NAME, snapshot(claim.epoch, 1))
    old.write(NAME, snapshot(7, 2))
    assert snapshots.newest(NAME) == (8, 1, 0)


RACER = """
import sys
from connectors.snapshots import FolderSnapshots
from tests.connectors.snapshot_cases import NAME
snapshots = FolderSnapshots(sys.argv[1])
sys.stdin.readline()
for _ in range(25):
    print(snapshots.claim(NAME, 5).epoch)
"""


def test_of_many_that_claim_a_folder_at_once_no_two_get_the_same_epoch(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACER, str(tmp_path)]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    told = [racer.communicate() for racer in racers]
    assert [errors for _, errors in told] == [""] * 4
    epochs = [[int(line) for line in out.split()] for out, _ in told]
    assert [len(mine) for mine in epochs] == [25] * 4
    assert all(mine == sorted(mine) for mine in epochs)
    assert len({epoch for mine in epochs for epoch in mine}) == 100


OVERTAKEN = """
import sys
from connectors.snapshots import FolderSnapshots
from tests.connectors.snapshot_cases import NAME
slow, *others = [FolderSnapshots(sys.argv[1]) for _ in range(3)]


def overtake(event, arguments):
    if event == "open" and str(arguments[0]).endswith("1.claim"):
        while others:
            print(others.pop().claim(NAME, 5).epoch)


FolderSnapshots(sys.argv[1]).claim("another", 5)
sys.addaudithook(overtake)
print(slow.claim(NAME, 5).epoch)
"""


def test_a_worker_that_is_overtaken_while_it_claims_does_not_get_an_epoch_that_was_given_and_deleted(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", OVERTAKEN, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "2", "3"]


CRASHING = """
import os, sys
from connectors.snapshots import FolderSnapshots
from tests.connectors.snapshot_cases import NAME
from pathlib import Path

TOUCHES = {"open", "os.mkdir", "os.rename", "os.remove"}


def claim_and_end_at(folder, step):
    seen = iter(range(step))

    def end(event, arguments):
        if event in TOUCHES and str(arguments[0]).startswith(str(folder)) and next(seen, None) is None:
            os._exit(9)

    sys.addaudithook(end)
    epoch = FolderSnapshots(str(folder)).claim(NAME, 5).epoch
    os._exit(100 + epoch)


for step in range(1000):
    folder = Path(sys.argv[1], str(step))
    for _ in range(2):
        FolderSnapshots(str(folder)).claim(NAME, 5)
    if not (child := os.fork()):
        claim_and_end_at(folder, step)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(ended, *FolderSnapshots(str(folder)).claim(NAME, 5))
    if ended != 9:
        break
"""


def test_a_claim_that_ends_at_any_step_counts_or_not_and_its_epoch_is_not_given_again(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CRASHING, str(tmp_path)], capture_output=True, text=True, check=True)
    *crashed, whole = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert whole == (103, 4, 4)
    assert len(crashed) > 3
    assert {status for status, *_ in crashed} == {9}
    assert {(epoch, starts) for _, epoch, starts in crashed} == {(3, 3), (4, 4)}


def test_what_is_claimed_is_written_with_its_epoch_and_read_back(tmp_path: Path) -> None:
    snapshots = FolderSnapshots(str(tmp_path))
    claim = snapshots.claim(NAME, 0)
    size = snapshots.write(NAME, Snapshot(claim.epoch, 1, 10, {}, {"a": {"n": np.arange(3)}}))
    assert size == sum(path.stat().st_size for path in files(tmp_path) if not path.name.endswith(".claim"))
    found = snapshots.read(NAME)
    assert found is not None
    assert (found.epoch, found.generation, found.offset) == (1, 1, 10)
