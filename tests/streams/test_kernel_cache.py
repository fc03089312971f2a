"""Compiled kernels live in a folder named by a hash of all sources."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHOW = """
from streams.partition import Partition
from detectors.gaussian import _walk
print(_walk._cache.cache_path)
"""


def cache_path(home: Path, *, root: Path = ROOT) -> str:
    environment = {
        name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    }
    environment |= {"HOME": str(home), "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_kernels_are_kept_under_the_home_folder_in_a_folder_named_by_their_sources(tmp_path: Path) -> None:
    assert cache_path(tmp_path).startswith(str(tmp_path / ".cache/watchkeeper/kernels-"))


def test_an_edit_in_any_kernel_file_changes_the_folder(tmp_path: Path) -> None:
    edited = tmp_path / "edited"
    for package in ("detectors", "connectors", "streams"):
        for source in (ROOT / package).rglob("*.py"):
            copy = edited / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(source.read_text())
    folders = [Path(cache_path(tmp_path, root=edited)).relative_to(tmp_path).parts[2]]
    names = edited / "detectors/names.py"
    names.write_text(names.read_text() + "# another kernel\n")
    folders.append(Path(cache_path(tmp_path, root=edited)).relative_to(tmp_path).parts[2])
    assert folders[0] != folders[1]
