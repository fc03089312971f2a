"""A ladder of severities through the production worker: what follows from the scores, budgets, and the command."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from detectors.base import Batch, FloatArray, Scores
from detectors.gaussian import Gaussian, GaussianState
from detectors.watch import Watch
from streams.cli import app
from streams.evaluate import recordings as labelled
from streams.ladder import QUIET, Ability, climb, delay, figures, summary, threshold, write
from streams.pipeline import Pipeline, PipelineWatch
from streams.policy import AlertPolicy
from streams.recorded import columns, replay
from streams.watch_text import watch_of

TAXI = Path("../shared/data/nab/realKnownCause/nyc_taxi.parquet")
ROWS = 8000


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Readings of -1, 0 and 1, whose median distance from their median is 1; no label."""
    values = np.random.default_rng(4).choice((-1.0, 0.0, 1.0), size=(ROWS, 1))
    write(tmp_path / "pump.parquet", (np.arange(ROWS) + 1_600_000_000) * 10**9, ["value"], values)
    return tmp_path / "pump.parquet"


class Distance(Gaussian, frozen=True, kw_only=True, tag="distance"):
    """Distance from 0, the median of what is recorded."""

    def update(self, state: GaussianState, batch: Batch) -> Scores:
        scores = super().update(state, batch)
        scores.score[:] = np.abs(batch.values[:, 0])
        return scores


class Constant(Gaussian, frozen=True, kw_only=True, tag="constant"):
    """Says the same of every reading."""

    def update(self, state: GaussianState, batch: Batch) -> Scores:
        scores = super().update(state, batch)
        scores.score[:] = 1.0
        return scores


@pytest.fixture
def abilities(recorded: Path) -> dict[str, dict[str, Ability]]:
    watches = [Watch(name="distance", detector=Distance()), Watch(name="constant", detector=Constant())]
    return summary(climb([recorded], watches, seed=0))


def test_scores_that_rise_with_every_offset_and_scores_that_say_nothing(
    abilities: dict[str, dict[str, Ability]],
) -> None:
    spike = abilities["distance"]["spike"]
    assert spike.places == 9
    assert spike.concordance == 1.0
    assert spike.tau_b == pytest.approx(1.0)
    assert abilities["distance"]["level_shift"].concordance == 1.0
    assert abilities["distance"]["stuck"].concordance == 0.5
    # from severity 2 on, 3 and not 1 from the median: more than what is recorded, so no false alarm is needed
    assert spike.found[0][2:].tolist() == [1.0] * 4
    assert spike.found[0][0] == 0.0
    assert spike.delays[0] == 0.0
    assert spike.ranks[2:].tolist() == [1.0] * 4
    assert spike.ranks[0] < 0.7  # a third of the readings is below, the rest is as high
    assert len(abilities["constant"]) == 5  # no correlation can break in one variable
    for ability in abilities["constant"].values():
        assert ability.concordance == 0.5
        assert np.isnan(ability.tau_b)
        assert not ability.found.any()
        assert np.isnan(ability.delays).all()
        assert ability.ranks.tolist() == [0.5] * 6


def naive_threshold(score: FloatArray, per_thousand: float) -> float:
    """Every threshold in turn, from above; episodes counted reading by reading."""
    best, allowed = np.nextafter(score.max(), np.inf), per_thousand * len(score) // 1000
    for limit in sorted(set(score.tolist()), reverse=True):
        episodes, below = 0, QUIET
        for value in score:
            if value >= limit:
                episodes += below >= QUIET
                below = 0
            else:
                below += 1
        if episodes > allowed or (score >= limit).sum() > QUIET * allowed:
            return float(best)
        best = limit
    return float(best)


@pytest.mark.parametrize("per_thousand", [0, 1, 2, 5, 20])
def test_a_budget_is_what_the_recording_itself_would_raise(per_thousand: int) -> None:
    rng = np.random.default_rng(per_thousand)
    slow = np.convolve(rng.normal(size=1019), np.ones(20), "valid")
    for score in (rng.normal(size=1000), slow, np.round(slow), np.maximum(slow, 0.0), np.zeros(1000)):
        assert threshold(score, per_thousand=per_thousand) == naive_threshold(score, per_thousand)


def test_no_verdict_has_no_threshold() -> None:
    assert threshold(np.full(10, np.nan), per_thousand=5) == np.inf


def test_the_delay_is_counted_from_the_first_row() -> None:
    score = np.array([np.nan, 1.0, 3.0, 2.0, 3.0])
    assert [delay(score, limit) for limit in (1.0, 1.5, 3.0)] == [1.0, 2.0, 2.0]
    assert np.isnan(delay(score, 3.5))


def test_a_copy_into_which_nothing_was_planted_has_the_scores_of_the_recording(recorded: Path, tmp_path: Path) -> None:
    of = (PipelineWatch(watch=watch_of("gaussian+likelihood")),)
    flat = columns(("value",))
    pipeline = Pipeline(name="l", topic="l", decoder=flat, watches=of, policy=AlertPolicy())
    whole = replay(pipeline, recorded)
    values = pq.read_table(recorded)["value"].to_numpy()[:, None]
    write(tmp_path / "copy.parquet", whole.times, ["value"], values)
    copy = replay(pipeline, tmp_path / "copy.parquet")
    assert copy.times.tolist() == whole.times.tolist()
    name = "gaussian+likelihood"
    np.testing.assert_array_equal(copy.scored[name].score, whole.scored[name].score)


def test_the_command_needs_no_labels(recorded: Path) -> None:
    with pytest.raises(ValueError, match="no column `label`"):
        labelled([recorded])
    arguments = ["ladder", str(recorded), "-w", "gaussian", "-w", "stuck"]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    for expected in ("level shift", "C-index", "gaussian: found @1", "pump.parquet: 45 places in 5 severities"):
        assert expected in shown.output
    report = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert report["machine"]
    assert report["figures"]["gaussian.spike.concordance"] > 0.9
    assert report["figures"]["gaussian.spike.found.1.5"] == 1.0
    assert report["figures"]["stuck.spike.found.1.5"] == 0.0
    assert report["figures"]["stuck.stuck.concordance"] > 0.95
    assert report["figures"]["stuck.stuck.found.1.5"] == 1.0
    assert not [name for name in report["figures"] if "correlation_break" in name]


def test_several_recordings_are_one_table_and_short_ones_get_shorter_disturbances(tmp_path: Path) -> None:
    short = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for seed, path in enumerate(short):
        values = np.random.default_rng(seed).normal(size=350)
        path.write_text("timestamp,value\n" + "".join(f"{i},{x}\n" for i, x in enumerate(values)))
    climbed = climb(short, [watch_of("gaussian")], seed=0)
    assert climbed.planted == {str(path): (45, 115) for path in short}
    told = figures(summary(climbed))
    assert told["gaussian.spike.places"] == 18
    assert told["gaussian.noise.delay_rows.5"] < 20


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing.parquet", "-w", "gaussian"], "nothing.parquet: there is no such file"),
        (["words.csv", "-w", "gaussian"], "words.csv: no column of numbers; there are timestamp, word"),
        (["few.csv", "-w", "gaussian"], "few.csv: 85 rows count after the first 15, and a ladder needs 280"),
        (["still.csv", "-w", "gaussian"], "still.csv: no variable moves"),
        (["two.csv", "-w", "gaussian"], "two.csv: there are several series in it"),
        (["lines.jsonl", "-w", "gaussian"], "lines.jsonl: a ladder is planted into columns of numbers"),
        ([".", "-w", "gaussian"], "a recording ends in"),
        (["few.csv", "-w", "gausian"], "did you mean 'gaussian'"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("words.csv").write_text("timestamp,word\n1,a\n2,b\n")
    Path("few.csv").write_text("timestamp,value\n" + "".join(f"{i},{i % 7}\n" for i in range(100)))
    Path("still.csv").write_text("timestamp,value\n" + "".join(f"{i},1\n" for i in range(400)))
    Path("two.csv").write_text("timestamp,series,value\n1,a,1\n2,b,2\n")
    Path("lines.jsonl").write_text('{"timestamp": 1, "value": 2}\n')
    result = CliRunner().invoke(app, ["ladder", *arguments])
    assert result.exit_code == 2
    assert told in result.output.replace("\n", " ")
    assert len(result.output.strip().splitlines()) == 1
    assert "Traceback" not in result.output


def test_a_recording_of_the_benchmark_gives_the_same_figures_twice() -> None:
    if not TAXI.exists():
        pytest.skip("needs the recordings of ../shared/data/nab")
    first, second = (summary(climb([TAXI], [watch_of("gaussian")], seed=3)) for _ in range(2))
    assert figures(first) == figures(second)
    told = first["gaussian"]
    assert told["spike"].concordance > 0.6
    assert told["noise"].concordance > 0.6
    assert told["spike"].found[1][5] > told["spike"].found[1][0]
