"""Promised against observed episodes: counted by hand, by the worker on noise and public recordings, by the command."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from connectors.recordings import numbers
from connectors.suites import Labelled, load
from detectors.conformal import Conformal
from detectors.evaluation.poisson import poisson
from streams.budget import (
    AR,
    Episodes,
    bootstrap,
    measure,
    needed,
    normal,
    openings,
    pooled,
    promising,
    simulated,
)
from streams.cli import app
from streams.policy import AlertPolicy
from streams.recorded import Scored
from streams.watch_text import watch_of

DATA = Path("../shared/data")
BAR = 1.5


def recording(labels: list[int], *, begin: int = 0, rows_per_day: float | None = None) -> Labelled:
    return Labelled(
        name="r",
        path=Path("r"),
        variables=("value",),
        labels=np.array(labels),
        begin=begin,
        asset="r",
        rows_per_day=rows_per_day,
    )


def told(labels: list[int], opened: list[int], **known: float) -> Episodes:
    """All rows have a verdict."""
    marks = np.isin(np.arange(len(labels)), opened)
    return Episodes(recording(labels, **known), np.ones(len(labels), np.bool_), marks)  # type: ignore[arg-type]


def test_an_episode_begins_after_more_than_quiet_verdicts_since_the_last_alarm() -> None:
    alarm = np.isin(np.arange(30), [0, 3, 7, 18, 20])
    threshold = np.where(np.isin(np.arange(30), [19]), np.nan, 1.0)
    scored = Scored(np.zeros(30), threshold, alarm)
    assert np.flatnonzero(openings(scored, 3)).tolist() == [0, 7, 18]
    assert np.flatnonzero(openings(scored, 10)).tolist() == [0, 18]
    silent = np.where((np.arange(30) > 7) & (np.arange(30) < 18), np.nan, threshold)
    assert np.flatnonzero(openings(Scored(np.zeros(30), silent, alarm), 10)).tolist() == [0]


def test_rows_count_that_are_normal_and_outside_the_shadow() -> None:
    one = recording([0, 0, 1, 0, 0, -1, 0, 0], begin=1)
    assert np.flatnonzero(normal(one)).tolist() == [1, 3, 4, 6, 7]
    assert np.flatnonzero(normal(one, shadow=2)).tolist() == [1, 6, 7]


def test_promised_and_observed_are_pooled_over_the_normal_rows() -> None:
    one = told([0] * 50 + [1] * 10 + [0] * 40, [5, 20, 55, 61], begin=10, rows_per_day=10.0)
    other = told([0] * 20, [3, 4], rows_per_day=20.0)
    budget = pooled("s", [one, other], 0.05)
    assert budget.promised == pytest.approx(5.0)
    assert (budget.observed, budget.on_events) == (4, 1)
    assert budget.ratio == pytest.approx(0.8)
    assert budget.days == pytest.approx(9.0)
    assert budget.low < 0.8 < budget.high
    assert pooled("s", [one, other], 0.05, shadow=5).observed == 3
    assert pooled("s", [replace(one, recording=replace(one.recording, rows_per_day=None)), other], 0.05).days is None


def test_nothing_promised_has_no_ratio() -> None:
    budget = pooled("s", [told([1] * 5, [0])], 0.05)
    assert np.isnan([budget.ratio, budget.low, budget.high]).all()
    assert budget.on_events == 1


def test_the_interval_is_poisson_where_recordings_agree_and_wider_where_episodes_gather_in_one() -> None:
    even = [told([0] * 1000, list(range(0, 1000, 100)))] * 10
    uneven = [told([0] * 1000, list(range(0, 1000, 10)) if k == 0 else []) for k in range(10)]
    alike, gathered = pooled("even", even, 0.01), pooled("uneven", uneven, 0.01)
    assert alike.ratio == gathered.ratio == 1.0
    np.testing.assert_allclose((alike.low, alike.high), np.array(poisson(100)) / 100)
    assert gathered.low == 0.0
    assert gathered.high > 2.0
    rows, opened = np.full(10, 1000), np.arange(10)
    np.testing.assert_array_equal(bootstrap(rows, opened), bootstrap(rows, opened))


def test_what_is_needed_is_enough_and_not_much_more(tmp_path: Path) -> None:
    found = [recording([0] * 33_220), recording([1] * 100)]
    assert needed(found) == 0.0031
    noise = simulated(tmp_path, 0.01)
    assert 100 <= 0.01 * sum(int(normal(one).sum()) for one in noise) <= 120


def test_the_noise_is_as_autocorrelated_as_it_says(tmp_path: Path) -> None:
    first, second = (load_values(one) for one in simulated(tmp_path, 1e-3)[:2])
    assert np.corrcoef(first[1:], first[:-1])[0, 1] == pytest.approx(AR, abs=0.01)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1


def load_values(one: Labelled) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return numbers(one.path)[1][:, 0]


@pytest.mark.parametrize("watch", ["gaussian+conformal", "kmeans+conformal"])
def test_the_budget_is_kept_on_autocorrelated_noise(watch: str, tmp_path: Path) -> None:
    promised = promising(watch_of(watch), 2e-3)
    kept = measure("AR(1)", simulated(tmp_path, 2e-3), promised, AlertPolicy())
    assert kept.promised > 100
    assert 1 / BAR < kept.ratio < BAR
    assert kept.low < 1 < kept.high
    assert kept.days == pytest.approx(kept.promised / 2e-3 / 1440)


@pytest.mark.parametrize(
    ("suite", "detector"),
    [
        ("smd", "gaussian"),
        ("asd", "gaussian"),
        ("aiops_kpi", "gaussian"),
        pytest.param("smd", "mahalanobis", marks=pytest.mark.slow),
        pytest.param("smd", "kmeans", marks=pytest.mark.slow),
        ("asd", "kmeans"),
    ],
)
def test_the_budget_is_kept_on_the_normal_parts_of_public_recordings(suite: str, detector: str) -> None:
    if not (DATA / suite).is_dir():
        pytest.skip(f"the recordings of {suite} are not here")
    found = load(DATA / suite)
    watch = promising(watch_of(f"{detector}+conformal"), max(needed(found), Conformal().budget))
    kept = measure(suite, found, watch, AlertPolicy())
    assert kept.promised >= 100
    assert 1 / BAR < kept.ratio < BAR
    assert kept.days is not None


def test_a_watch_without_a_budget_is_told_what_to_have() -> None:
    with pytest.raises(ValueError, match="gaussian\\+conformal"):
        measure("none", [], watch_of("gaussian"), AlertPolicy())


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A file of independent noise, all of it labelled normal."""
    path = tmp_path / "own.csv"
    rows = np.random.default_rng(1).normal(size=2000)
    path.write_text("timestamp,value,label\n" + "".join(f"{60 * k},{x:.6f},0\n" for k, x in enumerate(rows)))
    return path


def test_the_command_prints_a_line_for_each_suite_and_what_is_needed(own: Path) -> None:
    words = ["budget", str(own), "-w", "gaussian+conformal", "--budget", "0.02"]
    plain = CliRunner().invoke(app, words)
    assert plain.exit_code == 0, plain.output
    assert "AR(1) 0.9" in plain.output
    assert "--budget 0.059" in plain.output
    figures = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)["figures"]
    assert figures["own.csv.gaussian+conformal.budget.promised"] == pytest.approx(34)
    assert figures["AR(1) 0.9.gaussian+conformal.budget.ratio"] == pytest.approx(1, abs=0.5)


def test_the_command_says_where_no_budget_would_do(own: Path) -> None:
    own.write_text("".join(own.read_text().splitlines(keepends=True)[:900]))
    plain = CliRunner().invoke(app, ["budget", str(own), "-w", "gaussian+conformal", "--budget", "0.05"])
    assert plain.exit_code == 0, plain.output
    assert "own.csv: too few readings" in plain.output


def test_the_command_refuses_a_budget_out_of_range(own: Path) -> None:
    answer = CliRunner().invoke(app, ["budget", str(own), "-w", "gaussian+conformal", "--budget", "2"])
    assert answer.exit_code == 2
    assert "budget must lie between 0 and" in answer.output
