"""What is planted is exactly what was meant: where, how large, and nothing beside it."""

from collections import Counter

import numpy as np
import pytest

from detectors.base import FloatArray
from detectors.evaluation.severity import APART, KINDS, LEVELS, MAGNITUDES, Rung, deviations, ladder, planted, related

BEGIN = 600


def recorded(rows: int = 4000, *, seed: int = 0) -> FloatArray:
    """Two variables that move together, one that moves alone, and one that stands still."""
    rng = np.random.default_rng(seed)
    common, own = rng.normal(size=rows), rng.normal(size=(rows, 3))
    waves = 20 * np.sin(np.arange(rows) / 400)
    return np.column_stack([waves + common + 0.3 * own[:, 0], 5 * (common + 0.3 * own[:, 1]), own[:, 2], np.ones(rows)])


VALUES = recorded()
LADDER = ladder(VALUES, begin=BEGIN, seed=1)


def rungs(kind: str) -> list[Rung]:
    return [rung for copy in LADDER for rung in copy if rung.place.kind == kind]


def disturbed(rung: Rung) -> tuple[FloatArray, FloatArray]:
    """The readings of its variable before and after, after a check that all else is what it was."""
    place, copy = rung.place, planted(VALUES, [rung])
    rows = slice(place.first, place.end(rung.level))
    inside = np.zeros(VALUES.shape, np.bool_)
    inside[rows, place.variable] = True
    assert copy[~inside].tobytes() == VALUES[~inside].tobytes()
    return VALUES[rows, place.variable], copy[rows, place.variable]


def test_every_place_has_every_severity_once_and_every_kind_and_duration_has_three_places() -> None:
    levels = Counter((rung.place, rung.level) for copy in LADDER for rung in copy)
    assert set(levels.values()) == {1}
    places = {place for place, _ in levels}
    assert all((place, level) in levels for place in places for level in range(1, LEVELS + 1))
    durations = {kind: Counter(place.rows for place in places if place.kind == kind) for kind in KINDS}
    assert durations["spike"] == {1: 3, 3: 3, 10: 3}
    assert durations["stuck"] == {10: 9}
    assert all(durations[kind] == {10: 3, 30: 3, 100: 3} for kind in ("level_shift", "drift", "noise"))
    assert durations["correlation_break"] == {10: 3, 30: 3, 100: 3}


@pytest.mark.parametrize(("rows", "begin"), [(4000, BEGIN), (1000, 150), (20_000, 750)])
def test_places_lie_after_the_part_that_does_not_count_and_far_apart(rows: int, begin: int) -> None:
    copies = ladder(recorded(rows), begin=begin, seed=3)
    longest = max(rung.place.rows for copy in copies for rung in copy)
    for copy in copies:
        assert copy
        last = begin - 4 * longest
        for rung in copy:
            assert rung.place.first >= max(begin, last + 4 * longest)
            last = rung.place.end(LEVELS) + rung.place.late
        assert last <= rows


def test_the_same_seed_plants_the_same_and_another_elsewhere() -> None:
    assert ladder(VALUES, begin=BEGIN, seed=1) == LADDER
    other = ladder(VALUES, begin=BEGIN, seed=2)
    assert {r.place.first for copy in other for r in copy} != {r.place.first for copy in LADDER for r in copy}
    assert planted(VALUES, LADDER[0]).tobytes() == planted(VALUES, LADDER[0]).tobytes()


def test_cells_outside_of_what_is_planted_are_untouched() -> None:
    before = VALUES.tobytes()
    for copy in LADDER:
        outside = np.ones(VALUES.shape, np.bool_)
        for rung in copy:
            outside[rung.place.first : rung.place.end(rung.level), rung.place.variable] = False
        made = planted(VALUES, copy)
        assert made[outside].tobytes() == VALUES[outside].tobytes()
        assert (made != VALUES).any()
    assert before == VALUES.tobytes()


@pytest.mark.parametrize("kind", ["spike", "level_shift"])
def test_an_offset_is_the_same_for_all_its_readings_and_to_one_side(kind: str) -> None:
    signs = set()
    for rung in rungs(kind):
        before, after = disturbed(rung)
        size = MAGNITUDES[rung.level - 1] * rung.place.unit
        np.testing.assert_allclose(np.abs(after - before), size)
        signs.add((rung.place.first, float(np.sign(after - before)[0])))
    assert len(signs) == 9  # one for each place, in all its severities
    assert {sign for _, sign in signs} == {-1.0, 1.0}


def test_a_drift_rises_evenly_to_its_size() -> None:
    for rung in rungs("drift"):
        before, after = disturbed(rung)
        size = MAGNITUDES[rung.level - 1] * rung.place.unit
        np.testing.assert_allclose(np.abs(after - before), size * np.arange(1, len(before) + 1) / len(before))


def test_noise_has_its_size_and_the_same_shape_in_all_severities() -> None:
    drawn: dict[int, list[FloatArray]] = {}
    for rung in rungs("noise"):
        before, after = disturbed(rung)
        shape = (after - before) / MAGNITUDES[rung.level - 1] / rung.place.unit
        drawn.setdefault(rung.place.first, []).append(shape)
    for shapes in drawn.values():
        for shape in shapes[1:]:
            np.testing.assert_allclose(shape, shapes[0], atol=1e-6)
    assert np.concatenate([shapes[0] for shapes in drawn.values()]).std() == pytest.approx(1.0, abs=0.15)


def test_stuck_readings_repeat_the_first_and_last_longer_with_severity() -> None:
    for rung in rungs("stuck"):
        before, after = disturbed(rung)
        assert (after == before[0]).all()
        assert len(after) == 10 * 2 ** (rung.level - 1)


def test_a_broken_correlation_keeps_the_values_and_loses_their_order() -> None:
    for rung in rungs("correlation_break"):
        before, after = disturbed(rung)
        assert rung.place.variable in (0, 1)
        assert sorted(before.tolist()) == sorted(after.tolist())
        if rung.level == LEVELS:
            np.testing.assert_array_equal(after, np.roll(before, len(before) // 2))
    for first in {rung.place.first for rung in rungs("correlation_break") if rung.place.rows == 100}:
        of = sorted((r for r in rungs("correlation_break") if r.place.first == first), key=lambda r: r.level)
        likeness = [float(np.corrcoef(*disturbed(rung))[0, 1]) for rung in of]
        assert likeness == sorted(likeness, reverse=True)
        assert likeness[0] > 0.9 > 0.6 > likeness[-1]


def test_what_does_not_move_is_left_alone_and_so_is_what_goes_with_nothing() -> None:
    units = deviations(VALUES)
    assert units[3] == 0
    assert 1.0 < units[0] < 1.2
    assert 0.9 < units[2] < 1.1
    assert related(VALUES, units).tolist() == [True, True, False, False]
    assert {rung.place.variable for copy in LADDER for rung in copy} == {0, 1, 2}
    alone = ladder(VALUES[:, 2:], begin=BEGIN, seed=1)
    assert {rung.place.kind for copy in alone for rung in copy} == set(KINDS) - {"correlation_break"}


def test_missing_readings_stay_missing_and_nothing_is_planted_on_them() -> None:
    values = VALUES.copy()
    values[1500:2500] = np.nan
    values[3000:, 0] = np.nan
    copies = ladder(values, begin=BEGIN, seed=1)
    assert copies
    for copy in copies:
        np.testing.assert_array_equal(np.isnan(planted(values, copy)), np.isnan(values))
        for rung in copy:
            rows = slice(rung.place.first, rung.place.first + rung.place.rows)
            assert np.isfinite(values[rows, rung.place.variable]).all()


def test_readings_that_mostly_stand_still_have_a_unit_of_their_own() -> None:
    values = np.zeros((1000, 1))
    values[::4] = 1.0
    assert deviations(values) == pytest.approx(1.2533 * 0.25)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (VALUES[: BEGIN + 2 * APART * 20 - 1], "279 rows count after the first 600, and a ladder needs 280"),
        (np.ones((4000, 2)), "no variable moves"),
        (np.full((4000, 2), np.nan), "no variable moves"),
    ],
)
def test_what_cannot_be_planted_into_is_refused(values: FloatArray, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ladder(values, begin=BEGIN, seed=0)
