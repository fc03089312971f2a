"""The five pipelines of the demo, from recording to table, with golden alerts."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from connectors.sqlite_log import alerts
from streams.demo import Demo, Line, demos, play
from streams.say import demo_table, moment

GOLDEN = Path(__file__).parents[1] / "golden" / "demo.json"
"""written anew by `python -m tests.streams.test_demo` when a change of the alerts is meant"""

DEMOS = demos()


def run(demo: Demo, folder: Path) -> tuple[Line, list[list[Any]]]:
    """The line of the table, and the alerts in the order of their opening."""
    line = asyncio.run(play(demo, folder, asyncio.Event(), lambda _: None, lambda _: None))
    raised = alerts(folder / "watchkeeper.db", limit=10_000)
    told = [[a.series, a.kind, moment(a.opened), moment(a.closed), a.state, a.id] for a in raised]
    return line, sorted(told)


@pytest.mark.parametrize("demo", DEMOS, ids=[demo.pipeline.name for demo in DEMOS])
def test_a_pipeline_raises_its_golden_alerts(demo: Demo, tmp_path: Path) -> None:
    line, raised = run(demo, tmp_path)
    golden = json.loads(GOLDEN.read_text())[demo.pipeline.name]
    assert raised == golden["alerts"]
    assert line.readings == demo.rows == golden["readings"]


def test_labelled_events_are_found_in_every_labelled_set(tmp_path: Path) -> None:
    lines = []
    for demo in DEMOS:
        (tmp_path / demo.pipeline.name).mkdir()
        lines.append(run(demo, tmp_path / demo.pipeline.name)[0])
    found = {line.pipeline: line.verdict.found for line in lines if line.verdict is not None}
    assert set(found) == {"machine", "cloudwatch", "server", "ferrybox"}
    assert all(found.values())
    assert demo_table(lines).row_count == 5


def write_golden() -> None:
    """Write the golden alerts anew."""
    import tempfile

    golden = {}
    for demo in DEMOS:
        with tempfile.TemporaryDirectory() as folder:
            line, raised = run(demo, Path(folder))
            golden[demo.pipeline.name] = {"readings": line.readings, "alerts": raised}
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    write_golden()
