"""A benchmark as its publisher lays it out, on its way to the command that judges by it."""

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from connectors.suites import load
from streams.cli import app


def call(*words: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["convert", *map(str, words)])
    assert result.exit_code == code, result.output
    return result


def test_a_converted_folder_is_a_suite(tmp_path: Path) -> None:
    (tmp_path / "001_UCR_Anomaly_ECG1_4_6_8.txt").write_text("".join(f"  {row}.5e+00\n" for row in range(10)))
    assert "ucr: 1 recordings, for `watchkeeper evaluate" in call(tmp_path, tmp_path / "ucr").output
    (one,) = load(tmp_path / "ucr")
    assert (one.name, one.begin, one.labels.tolist()) == ("ECG1", 4, [0] * 6 + [1, 1, 0, 0])
    told = json.loads(call(tmp_path, tmp_path / "ucr", "--json").stdout)
    assert told == {"folder": str(tmp_path / "ucr"), "recordings": ["ECG1.parquet"]}


def test_what_cannot_be_converted_is_told_in_a_line(tmp_path: Path) -> None:
    assert "the folder must be named nab, skab" in call(tmp_path, tmp_path / "mine", code=2).output
    assert "no recording is where the publisher of tep puts it" in call(tmp_path, tmp_path / "tep", code=2).output
    (tmp_path / "d00.dat").write_text("1 2 3\n")
    told = call(tmp_path, tmp_path / "tep", code=2).output
    assert "d00.dat must have 52 columns; got 3" in told
    assert len(told.splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "d00.dat").write_text(" ".join(["1"] * 52) + "\n")
    (tmp_path / "tep").write_text("a file, not a folder")
    assert "cannot write" in call(tmp_path, tmp_path / "tep", code=2).output
