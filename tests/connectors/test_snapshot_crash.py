import subprocess
import sys
from pathlib import Path

import pytest

# In a process of its own: it forks, and each child ends without a word at its k-th touch of a file.
EVERY_STEP = """
import json, os, shutil, sys
from pathlib import Path
from structlog.testing import capture_logs
from connectors.snapshots import FolderSnapshots
from tests.connectors.test_snapshots import NAME, files, number, snapshot

TOUCHES = {"open", "os.mkdir", "os.rename", "os.remove"}


def write_and_end_at(folder, step):
    seen = iter(range(step))

    def end(event, arguments):
        if event in TOUCHES and str(arguments[0]).startswith(str(folder)) and next(seen, None) is None:
            os._exit(9)

    sys.addaudithook(end)
    FolderSnapshots(str(folder)).write(NAME, snapshot(1, 4))
    os._exit(0)


before = Path(sys.argv[1], "before")
before.mkdir()
for generation in range(int(sys.argv[2]), 4):
    FolderSnapshots(str(before)).write(NAME, snapshot(1, generation))
for step in range(1000):
    folder = shutil.copytree(before, Path(sys.argv[1], str(step)))
    if not (child := os.fork()):
        write_and_end_at(folder, step)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with capture_logs() as warnings:
        found = number(FolderSnapshots(str(folder)).read(NAME))
    parts = {m: json.loads(m.read_text())["parts"].values() for m in files(folder, ".json")}
    absent = [part for m, told in parts.items() for part in told if not m.with_name(part["file"]).exists()]
    FolderSnapshots(str(folder)).write(NAME, snapshot(1, 5))
    print(ended, found, len(warnings) + len(absent), len(files(folder)))
    if ended == 0:
        break
"""


def crashed_at_every_step(folder: Path, *, first: int) -> list[list[str]]:
    """Exit status, snapshot read afterwards, warnings and absent parts, and files after one more write."""
    command = [sys.executable, "-c", EVERY_STEP, str(folder), str(first)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split() for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def fourth(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """What was left of the fourth write, ended at every step."""
    return crashed_at_every_step(tmp_path_factory.mktemp("fourth"), first=1)


def test_a_write_that_ends_at_any_step_leaves_the_snapshot_before_it_or_its_own(fourth: list[list[str]]) -> None:
    *crashed, whole = fourth
    found = [snapshot for _, snapshot, _, _ in crashed]
    assert whole[:2] == ["0", "1004"]
    assert {status for status, *_ in crashed} == {"9"}
    assert len(crashed) > 10
    assert found == sorted(found)
    assert set(found) == {"1003", "1004"}


def test_a_write_that_ends_at_any_step_is_neither_seen_as_damage_nor_left_behind(fourth: list[list[str]]) -> None:
    assert {(damages, files) for _, _, damages, files in fourth} == {("0", "9")}


def test_a_first_write_that_ends_at_any_step_leaves_nothing_or_its_own(tmp_path: Path) -> None:
    found = [snapshot for _, snapshot, _, _ in crashed_at_every_step(tmp_path, first=4)]
    assert found[0] == "None"
    assert found[-1] == "1004"
    assert set(found) == {"None", "1004"}
