"""Watches on labelled recordings: figures that follow from the labels, slices, causality, and the command."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from detectors.base import Batch, Scores
from detectors.gaussian import Gaussian, GaussianState
from detectors.watch import Watch
from streams.candidates import BASELINE, BASELINE_SCORES, WATCHES, baseline_watches, of_watch
from streams.cli import app
from streams.evaluate import by_kind, by_slice, evaluate, is_causal, quick, recordings, summary
from streams.watch_text import watch_of

ROWS, EVENT = 1000, 700


def write(path: Path, *, seed: int, height: float, step_back: bool = False) -> Path:
    """Noise, with one event of ten rows, which the first rows that count do not touch."""
    values = np.random.default_rng(seed).normal(size=ROWS)
    values[EVENT : EVENT + 10] += height
    minutes = np.arange(ROWS) - (60 if step_back else 0) * (np.arange(ROWS) > 500)
    labels = (np.abs(np.arange(ROWS) - EVENT - 4.5) < 5).astype(int)
    times = pa.array((minutes * 60 + 1_600_000_000) * 10**6, pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"timestamp": times, "value": values, "label": labels}), path)
    return path


@pytest.fixture
def plain(tmp_path: Path) -> list[Path]:
    return [
        write(tmp_path / "loud.parquet", seed=1, height=20.0, step_back=True),
        write(tmp_path / "quiet.parquet", seed=2, height=0.0),
    ]


def test_what_is_loud_is_found_and_what_is_not_there_is_not(plain: list[Path]) -> None:
    judged = evaluate(recordings(plain), [of_watch(watch_of("gaussian"))])
    loud, quiet = (one.figures for one in judged.of("gaussian"))
    assert (loud["events"], loud["found"], loud["delay_rows"], loud["false_alerts"]) == (1, 1, 0, 0)
    assert (quiet["events"], quiet["found"]) == (1, 0)
    assert "delay_rows" not in quiet
    assert (loud["point_recall"], loud["point_precision"]) == (1.0, 1.0)
    assert loud["pate_f1"] == pytest.approx(1.0)
    assert (quiet["point_recall"], quiet["point_f1"]) == (0, 0)
    assert "point_precision" not in quiet
    assert loud["vus_pr"] > 0.8 > 0.2 > quiet["vus_pr"]
    assert not judged.rejected
    means = summary(judged)
    assert means["gaussian"]["found"] == 1
    assert means["gaussian"]["vus_pr"] == pytest.approx((loud["vus_pr"] + quiet["vus_pr"]) / 2)


def test_baselines_stand_beside_and_a_slice_is_not_hidden_by_the_mean(plain: list[Path]) -> None:
    judged = evaluate(recordings(plain), [of_watch(watch_of("gaussian")), *baseline_watches()])
    assert judged.watches == ["gaussian", *(BASELINE + name for name in (*WATCHES, *BASELINE_SCORES))]
    means = summary(judged)
    assert means["baseline.constant"]["pate"] > 0.5 > 0.1 > means["baseline.constant"]["pate_step"]
    assert means["gaussian"]["vus_pr"] > means["baseline.random"]["vus_pr"]
    told = by_slice(judged, "vus_pr")
    assert set(told) == {"loud", "quiet"}
    assert told["loud"]["gaussian"] > told["quiet"]["gaussian"]


def test_a_quick_evaluation_takes_the_shortest_recordings_of_each_suite(plain: list[Path]) -> None:
    (one,) = recordings(plain[:1])
    of = [
        replace(one, name=str(rows), labels=one.labels[:rows], suite=suite) for suite in "ab" for rows in (9, 5, 7, 6)
    ]
    assert [(few.suite, few.name) for few in quick(of)] == [(suite, name) for suite in "ab" for name in "56"]


def test_rows_before_the_first_that_counts_are_not_judged(plain: list[Path]) -> None:
    (one,) = recordings(plain[:1])
    assert one.begin == 150
    late = replace(one, begin=EVENT + 20)
    judged = evaluate([late], [of_watch(watch_of("gaussian"))])
    assert judged.of("gaussian")[0].figures["events"] == 0
    assert "vus_pr" not in judged.of("gaussian")[0].figures


def test_an_alert_near_an_event_finds_it_within_the_tolerance(plain: list[Path]) -> None:
    (one,) = recordings(plain[:1])
    shifted = replace(one, labels=np.roll(one.labels, 15))
    strict, lenient = (
        evaluate([shifted], [of_watch(watch_of("gaussian"))], tolerance=rows).of("gaussian")[0].figures
        for rows in (0, 15)
    )
    assert (strict["found"], strict["false_alerts"]) == (0, 1)
    assert (lenient["found"], lenient["false_alerts"], lenient["delay_rows"]) == (1, 0, -15)


def test_events_of_all_recordings_count_alike(plain: list[Path]) -> None:
    told = summary(evaluate(recordings(plain), [of_watch(watch_of("gaussian"))]))["gaussian"]
    assert (told["event_precision"], told["event_recall"]) == (1.0, 0.5)
    assert told["event_f1"] == pytest.approx(2 / 3)
    assert told["judged_rows"] == 2 * 850
    assert told["normal_days"] == pytest.approx(2 * 840 / 1440)
    assert told["false_alerts_per_day"] == 0


def test_what_is_found_is_told_by_kind_of_anomaly(tmp_path: Path) -> None:
    values = np.random.default_rng(3).normal(size=ROWS)
    values[[400, 700]] += 30.0
    labels = np.zeros(ROWS, np.int64)
    labels[[400, 500, 700]] = 1
    kinds = np.full(ROWS, "", object)
    kinds[[400, 500, 700]] = "spike", "ghost", "spike"
    path = tmp_path / "pump.csv"
    lines = [f"{1_600_000_000 + 60 * i},{values[i]},{labels[i]},{kinds[i]}" for i in range(ROWS)]
    path.write_text("\n".join(["timestamp,value,label,label_kind", *lines]) + "\n")
    judged = evaluate(recordings([path]), [of_watch(watch_of("gaussian"))])
    assert by_kind(judged) == {"ghost": {"gaussian": 0.0}, "spike": {"gaussian": 1.0}}
    assert judged.of("gaussian")[0].figures["false_alerts_per_day"] == 0


PIPELINE = """
[pipelines.pump]
topic = "pump"
decode = { format = "json", series = "pump", time = "time", values = "VALUE" }

[[pipelines.pump.watches]]
name = "level"
detector = { type = "gaussian" }
overrides = [{ series = "loud", detector = { limit = 1e6 } }]

[[pipelines.pump.watches]]
name = "edge"
detector = { type = "range" }
"""


def configured(path: Path, *, values: str = "value") -> str:
    path.write_text(PIPELINE.replace("VALUE", values))
    return str(path)


def test_a_configured_pipeline_is_judged_with_its_overrides(plain: list[Path], tmp_path: Path) -> None:
    config = configured(tmp_path / "watchkeeper.toml")
    arguments = ["evaluate", str(plain[0]), "--pipeline", "pump", "--config", config, "--json", "--prove-causal"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["figures"]["edge.found"], told["figures"]["level.found"]) == (1, 0)
    assert told["causal"] == {"pump": True}


def test_a_pipeline_that_reads_other_columns_is_told(plain: list[Path], tmp_path: Path) -> None:
    config = configured(tmp_path / "watchkeeper.toml", values="flow")
    done = CliRunner().invoke(app, ["evaluate", str(plain[0]), "--pipeline", "pump", "--config", config])
    assert done.exit_code == 2
    assert "pipeline pump reads flow, and the columns are value" in done.output.replace("\n", " ")


def test_the_point_adjusted_figure_never_comes_without_its_warning(plain: list[Path]) -> None:
    arguments = ["evaluate", str(plain[0]), "--watch", "gaussian"]
    assert "PA-F1" not in CliRunner().invoke(app, arguments).output
    shown = CliRunner().invoke(app, [*arguments, "--point-adjusted"]).output
    assert shown.index("PA-F1") < shown.rindex("baseline.random") < shown.index("random scores get 0.93")


class Foresight(Gaussian, frozen=True, kw_only=True, tag="foresight"):
    """Knows the last reading of its batch."""

    def update(self, state: GaussianState, batch: Batch) -> Scores:
        scores = super().update(state, batch)
        scores.score += abs(float(batch.values[-1, 0]))
        return scores


def test_a_detector_that_looks_ahead_is_caught(plain: list[Path]) -> None:
    (one,) = recordings(plain[:1])
    assert is_causal(one, of_watch(watch_of("gaussian+likelihood")))
    assert not is_causal(one, of_watch(Watch(name="cheat", detector=Foresight())))


def test_the_command_prints_a_table_and_figures(plain: list[Path]) -> None:
    names = [str(path) for path in plain]
    shown = CliRunner().invoke(app, ["evaluate", *names, "--watch", "gaussian", "--prove-causal"])
    assert shown.exit_code == 0, shown.output
    for expected in ("VUS-PR", "baseline.moving_variance", "loud", "no later reading changes an earlier score"):
        assert expected in shown.output
    told = CliRunner().invoke(app, ["evaluate", *names, "--watch", "gaussian", "--json"])
    figures = json.loads(told.stdout)["figures"]
    assert figures["gaussian.found"] == 1
    assert figures["gaussian.slice.loud.vus_pr"] > figures["gaussian.slice.quiet.vus_pr"]


def test_the_report_holds_what_is_printed_and_what_was_promised(plain: list[Path], tmp_path: Path) -> None:
    names = [str(path) for path in plain]
    arguments = ["evaluate", *names, "--watch", "gaussian+conformal", "--report", str(tmp_path / "report"), "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)["figures"]
    assert json.loads((tmp_path / "report/figures.json").read_text())["figures"] == figures
    assert figures["budget.gaussian+conformal.promised"] > 0
    lines = (tmp_path / "report/figures.csv").read_text().splitlines()
    assert sum(line.startswith("loud,") for line in lines) == len(lines) // 2
    assert "gaussian+conformal" in (tmp_path / "report/report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing.parquet", "-w", "gaussian"], "nothing.parquet"),
        (["unlabelled.csv", "-w", "gaussian"], "there is no column `label`"),
        ([".", "-w", "gaussian"], "no suite is called"),
        (["unlabelled.csv", "-w", "gausian"], "did you mean 'gaussian'"),
        (["unlabelled.csv"], "say what to evaluate: --watch"),
        (["unlabelled.csv", "-p", "pumps"], "watchkeeper.toml: cannot be read"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "unlabelled.csv").write_text("timestamp,value\n2024-01-01T00:00:00Z,1\n2024-01-01T00:01:00Z,2\n")
    result = CliRunner().invoke(app, ["evaluate", *arguments])
    assert result.exit_code == 2
    assert told in result.output.replace("\n", " ")
    assert "Traceback" not in result.output
