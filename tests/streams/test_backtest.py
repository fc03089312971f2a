"""What a pipeline would have raised on its own history: only of the time asked for, from a file or from the topic."""

import asyncio
import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from connectors.kafka.connection import Connection
from connectors.kafka.history import History
from connectors.kafka.topics import create
from streams.cli import app
from tests.streams.kafka import broker
from tests.streams.kafka.broker import Sent

DAY, HOUR = 86_400, 3600
MONDAY = 1_700_438_400  # 2023-11-20T00:00:00Z
SPIKES = (MONDAY + 20 * HOUR, MONDAY + DAY + 3 * HOUR, MONDAY + DAY + 9 * HOUR, MONDAY + 2 * DAY + HOUR)

CONFIG = """
[kafka]
bootstrap = "{bootstrap}"

[pipelines.pumps]
topic = "{topic}"
decode = {{ format = "json", series = "pump", time = "time", values = "level" }}

[[pipelines.pumps.watches]]
name = "level"
detector = {{ type = "gaussian", half_life = 60, limit = 8.0 }}
"""


def level(second: int) -> float:
    return 40.0 if second in SPIKES else second // 60 % 7 / 7


def pump(second: int) -> bytes:
    return json.dumps({"pump": "p1", "time": second, "level": level(second)}).encode()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three days of a pump, a reading a minute, with four spikes: one on Monday, two on Tuesday, one on Wednesday."""
    lines = [pump(second).decode() for second in range(MONDAY, MONDAY + 3 * DAY, 60)]
    (tmp_path / "pumps.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "watchkeeper.toml").write_text(CONFIG.format(bootstrap="127.0.0.1:1", topic="pumps"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def backtest(*options: str, begin: str = "2023-11-21", end: str = "2023-11-22") -> Result:
    return CliRunner().invoke(app, ["backtest", "-p", "pumps", "--from", begin, "--to", end, *options])


def told(*options: str, begin: str = "2023-11-21", end: str = "2023-11-22") -> dict[str, object]:
    done = backtest("--json", *options, begin=begin, end=end)
    assert done.exit_code == 0, done.output
    report: dict[str, object] = json.loads(done.stdout)
    return report


def opened(report: dict[str, object]) -> list[int]:
    assert isinstance(report["alerts"], list)
    return [alert["opened"] // 10**9 for alert in report["alerts"]]


@pytest.mark.usefixtures("folder")
def test_alerts_of_the_time_asked_for_and_of_no_other() -> None:
    report = told("-r", "pumps.jsonl")
    assert opened(report) == list(SPIKES[1:3])
    figures = report["figures"]
    assert isinstance(figures, dict)
    assert (figures["alerts"], figures["level.alerts"], figures["series"]) == (2, 2, 1)
    assert figures["readings"] == 2 * 1440
    assert figures["days"] == pytest.approx(1439 / 1440)
    assert opened(told("-r", "pumps.jsonl", end="2023-11-23")) == list(SPIKES[1:])


@pytest.mark.usefixtures("folder")
def test_without_a_warm_up_the_first_readings_have_no_verdict() -> None:
    assert opened(told("-r", "pumps.jsonl", "--warm-up", "0s", begin="2023-11-21T02:30:00Z")) == [SPIKES[2]]


def test_the_table_tells_what_and_the_file_holds_all(folder: Path) -> None:
    done = backtest("-r", "pumps.jsonl", "--report", "told")
    assert done.exit_code == 0, done.output
    assert done.stdout.count("anomaly") == 2
    rows = list(csv.DictReader((folder / "told/alerts.csv").read_text().splitlines()))
    assert [row["opened"] for row in rows] == ["2023-11-21 03:00:00", "2023-11-21 09:00:00"]
    assert {row["watch"] for row in rows} == {"level"}
    page = (folder / "told/report.html").read_text()
    assert page.count("2023-11-21 09:00:00") == 1
    assert "2 alerts on 1 series" in page
    assert json.loads((folder / "told/figures.json").read_text())["figures"]["alerts"] == 2


def test_the_recordings_of_the_source_are_the_past_where_none_is_named(folder: Path) -> None:
    config = folder / "watchkeeper.toml"
    source = 'source = { type = "recording", paths = ["pumps.jsonl"], time = "time" }\ndecode'
    config.write_text(config.read_text().replace("decode", source))
    assert opened(told()) == list(SPIKES[1:3])


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("options", "begin", "line"),
    [
        (["-r", "pumps.jsonl"], "2023-11-25", "--from must be before --to"),
        (["-r", "pumps.jsonl"], "yesterday", "a time is written such as 2026-11-25T08:00:00Z"),
        (["-r", "nothing.jsonl"], "2023-11-21", "nothing.jsonl"),
        (["-r", "pumps.jsonl", "--warm-up", "long"], "2023-11-21", "a duration is a number and a unit"),
    ],
)
def test_what_is_wrong_is_one_line(options: list[str], begin: str, line: str) -> None:
    done = backtest(*options, begin=begin)
    assert done.exit_code == 2
    assert line in done.output.replace("\n", " ")
    assert "Traceback" not in done.output


@pytest.mark.usefixtures("folder")
def test_a_time_without_records_is_told() -> None:
    done = backtest("-r", "pumps.jsonl", begin="2024-11-21", end="2024-11-22")
    assert done.exit_code == 2
    assert "holds no record of the time asked for" in done.output.replace("\n", " ")


def test_a_pipeline_without_a_past_says_what_to_do(folder: Path) -> None:
    config = folder / "watchkeeper.toml"
    config.write_text(config.read_text().replace("[kafka]", "").replace('bootstrap = "127.0.0.1:1"', ""))
    done = backtest()
    assert done.exit_code == 2
    assert "name a file with --recording" in done.output.replace("\n", " ")


def send(bootstrap: str, topic: str) -> None:
    """The days as a producer would have sent them: broker time = time of the reading."""
    seconds = range(MONDAY, MONDAY + 3 * DAY, 60)
    asyncio.run(broker.send(bootstrap, topic, [Sent(pump(s), s // 60 % 2, time=s * 1000) for s in seconds]))


@pytest.mark.servers
def test_what_the_topic_still_holds_is_the_past(folder: Path, bootstrap: str, topic: str) -> None:
    create(broker.at(bootstrap), topic, partitions=2, retention=100 * 365 * DAY * 1000)  # years are no reason to go
    send(bootstrap, topic)
    (folder / "watchkeeper.toml").write_text(CONFIG.format(bootstrap=bootstrap, topic=topic))
    report = told()
    assert opened(report) == list(SPIKES[1:3])
    figures = report["figures"]
    assert isinstance(figures, dict)
    assert figures["readings"] == 2 * 1440
    assert asyncio.run(broker.committed(bootstrap, "watchkeeper.pumps", topic, 2)) == {0: None, 1: None}


@pytest.mark.servers
def test_history_holds_the_records_of_its_time_and_no_other(bootstrap: str, topic: str) -> None:
    create(broker.at(bootstrap), topic, partitions=2, retention=100 * 365 * DAY * 1000)  # years are no reason to go
    send(bootstrap, topic)
    begin, end = MONDAY + DAY, MONDAY + DAY + HOUR
    history = History(Connection(bootstrap=(bootstrap,)), topic, begin=begin * 10**9, end=end * 10**9)
    assert [history.bounds(partition) for partition in history.partitions] == [(720, 750), (720, 750)]

    async def values() -> list[bytes | None]:
        slices = [records async for records in history.read({0: 720, 1: 721})]
        return [value for records in slices for value in records.values]

    expected = [pump(second) for second in range(begin, end, 60)]
    assert sorted(map(str, asyncio.run(values()))) == sorted(map(str, expected[:1] + expected[2:]))
