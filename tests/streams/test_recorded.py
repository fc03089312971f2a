"""A recording through the production worker: every row counts, in its place, and the future changes nothing."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detectors.gaussian import Gaussian
from detectors.watch import Watch
from streams.policy import AlertPolicy
from streams.recorded import Replayed, replay, rising
from tests.streams import desk

NAB = Path("../shared/data/nab")


PIPELINE = desk.pipeline(watches=[Watch(name="level", detector=Gaussian(warm_up=50))], policy=AlertPolicy())


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Noise whose clock stands still at row 120 and steps back an hour at row 200."""
    rng = np.random.default_rng(0)
    seconds = np.arange(400) * 60
    seconds[120] = seconds[119]
    seconds[200:] -= 3600
    values = rng.normal(size=400)
    values[300] = 50.0
    table = pa.table({
        "timestamp": pa.array((seconds + 1_600_000_000) * 10**6, pa.timestamp("us", "UTC")),
        "value": values,
        "label": np.isin(np.arange(400), [300]).astype(int),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "clock.parquet")
    return tmp_path / "clock.parquet"


def verdicts(replayed: Replayed) -> np.ndarray:
    return ~np.isnan(replayed.scored["level"].score)


def test_rows_whose_time_repeats_or_steps_back_are_scored_in_their_place(recorded: Path) -> None:
    replayed = replay(PIPELINE, recorded)
    assert not replayed.rejected
    assert verdicts(replayed).nonzero()[0].tolist() == list(range(50, 400))
    assert int(np.nanargmax(replayed.scored["level"].score)) == 300
    assert replayed.scored["level"].alarm.nonzero()[0].tolist() == [300]
    assert (np.diff(replayed.times) > 0).all()
    assert [alert.first_offset for alert in replayed.alerts] == [300]


def test_later_rows_change_no_earlier_score(recorded: Path, tmp_path: Path) -> None:
    whole = replay(PIPELINE, recorded).scored["level"]
    table = pq.read_table(recorded)
    other = table.set_column(1, "value", pa.array([*table["value"].to_pylist()[:250], *[1e6] * 150]))
    pq.write_table(other, tmp_path / "other.parquet")
    changed = replay(PIPELINE, tmp_path / "other.parquet").scored["level"]
    np.testing.assert_array_equal(whole.score[:250], changed.score[:250])
    assert not np.array_equal(whole.score[250:], changed.score[250:])


def test_a_row_that_is_no_reading_is_counted_and_leaves_the_others_in_their_place(tmp_path: Path) -> None:
    values = [*np.random.default_rng(1).normal(size=100).tolist()]
    lines = ["timestamp,value", *(f"2024-01-01T{i // 60:02d}:{i % 60:02d}:00Z,{x}" for i, x in enumerate(values))]
    lines[61] = "2024-01-01T01:00:00Z,pump"
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    replayed = replay(PIPELINE, tmp_path / "a.csv")
    assert sum(replayed.rejected.values()) + int(verdicts(replayed).sum()) == 50
    assert not verdicts(replayed)[60]


@pytest.mark.parametrize("times", [[5, 5, 3, 9], [1, 2, 3], [7], [3, 2, 1, 0]])
def test_times_rise_and_are_moved_no_further_than_needed(times: list[int]) -> None:
    moved = rising(np.array(times), -1)
    last = -1
    for given, made in zip(times, moved.tolist(), strict=True):
        assert made == max(given, last + 1)
        last = made


def test_every_row_of_the_nab_files_whose_times_do_not_rise_is_scored() -> None:
    if not NAB.exists():
        pytest.skip("needs the recordings of ../shared/data/nab")
    back = []
    for path in sorted(NAB.glob("*/*.parquet")):
        if path.parent.name == "scoreboard":
            continue
        times = pq.read_table(path)["timestamp"].cast(pa.int64()).to_numpy()
        if (np.diff(times) <= 0).any():
            back.append(path)
    assert len(back) == 8  # seven repeat times, one steps back
    for path in back:
        replayed = replay(PIPELINE, path)
        assert not replayed.rejected, path
        assert verdicts(replayed).sum() == len(replayed.times) - 50
