"""Temporal memory: equal to the naive reference, and it tells sequences apart."""

from typing import Any

import msgspec
import numpy as np
import pytest

from detectors.base import IntArray
from detectors.htm.segments import Segments
from detectors.htm.temporal_memory import ACTIVE, SILENT, WINNER, MemoryState, TemporalMemory, recall, step
from tests.detectors.htm.naive import NaiveMemory

COLUMNS, WON = 40, 6

SMALL = TemporalMemory(
    cells=4, activation=4, minimum=3, initial=0.4, sample=6, segments=200, per_cell=3, synapses=12, punishment=0.001
)
SETTINGS = {
    "plain": (SMALL, 0.3),
    "evicting": (msgspec.structs.replace(SMALL, segments=90, increment=0.1, punishment=0.0), 0.3),
    "crowded cells": (msgspec.structs.replace(SMALL, per_cell=1, increment=0.1, decrement=0.05, cells=2), 0.3),
    "crowded segments": (msgspec.structs.replace(SMALL, synapses=7, initial=0.5, punishment=0.05), 0.3),
    "one cell": (msgspec.structs.replace(SMALL, cells=1, per_cell=20, segments=150, decrement=0.02), 0.3),
}


class Memory:
    """The kernels over the state of one series."""

    def __init__(self, memory: TemporalMemory, columns: int, won: int, seed: int = 3) -> None:
        self.rules = memory.rules(seed)
        self.state: MemoryState = memory.init(1, columns, won)

    @property
    def segments(self) -> Segments:
        of = self.state
        return Segments(of.owner[0], of.size[0], of.used[0], of.presynaptic[0], of.permanence[0])

    def step(self, won: IntArray) -> float:
        of = self.state
        of.step[0] += 1
        past = recall(self.rules, of.step[0], of.cells[0], of.won[0])
        score = step(self.rules, self.segments, past, of.cells[0], won)
        of.won[0] = won
        return float(score)

    def forget_what_was_active(self) -> None:
        self.state.cells[:] = SILENT

    def pool(self) -> dict[int, tuple[int, int, dict[int, int]]]:
        """Place -> owner, last use and synapses of a segment."""
        s = self.segments
        return {
            int(g): (
                int(s.owner[g]),
                int(s.used[g]),
                dict(zip(s.presynaptic[g, :n].tolist(), s.permanence[g, :n].tolist(), strict=True)),
            )
            for g, n in enumerate(s.size)
            if n
        }


def walk_through(memory: TemporalMemory, noise: float, steps: int) -> dict[str, int]:
    """Both memories on the same columns; returns how often what happened."""
    rng = np.random.default_rng(11)
    fast, naive = Memory(memory, COLUMNS, WON), NaiveMemory(memory.rules(3), memory.segments, memory.synapses)
    patterns = [np.sort(rng.choice(COLUMNS, WON, replace=False)) for _ in range(6)]
    order = np.concatenate([rng.permutation(6), rng.permutation(6)])
    seen = {"foretold": 0, "full": 0, "full cell": 0, "full segment": 0}
    for t in range(steps):
        known = rng.random() > noise
        won = patterns[order[t % 12]] if known else np.sort(rng.choice(COLUMNS, WON, replace=False))
        score = fast.step(won)
        assert score == naive.step(won.tolist()), t
        cells = fast.state.cells[0]
        assert set(np.flatnonzero(cells >= ACTIVE).tolist()) == naive.active, t
        assert set(np.flatnonzero(cells == WINNER).tolist()) == naive.winners, t
        pool = fast.pool()
        assert pool.keys() == naive.segments.keys(), t
        if t % 50 == 0 or t == steps - 1:
            assert pool == {g: (s.owner, s.used, s.synapses) for g, s in naive.segments.items()}, t
        owned = np.bincount([owner for owner, _, _ in pool.values()], minlength=1)
        seen["foretold"] += score < 0.5
        seen["full"] += len(pool) > memory.segments - WON
        seen["full cell"] += bool(owned.max() == memory.per_cell)
        seen["full segment"] += any(len(synapses) == memory.synapses for _, _, synapses in pool.values())
        assert owned.max() <= memory.per_cell
    return seen


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_kernels_do_what_the_naive_memory_does(setting: str) -> None:
    memory, noise = SETTINGS[setting]
    seen = walk_through(memory, noise, 1000)
    assert seen["foretold"] > 20
    wanted = {"evicting": "full", "crowded cells": "full cell", "crowded segments": "full segment"}.get(setting)
    assert wanted is None or seen[wanted] > 100


def test_the_first_columns_ever_are_a_full_surprise() -> None:
    memory = Memory(SMALL, COLUMNS, WON)
    assert memory.step(np.arange(WON)) == 1.0
    assert np.count_nonzero(memory.state.size) == 0


PUBLISHED: dict[str, Any] = {"activation": 13, "minimum": 10, "sample": 20, "synapses": 32, "initial": 0.21}


@pytest.mark.parametrize(
    ("memory", "presentations"),
    [
        (TemporalMemory(cells=32, punishment=0.001, synapses=128), 25),
        (TemporalMemory(cells=32, increment=0.1, decrement=0.1, **PUBLISHED), 13),
        (TemporalMemory(initial=0.51), 4),
    ],
    ids=["NuPIC", "htm.core", "born connected"],
)
def test_two_sequences_with_the_same_middle_are_learned_apart(memory: TemporalMemory, presentations: int) -> None:
    rng = np.random.default_rng(0)
    letters = {letter: np.sort(rng.choice(2048, 40, replace=False)) for letter in "ABCDXY"}
    learner = Memory(memory, 2048, 40)

    def present(word: str) -> list[float]:
        learner.forget_what_was_active()
        return [learner.step(letters[letter]) for letter in word]

    for _ in range(presentations):
        scores = [present("ABCD"), present("XBCY")]
    assert [s[0] for s in scores] == [1.0, 1.0]
    assert [s[1:] for s in scores] == [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


def test_with_punishment_the_wrong_end_of_a_sequence_becomes_a_surprise() -> None:
    rng = np.random.default_rng(0)
    letters = {letter: np.sort(rng.choice(2048, 40, replace=False)) for letter in "ABCDXY"}
    learner = Memory(TemporalMemory(punishment=0.01), 2048, 40)
    for _ in range(60):
        for word in ("ABCD", "XBCY"):
            learner.forget_what_was_active()
            right = [learner.step(letters[letter]) for letter in word][-1]
    assert right == 0.0
    learner.forget_what_was_active()
    assert [learner.step(letters[letter]) for letter in "ABCY"][-1] > 0.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cells", 0),
        ("minimum", 0),
        ("activation", 12),
        ("sample", 19),
        ("synapses", 30),
        ("segments", 0),
        ("per_cell", 0),
        ("initial", 0.0),
        ("connected", 1.1),
        ("increment", -0.1),
        ("decrement", 1.1),
        ("punishment", -0.1),
    ],
)
def test_a_parameter_out_of_range_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^TemporalMemory\.{name} must .*; got "):
        TemporalMemory(**{name: value})
