"""A real process, killed with SIGKILL again and again, leaves the same database as one that was left alone."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "streams/recordings/ferrybox/one_ocean_2021.parquet"
CONFIG = """
[snapshots]
every = "50ms"

[pipelines.sea]
topic = "sea"
decode = { format = "json", series = "series", time = "timestamp", values = ["SEB45Salinity", "FlowFlow"] }
lateness = "3m"
silence_after = "1h"
scores = "all"

[[pipelines.sea.watches]]
name = "level"
detector = { type = "gaussian" }
calibrator = { type = "likelihood" }
drift = { type = "sprt" }

[[pipelines.sea.watches]]
name = "range"
detector = { type = "range" }
"""
ROWS = 2 * 4316
"""points: two watches"""


def start(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from streams.cli import main; main()", "replay", str(RECORDING), "-p", "sea"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*command, "-c", str(folder / "w.toml"), "--into", str(folder / "out"), "--json", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=folder,
    )  # fmt: skip


def contents(folder: Path) -> dict[str, list[Any]]:
    (database,) = folder.glob("out/*/watchkeeper.db")
    with sqlite3.connect(database) as connection:
        columns = {
            "scores": "pipeline, watch, series, time, score, threshold, alarm, kind, drift, more",
            "alerts": "id, state, opened, closed, peak_score, alert",
            "dead_letters": "pipeline, topic, partition, offset, idx, reason",
        }
        return {
            name: sorted(connection.execute(f"SELECT {what} FROM {name}").fetchall(), key=repr)
            for name, what in columns.items()
        }


def points(folder: Path) -> int:
    found = list(folder.glob("out/*/watchkeeper.db"))
    if not found:
        return 0
    try:
        with sqlite3.connect(f"file:{found[0]}?mode=ro", uri=True, timeout=5) as connection:
            return int(connection.execute("SELECT count(*) FROM scores").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def wait_for(process: subprocess.Popen[bytes], folder: Path, wanted: int) -> bool:
    """Whether the process wrote so many points before it ended."""
    while process.poll() is None:
        if points(folder) >= wanted:
            return True
        time.sleep(0.005)
    return False


def finish(process: subprocess.Popen[bytes]) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    folder = tmp_path_factory.mktemp("alone")
    (folder / "w.toml").write_text(CONFIG)
    finish(start(folder))
    found = contents(folder)
    assert len(found["alerts"]) > 0
    assert len(found["scores"]) > 4000
    return found


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_kill_9_changes_nothing(left_alone: dict[str, list[Any]], tmp_path: Path, seed: int) -> None:
    (tmp_path / "w.toml").write_text(CONFIG)
    moments = sorted(np.random.default_rng(seed).integers(1, len(left_alone["scores"]) - 500, 4).tolist())
    kills = 0
    for wanted in moments:
        process = start(tmp_path, "--speed", "100000")
        if wait_for(process, tmp_path, wanted):
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
    assert kills == len(moments)
    assert contents(tmp_path) != left_alone
    finish(start(tmp_path))
    assert contents(tmp_path) == left_alone


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_sigterm_and_ctrl_c_save_and_leave_and_the_next_run_goes_on(
    left_alone: dict[str, list[Any]], tmp_path: Path, name: signal.Signals
) -> None:
    (tmp_path / "w.toml").write_text(CONFIG)
    process = start(tmp_path, "--speed", "100000")
    assert wait_for(process, tmp_path, 2000)
    process.send_signal(name)
    finish(process)
    before = points(tmp_path)
    assert 2000 <= before < len(left_alone["scores"])
    finish(start(tmp_path))
    assert contents(tmp_path) == left_alone
