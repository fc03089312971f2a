"""ADWIN decides as River's does, and says how near it is."""

import numpy as np
import pytest
from river import drift

from detectors.adwin import ADWIN, ROWS
from tests.drifting import disagreements, fed

SETTINGS = [
    ADWIN(),
    ADWIN(delta=0.3, clock=1, grace_period=64),
    ADWIN(delta=1e-5, clock=1),
    ADWIN(delta=0.05, clock=7, max_buckets=2, min_window_length=1, grace_period=0),
    ADWIN(clock=16, max_buckets=9, min_window_length=20, grace_period=100),
]


def river(test: ADWIN) -> drift.ADWIN:
    return drift.ADWIN(  # type: ignore[no-untyped-call]
        delta=test.delta,
        clock=test.clock,
        max_buckets=test.max_buckets,
        min_window_length=test.min_window_length,
        grace_period=test.grace_period,
    )


def test_it_decides_as_rivers_does_on_random_streams() -> None:
    wrong, decisions = disagreements(SETTINGS, river, range(1000))
    assert wrong == []
    assert decisions > 500


@pytest.mark.slow
def test_it_decides_as_rivers_does_on_ten_thousand_random_streams() -> None:
    wrong, decisions = disagreements(SETTINGS, river, range(10_000))
    assert wrong == []
    assert decisions > 5000


def test_its_statistic_is_the_largest_over_all_cuts_while_every_reading_has_its_own_bucket() -> None:
    x = np.random.default_rng(1).normal(size=64)
    test = ADWIN(clock=64, max_buckets=100)
    statistic = fed(test, test.init(1, (1,)), x).statistic
    ratios = []
    confidence = np.log(2 * np.log(64) / 0.002)
    for n0 in range(5, 60):
        m = 1 / (n0 - 4) + 1 / (64 - n0 - 4)
        cut = np.sqrt(2 * m * x.var() * confidence) + 2 / 3 * confidence * m
        ratios.append(abs(x[:n0].mean() - x[n0:].mean()) / cut)
    assert np.isnan(statistic[:63]).all()
    np.testing.assert_allclose(statistic[63], max(ratios), rtol=1e-12)


def test_its_statistic_is_held_between_checks_and_forgotten_with_the_window() -> None:
    x = np.concatenate([np.random.default_rng(2).normal(size=128), np.full(32, 9.0), np.full(33, 9.0)])
    test = ADWIN()
    statistic = fed(test, test.init(1, (1,)), x).statistic
    assert len(set(statistic[63:95].tolist())) == 1
    assert statistic[63] != statistic[95]
    assert np.flatnonzero(statistic >= 1).tolist() == [159]
    assert np.isnan(statistic[160:191]).all()
    assert statistic[191] == 0.0


def test_when_every_row_of_buckets_is_full_the_oldest_readings_are_forgotten() -> None:
    rng = np.random.default_rng(3)
    test = ADWIN(clock=1)
    state = test.init(1, (1,))
    assert state.totals.shape == (1, ROWS, 6)
    state.totals, state.counts = np.zeros((1, 3, 6)), np.zeros((1, 3), np.int64)
    quiet = fed(test, state, rng.normal(size=5000)).statistic
    assert not (quiet >= 1).any()
    assert 0 < state.width[0] <= 5 * (1 + 2 + 4)
    assert state.width[0] == (state.counts[0] * [1, 2, 4]).sum()
    held = sum(state.totals[0, r, : state.counts[0, r]].sum() for r in range(3))
    np.testing.assert_allclose(state.total[0], held, atol=1e-9)
    assert 0.3 < state.variance[0] / state.width[0] < 3.0
    assert (fed(test, state, rng.normal(size=64) + 8.0).statistic >= 1).any()
