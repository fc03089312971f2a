import subprocess
import sys
from pathlib import Path

import pytest

# In a process of its own. `end`: it forks, and each child ends without a word at its k-th touch of a file.
# `fail`: the k-th touch of a file raises, as a full disk does; the same object then goes on writing.
EVERY_STEP = """
import os, shutil, sys
from pathlib import Path
from structlog.testing import capture_logs
from connectors.snapshots import FolderSnapshots
from tests.connectors.snapshot_cases import NAME, assert_same, left_over, sharing, torn

TOUCHES = {"open", "os.mkdir", "os.rename", "os.remove"}
how, first = sys.argv[2], int(sys.argv[3])
before, folder = Path(sys.argv[1], "before"), Path(sys.argv[1], "now")
steps = None


def touched(event, arguments):
    here = steps is not None and event in TOUCHES and str(arguments[0]).startswith(str(folder))
    if here and next(steps, None) is None:
        if how == "end":
            os._exit(9)
        raise OSError(28, "no space left on device")


def begin():
    snapshots = FolderSnapshots(str(folder))
    for generation in range(first, 4):
        snapshots.write(NAME, sharing(1, generation))
    return snapshots


def ended(step):
    global steps
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    steps = iter(range(step))
    snapshots.write(NAME, sharing(1, 4))
    os._exit(0)


def failed(step):
    global steps
    steps = iter(range(step))
    try:
        snapshots.write(NAME, sharing(1, 4))
        return 0 if next(steps, None) is not None else 1
    except OSError:
        return 9
    finally:
        steps = None


def generation():
    with capture_logs() as warnings:
        found = FolderSnapshots(str(folder)).read(NAME)
    if found is not None:
        assert_same(found, sharing(found.epoch, found.generation))
    return found and found.generation, len(warnings)


folder.mkdir()
snapshots = begin()
shutil.copytree(folder, before, copy_function=os.link)
sys.addaudithook(touched)
for step in range(1000):
    shutil.rmtree(folder)
    shutil.copytree(before, folder, copy_function=os.link)
    if how == "end":
        status = ended(step)
        after = FolderSnapshots(str(folder)), sharing(2, 5)
    else:
        snapshots = FolderSnapshots(str(folder))
        for earlier in range(first, 4):
            snapshots.write(NAME, sharing(1, earlier))
        with capture_logs():
            status = failed(step)
        after = snapshots, sharing(1, 5)
    found, warnings = generation()
    damages = warnings + torn(folder)
    after[0].write(NAME, after[1])
    assert generation() == (5, 0)
    print(status, found, damages + torn(folder), left_over(folder))
    if status == 0:
        break
"""


def at_every_step(folder: Path, *, how: str, first: int) -> list[list[str]]:
    """Status, generation read afterwards, damages before and after one more write, and files that are left over."""
    command = [sys.executable, "-c", EVERY_STEP, str(folder), how, str(first)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def fourth(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """What was left of the fourth write, ended at every step. It shares pieces with those before it."""
    return at_every_step(tmp_path_factory.mktemp("fourth"), how="end", first=1)


def test_a_write_that_ends_at_any_step_leaves_the_snapshot_before_it_or_its_own(fourth: list[list[str]]) -> None:
    *crashed, whole = fourth
    found = [generation for _, generation, _, _ in crashed]
    assert whole[:2] == ["0", "4"]
    assert {status for status, *_ in crashed} == {"9"}
    assert len(crashed) > 8
    assert found == sorted(found)
    assert set(found) == {"3", "4"}


def test_a_write_that_ends_at_any_step_is_neither_seen_as_damage_nor_left_behind(fourth: list[list[str]]) -> None:
    assert {(damages, left) for _, _, damages, left in fourth} == {("0", "0")}


def test_a_first_write_that_ends_at_any_step_leaves_nothing_or_its_own(tmp_path: Path) -> None:
    lines = at_every_step(tmp_path, how="end", first=4)
    found = [generation for _, generation, _, _ in lines]
    assert found[0] == "None"
    assert found[-1] == "4"
    assert set(found) == {"None", "4"}
    assert {(damages, left) for _, _, damages, left in lines} == {("0", "0")}


def test_after_a_write_that_failed_at_any_step_the_next_shares_only_what_is_there(tmp_path: Path) -> None:
    *failed, whole = at_every_step(tmp_path, how="fail", first=1)
    assert whole == ["0", "4", "0", "0"]
    assert {(damages, left) for _, _, damages, left in failed} == {("0", "0")}
    assert {(status, generation) for status, generation, _, _ in failed} >= {("9", "3")}
    assert {generation for status, generation, _, _ in failed if status == "1"} <= {"4"}
