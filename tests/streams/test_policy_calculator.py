"""Thresholds and holds for a budget of false alerts: they keep to it in the recording and after it, and say why."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.signal import lfilter
from typer.testing import CliRunner

from detectors.base import FloatArray, IntArray
from detectors.evaluation.poisson import poisson
from detectors.gaussian import Gaussian
from detectors.likelihood import Likelihood
from detectors.watch import Watch
from streams.cli import app
from streams.pipeline import Pipeline, PipelineWatch
from streams.policy import AlertPolicy, OpenAfter
from streams.policy_calculator import Policy, budget_of, policy
from streams.policy_search import Pair
from streams.recorded import columns, replay
from streams.watch_text import watch_of

ROWS = 20_160
"""two weeks of minutes"""


def write(path: Path, values: FloatArray, *, labels: IntArray | None = None, clock: bool = True) -> Path:
    table = {"value": pa.array(values)}
    if clock:
        minutes = np.arange(len(values)) * 60 + 1_600_000_000
        table["timestamp"] = pa.array(minutes * 10**6, pa.timestamp("us", "UTC"))
    if labels is not None:
        table["label"] = pa.array(labels)
    pq.write_table(pa.table(table), path)
    return path


def noise(seed: int, rows: int = ROWS, correlation: float = 0.0) -> FloatArray:
    made: FloatArray = lfilter([1.0], [1.0, -correlation], np.random.default_rng(seed).normal(size=rows))
    return made


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    path = write(tmp_path_factory.mktemp("white") / "white.parquet", noise(1))
    return policy(path, watch_of("gaussian"), budget_of("5 per week"), AlertPolicy())


def opened(path: Path, pair: Pair) -> list[int]:
    """Rows at which alerts of `gaussian` open with these settings."""
    watch = watch_of(f'{{ name = "w", detector = {{ type = "gaussian", limit = {pair.threshold} }} }}')
    alerts = AlertPolicy(open_after=OpenAfter(alarms=pair.hold, of=pair.hold))
    watches = (PipelineWatch(watch=watch),)
    pipeline = Pipeline(name="p", topic="p", decoder=columns(("value",)), watches=watches, policy=alerts)
    return [alert.first_offset for alert in replay(pipeline, path).alerts]


def test_pairs_keep_to_the_budget_and_are_as_low_as_they_can_be(found: Policy) -> None:
    assert [pair.hold for pair in found.pairs][:3] == [1, 2, 3]
    assert found.units == pytest.approx(2, rel=0.01)
    for pair in found.pairs:
        assert found.within(pair)
        assert len(opened(found.trial.path, pair)) == pair.counted <= 10
    thresholds = [pair.threshold for pair in found.pairs]
    assert thresholds == sorted(set(thresholds), reverse=True)
    lower = Pair(threshold=0.85 * thresholds[0], hold=1, predicted=0.0, counted=0)
    assert len(opened(found.trial.path, lower)) > 10


def test_the_formula_is_that_of_white_noise(found: Policy) -> None:
    assert not found.excursions.unfit
    assert found.plain is not None
    p = found.excursions.share(found.plain.threshold)
    assert found.plain.predicted == pytest.approx(p * (1 - p) * 10_080, rel=0.05)
    assert found.now.threshold == 6.0
    assert found.within(found.now)


def test_the_budget_is_kept_after_the_recording(found: Policy, tmp_path: Path) -> None:
    path = write(tmp_path / "after.parquet", noise(2, rows=4 * ROWS))
    for pair in found.pairs[:3]:
        count = len(opened(path, pair))
        assert poisson(count)[0] / 8 <= 5, pair
        assert count > 8, pair


def test_a_hold_pays_where_an_anomaly_builds_up(found: Policy) -> None:
    assert found.plain is not None
    assert found.patient is not None
    readings = found.pays_after(found.patient)
    slope = (found.plain.threshold - found.median) / readings
    crossed = [(pair.threshold - found.median) / slope + pair.hold - 1 for pair in (found.plain, found.patient)]
    assert crossed[0] == pytest.approx(crossed[1])
    assert readings == min(found.pays_after(pair) for pair in found.pairs)


def test_a_calibrated_watch_is_tuned_at_its_calibrator(tmp_path: Path) -> None:
    values = noise(3, correlation=0.5)
    values[10_000:10_040] += 4
    path = write(tmp_path / "noise.parquet", values)
    found = policy(path, watch_of("gaussian+likelihood"), budget_of("3 per week"), AlertPolicy())
    assert (found.trial.stage, found.trial.parameter) == ("calibrator", "limit")
    assert found.plain is not None
    assert found.within(found.plain)
    limited = Watch(detector=Gaussian(), calibrator=Likelihood(limit=found.plain.threshold))  # its red filter on
    watches = (PipelineWatch(watch=limited),)
    pipeline = Pipeline(name="p", topic="p", decoder=columns(("value",)), watches=watches, policy=AlertPolicy())
    replayed = replay(pipeline, path)
    assert len(replayed.alerts) == found.plain.counted
    alarms = int(replayed.scored["watch"].alarm.sum())
    assert (found.score >= found.plain.threshold).sum() == pytest.approx(alarms, rel=0.2)
    assert alarms > 10


def test_labelled_anomalies_do_not_raise_the_threshold(tmp_path: Path) -> None:
    values, labels = noise(4), np.zeros(ROWS, np.int64)
    for first in range(1000, ROWS, 1500):
        values[first : first + 5] += 12
        labels[first : first + 5] = 1
    with_labels = write(tmp_path / "known.parquet", values, labels=labels)
    without = write(tmp_path / "unknown.parquet", values)
    known, unknown = (
        policy(path, watch_of("gaussian"), budget_of("3 per week"), AlertPolicy()) for path in (with_labels, without)
    )
    assert known.plain is not None
    assert unknown.plain is not None
    assert known.plain.threshold < 5 < 8 < unknown.plain.threshold
    assert (known.anomalous, unknown.anomalous) == (65, 0)
    assert known.readings + known.anomalous == unknown.readings


def test_a_season_falls_back_on_what_was_observed(tmp_path: Path) -> None:
    season = np.sin(np.arange(ROWS) * 2 * np.pi / 1440) > 0
    path = write(tmp_path / "season.parquet", noise(5) * np.where(season, 3.0, 0.3))
    result = CliRunner().invoke(app, ["policy", "--recording", str(path), "-w", "gaussian", "--budget", "1 per day"])
    assert result.exit_code == 0, result.output
    told = " ".join(result.output.split())
    assert "The excursion formula does not apply: the autocorrelation rises again" in told
    assert "excursions per day" in told


def test_the_command_recommends_first_and_ends_with_its_assumptions(tmp_path: Path) -> None:
    path = write(tmp_path / "white.parquet", noise(6))
    arguments = ["policy", "--recording", str(path), "-w", "gaussian", "--budget", "5 per week"]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    told = " ".join(shown.output.split())
    places = [
        told.index(text)
        for text in (
            "Recommended: limit",
            'detector = { type = "gaussian", limit = ',
            "open_after = { alarms = 1, of = 1 }",
            "Or, for anomalies that build up",
            "Now (within the budget): limit 6",
            "predicted per week",
            "What this rests on:",
            "There are no labels: all of it is taken for normal",
            "Gaussian copula",
            "The autocorrelation decays",
            "Checked above",
            "stationary",
            "An alert closes after 30 quiet readings",
            "Poisson",
        )
    ]
    assert places[0] == min(places)
    assert places[6] < min(places[7:])
    figures = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)["figures"]
    assert figures["policy.recommended.rate"] <= 5
    assert figures["policy.recommended.predicted"] <= 5
    assert figures["policy.recommended.threshold"] == figures["policy.hold_1.threshold"]
    assert figures["policy.formula_applies"] == 1
    assert figures["policy.patient.hold"] > 1
    observed = figures["policy.check.excursions_observed"]
    assert figures["policy.check.excursions_predicted"] == pytest.approx(observed, rel=0.5)
    assert observed >= 30


def test_a_budget_in_readings_needs_no_clock(tmp_path: Path) -> None:
    path = write(tmp_path / "timeless.parquet", noise(7), clock=False)
    found = policy(path, watch_of("gaussian"), budget_of("1 per 1000 readings"), AlertPolicy())
    assert found.plain is not None
    assert found.unit == 1000
    assert np.isnan(found.step)
    assert found.plain.counted <= 20


def test_a_recording_shorter_than_the_budget_asks_for_no_alert_and_more_than_was_seen(tmp_path: Path) -> None:
    path = write(tmp_path / "short.parquet", noise(8, rows=2000))
    found = policy(path, watch_of("gaussian"), budget_of("1 per month"), AlertPolicy())
    assert found.plain is not None
    assert found.plain.counted == 0
    assert found.plain.threshold > found.excursions.highest
    assert found.interval(found.plain)[1] > 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--recording", "timeless.csv", "-w", "gaussian"], "has no times (column `timestamp`)"),
        (["--recording", "two.csv", "-w", "gaussian"], "holds several series"),
        (["--recording", "two.jsonl", "-w", "gaussian"], "ends in .csv or .parquet"),
        (["--recording", "nothing.csv", "-w", "gaussian"], "nothing.csv"),
        (["--recording", "short.csv", "-w", "gaussian"], "at least 200 finite scores of normal readings; got 0"),
        (["--recording", "short.csv", "-w", "gaussian+conformal"], "Conformal has no threshold of its own"),
        (["--recording", "short.csv", "-w", "gausian"], "did you mean 'gaussian'"),
        (["--recording", "short.csv", "-w", "gaussian", "--budget", "1 a week"], "--budget: a number above 0"),
        (["--recording", "short.csv", "-w", "gaussian", "--budget", "0 per week"], "--budget: a number above 0"),
        (["--recording", "short.csv", "-w", "gaussian", "--budget", "90 per hour"], "an alert at every reading"),
        (["--recording", "short.csv", "-w", "gaussian", "--close-after", "0"], "close_after must be at least 1"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "timeless.csv").write_text("value\n1\n2\n")
    (tmp_path / "short.csv").write_text("timestamp,value\n2024-01-01T00:00:00Z,1\n2024-01-01T00:01:00Z,2\n")
    (tmp_path / "two.csv").write_text("timestamp,series,value\n2024-01-01T00:00:00Z,a,1\n2024-01-01T00:01:00Z,b,2\n")
    (tmp_path / "two.jsonl").write_text('{"value": 1}\n')
    result = CliRunner().invoke(app, ["policy", *arguments])
    assert result.exit_code == 2, result.output
    assert told in " ".join(result.output.split())
    assert len(result.output.splitlines()) == 1
