"""The command, as a user types it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streams.cli import app

CONFIG = """
[snapshots]
url = "{folder}/data/snapshots"

[sqlite]
path = "{folder}/data/watchkeeper.db"

[pipelines.pumps]
topic = "pumps"
source = {{ type = "recording", paths = ["pumps.csv"] }}
decode = {{ format = "json", series = "pump", time = "timestamp", values = "flow" }}
scores = "all"

[[pipelines.pumps.watches]]
name = "level"
detector = {{ type = "gaussian", warm_up = 16 }}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration, and a recording of one pump with a spike, a broken cell, and a row that comes twice."""
    (tmp_path / "w.toml").write_text(CONFIG.format(folder=tmp_path))
    rows = ["timestamp,pump,flow"]
    for minute in range(120):
        flow = "60.5" if minute == 80 else "broken" if minute == 90 else f"{5 + minute % 4 / 10}"
        rows.append(f"2024-05-01T{minute // 60:02}:{minute % 60:02}:00Z,north,{flow}")
    rows.append(rows[-1])
    (tmp_path / "pumps.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def call(folder: Path, *words: str, code: int = 0) -> Result:
    config = () if words[0] == "demo" else ("-c", str(folder / "w.toml"))
    result = CliRunner().invoke(app, [*words, *config])
    assert result.exit_code == code, result.output
    return result


def test_run_scores_a_recording_and_started_again_has_nothing_left_to_do(folder: Path) -> None:
    first = call(folder, "run").output
    assert "OPEN   pumps/north anomaly level" in first
    assert "closed pumps/north" in first
    assert "OPEN" not in call(folder, "run").output


def test_alerts_are_listed_and_shown_by_the_beginning_of_their_id(folder: Path) -> None:
    call(folder, "run")
    (alert,) = json.loads(call(folder, "alerts", "list", "--json").stdout)
    assert alert["actual"] == {"flow": 60.5}
    told = call(folder, "alerts", "show", alert["id"][:5]).output
    assert "anomaly on north (pumps), closed" in told
    assert "pumps/0, offsets 80 to" in told
    assert "no alert" in call(folder, "alerts", "show", "ffff", code=2).output


def test_dead_letters_are_listed_shown_and_replayed_after_the_configuration_was_mended(folder: Path) -> None:
    call(folder, "run")
    found = json.loads(call(folder, "dead", "list", "--json").stdout)
    assert found["counts"] == {"duplicate": 1, "wrong_type": 1}
    assert '"broken"' in call(folder, "dead", "show", "pumps/pumps/0/90").output
    assert "no dead letter" in call(folder, "dead", "show", "pumps/pumps/0/7", code=2).output

    again = json.loads(call(folder, "dead", "replay", "--pipeline", "pumps", "--json").stdout)
    assert again == {"tried": 2, "accepted": 0, "failed_again": 1}
    (letter,) = json.loads(call(folder, "dead", "list", "--json").stdout)["dead_letters"]
    assert (letter["reason"], letter["attempt"]) == ("wrong_type", 1)


def test_a_dead_letter_that_is_newer_than_its_series_is_scored_by_the_replay(folder: Path) -> None:
    path = folder / "pumps.csv"
    path.write_text(path.read_text() + "2024-05-01T05:00:00Z,,5.1\n")
    call(folder, "run")
    config = folder / "w.toml"
    assert json.loads(call(folder, "dead", "list", "--json").stdout)["counts"]["missing_series"] == 1
    config.write_text(config.read_text().replace('series = "pump"', 'series = "@key"'))
    again = json.loads(call(folder, "dead", "replay", "-p", "pumps", "--reason", "missing_series", "--json").stdout)
    assert again == {"tried": 1, "accepted": 1, "failed_again": 0}
    assert "missing_series" not in json.loads(call(folder, "dead", "list", "--json").stdout)["counts"]


def test_replay_runs_a_file_apart_from_the_live_state(folder: Path) -> None:
    words = ("replay", str(folder / "pumps.csv"), "--pipeline", "pumps", "--into", str(folder / "apart"), "--json")
    report = json.loads(call(folder, *words).stdout)
    assert (report["records"], report["alerts"]) == (121, 1)
    assert Path(report["database"]).exists()
    assert not (folder / "data").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("replay", "nothing.csv", "-p", "pumps"), "there is no file nothing.csv"),
        (("replay", "nothing.csv", "-p", "pump"), "no pipeline 'pump'; there are pumps"),
        (("run", "--pipeline", "pump"), "no pipeline pump"),
        (("dead", "list"), "watchkeeper"),
    ],
)
def test_wrong_words_are_answered_in_a_line(folder: Path, words: tuple[str, ...], message: str) -> None:
    output = call(folder, *words, code=2).output
    assert message in output
    assert "Traceback" not in output


def test_a_snapshot_can_be_forgotten(folder: Path) -> None:
    call(folder, "run")
    call(folder, "snapshots", "forget", "pumps/pumps/0")
    assert "OPEN" in call(folder, "run").output


def test_every_command_explains_itself() -> None:
    words = [["demo"], ["run"], ["check"], ["replay"], ["alerts", "list"], ["alerts", "show"], ["dead", "list"]]
    words += [["dead", "show"], ["dead", "replay"], ["snapshots", "forget"], ["bench", "detectors"]]
    for command in words:
        result = CliRunner().invoke(app, [*command, "--help"])
        assert result.exit_code == 0
        assert len(result.output) > 300, command
