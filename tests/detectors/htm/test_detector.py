"""HTM: knows sequences of values, and stays as large as it began."""

from typing import Any

import msgspec
import numpy as np
import pytest

from detectors import table
from detectors.base import Batch, FloatArray, Scores
from detectors.htm.detector import HTM, HTMState
from detectors.htm.spatial_pooler import SpatialPooler
from detectors.htm.temporal_memory import TemporalMemory

SMALL = HTM(
    warm_up=50,
    time_of_day=0.0,
    pooler=SpatialPooler(columns=512, active=20),
    memory=TemporalMemory(activation=10, minimum=7, initial=0.46, sample=16, segments=600, synapses=24),
)
CYCLE = np.array([0.0, 40.0, 10.0, 70.0, 20.0, 90.0, 50.0, 30.0])


def batch(values: FloatArray) -> Batch:
    n = len(values)
    return Batch(np.zeros(n, np.int64), 60_000_000_000 * np.arange(n), np.ascontiguousarray(values)[:, None])


def scored(htm: HTM, values: FloatArray, state: HTMState | None = None) -> Scores:
    return htm.update(htm.init(1, (1,)) if state is None else state, batch(values))


def test_known_values_in_the_wrong_order_are_found() -> None:
    values = np.tile(CYCLE, 60)
    usual = scored(SMALL, values).score
    values[402], values[403] = values[403], values[402]
    swapped = scored(SMALL, values).score
    assert usual[300:].mean() < 0.1
    assert usual[402] == 0.0
    assert swapped[402] > 0.5
    assert usual[402:405].sum() + 1.5 < swapped[402:405].sum()


def test_the_expected_value_follows_the_sequence_in_the_unit_of_the_data() -> None:
    values = 1000.0 + np.tile(CYCLE, 60)
    expected = scored(SMALL, values).expected
    assert expected is not None
    assert np.isnan(expected[:50]).all()
    # a value stands 30 from the mean of all
    assert np.median(np.abs(expected[300:, 0] - values[300:])) < 2.0


def test_the_first_reading_after_the_warm_up_is_a_full_surprise_and_later_rounds_are_not() -> None:
    score = scored(SMALL, np.tile(CYCLE, 40)).score
    assert np.isnan(score[:50]).all()
    assert score[50] == 1.0
    assert score[50:58].mean() == 1.0 > 3.0 * score[130:138].mean()


def test_the_width_of_a_bucket_comes_from_the_warm_up_alone() -> None:
    values = np.tile(CYCLE, 10)
    state, other = SMALL.init(1, (1,)), SMALL.init(1, (1,))
    scored(SMALL, values, state)
    scored(SMALL, np.where(np.arange(80) < 50, values, 1000.0 * values), other)
    assert (state.low[0], state.high[0]) == (other.low[0], other.high[0]) == (0.0, 90.0)


def test_a_snapshot_at_any_step_goes_on_bit_for_bit() -> None:
    values = np.random.default_rng(1).normal(size=160) + np.tile(CYCLE, 20)
    whole = SMALL.init(1, (1,))
    scores = scored(SMALL, values, whole)
    state = SMALL.init(1, (1,))
    for i in range(160):
        saved = {name: array.copy() for name, array in table.dump(state).items()}
        state = table.load(SMALL.init(0, (1,)), saved)
        one = SMALL.update(state, batch(values).rows(slice(i, i + 1)))
        np.testing.assert_array_equal(one.score[0], scores.score[i])
        assert one.expected is not None
        assert scores.expected is not None
        np.testing.assert_array_equal(one.expected[0], scores.expected[i])
    for name, array in table.dump(state).items():
        np.testing.assert_array_equal(array, table.dump(whole)[name], err_msg=name)


def test_a_constant_start_and_the_largest_and_smallest_floats_are_read() -> None:
    values = np.concatenate([np.full(60, 5.0), [5.0, 1e308, -1e308, 5.0], np.zeros(10)])
    scores = scored(SMALL, values)
    assert np.isfinite(scores.score[50:]).all()
    assert scored(SMALL, np.concatenate([np.zeros(60), np.arange(9.0)])).score[61] > 0.0
    wide = np.where(np.arange(80) % 2 == 0, 1.7e308, -1.7e308)
    assert np.isfinite(scored(SMALL, wide).score[50:]).all()
    assert np.isfinite(scored(SMALL, np.where(wide > 0, 5e-324, 0.0)).score[50:]).all()


def test_another_seed_scores_otherwise_but_likewise() -> None:
    values = np.random.default_rng(2).normal(size=400) + np.tile(CYCLE, 50)
    one, other = (scored(msgspec.structs.replace(SMALL, seed=seed), values).score[50:] for seed in (1, 2))
    assert one[-50:].mean() < 0.7
    assert other[-50:].mean() < 0.7
    assert not np.array_equal(one[-50:], other[-50:])


def noisy(rows: int) -> FloatArray:
    rng = np.random.default_rng(5)
    return np.asarray(50.0 + 40.0 * np.sin(np.arange(rows) / 15.0) + rng.normal(0.0, 3.0, rows))


@pytest.mark.parametrize(
    ("htm", "rows"),
    [(SMALL, 6000), pytest.param(HTM(), 50_000, marks=pytest.mark.slow)],
    ids=["small", "default"],
)
def test_a_noisy_stream_keeps_memory_bounded(htm: HTM, rows: int) -> None:
    state = htm.init(1, (1,))
    before = table.size(state)
    scores = scored(htm, noisy(rows), state)
    assert table.size(state) == before
    assert np.count_nonzero(state.memory.size) <= htm.memory.segments
    assert state.memory.size.max() <= htm.memory.synapses
    assert np.isfinite(scores.score[htm.warm_up :]).all()


def test_a_small_pool_evicts_and_goes_on() -> None:
    state = SMALL.init(1, (1,))
    rng = np.random.default_rng(6)
    scored(SMALL, rng.uniform(0.0, 100.0, 1500), state)
    live = state.memory.size[0] > 0
    assert live.sum() > 0.9 * SMALL.memory.segments
    assert state.memory.used[0][live].min() > 100


def test_a_series_takes_at_most_five_megabytes_by_default() -> None:
    assert table.size(HTM().init(1, (1,))) <= 5_000_000


def test_more_than_one_variable_is_refused() -> None:
    with pytest.raises(ValueError, match=r"HTM reads one variable.*got \(2,\)"):
        HTM().init(1, (2,))


@pytest.mark.parametrize(
    "parts",
    [
        {"pooler": SpatialPooler(columns=8193)},
        {"memory": TemporalMemory(segments=39)},
    ],
    ids=["cells", "segments"],
)
def test_parts_that_do_not_fit_each_other_are_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^HTM\.memory must have (cells|segments) for .*; got "):
        HTM(**parts)


def test_a_parameter_of_a_part_that_does_not_exist_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `cell`"):
        msgspec.convert({"type": "htm", "memory": {"cell": 3}}, HTM)
