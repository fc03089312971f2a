"""Spatial pooler: the best columns win, and only they learn."""

from typing import Any

import numpy as np
import pytest

from detectors.base import IntArray
from detectors.htm.spatial_pooler import ABSENT, TOP, Permanences, PoolerState, SpatialPooler, step

INPUTS = 60
SMALL = SpatialPooler(columns=100, active=7, increment=0.01, decrement=0.002, connected=0.3)


def naive_step(pooler: SpatialPooler, permanence: Permanences, inputs: IntArray) -> IntArray:
    """One column at a time."""
    rules = pooler.rules()
    overlap = [sum(permanence[c, i] >= rules.connected for i in inputs) for c in range(pooler.columns)]
    best = sorted(range(pooler.columns), key=lambda c: (-overlap[c], c))[: pooler.active]
    for c in best:
        for i in range(INPUTS):
            if permanence[c, i] != ABSENT:
                change = rules.increment if i in inputs else -rules.decrement
                permanence[c, i] = min(max(permanence[c, i] + change, 0), TOP)
    return np.sort(best)


def take(pooler: SpatialPooler, state: PoolerState, inputs: IntArray) -> IntArray:
    won = np.empty(pooler.active, np.int64)
    step(pooler.rules(), state.permanence[0], state.connected[0], inputs, won)
    return won


def test_the_kernel_does_what_the_naive_pooler_does() -> None:
    rng = np.random.default_rng(0)
    fast = SMALL.init(1, INPUTS, 3)
    naive = fast.permanence[0].copy()
    for t in range(300):
        # few inputs make many ties
        inputs = np.sort(rng.choice(INPUTS, 1 + t % 12, replace=False))
        np.testing.assert_array_equal(take(SMALL, fast, inputs), naive_step(SMALL, naive, inputs))
    np.testing.assert_array_equal(fast.permanence[0], naive)
    bits = np.unpackbits(fast.connected[0].view(np.uint8), axis=1, bitorder="little")
    np.testing.assert_array_equal(bits[:, : SMALL.columns].T, naive >= SMALL.rules().connected)


def test_exactly_as_many_columns_win_as_are_to_be_active_with_any_input() -> None:
    pooler = SpatialPooler()
    state = pooler.init(1, 454, 1)
    for inputs in (np.arange(42), np.array([3]), np.array([], np.int64), np.arange(454)):
        won = take(pooler, state, inputs)
        assert len(set(won.tolist())) == 40
        assert (np.diff(won) > 0).all()


def test_at_first_the_wanted_share_is_potential_and_half_of_it_connected() -> None:
    permanence = SpatialPooler().init(1, 454, 1).permanence
    potential = permanence != ABSENT
    assert potential.mean() == pytest.approx(0.8, abs=0.003)
    assert (permanence[potential] >= 400).mean() == pytest.approx(0.5, abs=0.003)
    assert permanence.max() == TOP
    assert permanence[potential].min() == 0


def test_another_seed_draws_another_pooler() -> None:
    one, same, other = (SMALL.init(1, INPUTS, seed).permanence for seed in (3, 3, 4))
    assert (one == same).all()
    assert (one != other).mean() > 0.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("columns", 0),
        ("active", 2049),
        ("potential", 0.0),
        ("increment", -0.1),
        ("decrement", 1.1),
        ("connected", 0.0),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^SpatialPooler\.{name} must .*; got "):
        SpatialPooler(**{name: value})
