"""What every detector, calibrator and drift test keeps. Tolerance is zero."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from detectors import table
from detectors.base import Batch, Drift, Scores
from detectors.keyed import Keyed
from detectors.together import Together
from tests.cases import CASES, Case

each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def run(case: Case, batch: Batch, cuts: list[int], state: Any = None) -> tuple[Scores, Any]:
    """Scores of the batch fed in pieces that end at `cuts`, joined again."""
    state = case.detector.init(int(batch.slots.max()) + 1, (case.variables,)) if state is None else state
    pieces = [
        case.detector.update(state, batch.rows(slice(a, b)))
        for a, b in zip([0, *cuts], [*cuts, len(batch)], strict=True)
    ]
    return joined(pieces), state


def joined(pieces: list[Scores]) -> Scores:
    columns: dict[str, Any] = {}
    for f in fields(Scores):
        parts = [getattr(piece, f.name) for piece in pieces]
        if f.name == "evidence" or any(part is None for part in parts):
            continue
        if f.name == "drift":
            columns[f.name] = Drift(np.concatenate([part.statistic for part in parts]))
        else:
            columns[f.name] = np.concatenate(parts)
    return Scores(**columns)


def at(scores: Scores, rows: Any) -> Scores:
    columns = {f.name: getattr(scores, f.name) for f in fields(Scores) if f.name != "evidence"}
    drift = columns.pop("drift")
    picked: dict[str, Any] = {name: None if column is None else column[rows] for name, column in columns.items()}
    return Scores(**picked, drift=None if drift is None else Drift(drift.statistic[rows]))


def verdicts(scores: Scores) -> np.ndarray[Any, Any]:
    """(n,) what the case ranks by: the drift statistic where there is one, else the score."""
    return scores.score if scores.drift is None else scores.drift.statistic


def assert_equal(one: Scores, other: Scores) -> None:
    for f in fields(Scores):
        a, b = getattr(one, f.name), getattr(other, f.name)
        if f.name == "evidence":
            continue
        if isinstance(a, Drift):
            a, b = a.statistic, b.statistic
        if a is None:
            assert b is None, f.name
        else:
            np.testing.assert_array_equal(a, b, err_msg=f.name)


def assert_same_state(one: Any, other: Any) -> None:
    mine, theirs = table.dump(one), table.dump(other)
    assert mine.keys() == theirs.keys()
    for name in mine:
        np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)


@each_case
def test_cutting_the_stream_into_batches_changes_nothing(case: Case) -> None:
    batch = case.stream()
    whole, state = run(case, batch, [])
    cuts = sorted(np.random.default_rng(7).integers(0, len(batch), 60).tolist())
    pieces, state_of_pieces = run(case, batch, cuts)
    assert_equal(whole, pieces)
    assert_same_state(state, state_of_pieces)


@each_case
def test_series_do_not_know_each_other(case: Case) -> None:
    batch = case.stream()
    together, _ = run(case, batch, [])
    for slot in range(3):
        mine = np.flatnonzero(batch.slots == slot)
        alone = batch.rows(mine)
        scores, _ = run(case, Batch(np.zeros(len(mine), np.int64), alone.times, alone.values), [])
        assert_equal(at(together, mine), scores)


@each_case
@pytest.mark.parametrize("cut", [0, 1, 77, 600, 1999])
def test_a_restored_state_goes_on_as_if_nothing_had_happened(case: Case, cut: int) -> None:
    batch = case.stream()
    whole, state = run(case, batch, [])
    _, before = run(case, batch.rows(slice(0, cut)), [], case.detector.init(5, (case.variables,)))
    restored = table.load(
        case.detector.init(0, (case.variables,)), {k: v.copy() for k, v in table.dump(before).items()}
    )
    rest, _ = run(case, batch.rows(slice(cut, None)), [], restored)
    assert_equal(at(whole, slice(cut, None)), rest)
    assert_same_state(state, restored)


@each_case
def test_a_series_can_move_to_another_wrapper(case: Case) -> None:
    batch = case.stream()
    keys = [f"s{slot}" for slot in batch.slots]
    stay, leave, arrive = (Keyed(case.detector, (case.variables,)) for _ in range(3))
    cut = len(batch) // 2
    for keyed in (stay, leave):
        keyed.update(keys[:cut], batch.times[:cut], batch.values[:cut])
    arrive.load(leave.save())
    expected = stay.update(keys[cut:], batch.times[cut:], batch.values[cut:])
    assert_equal(expected, arrive.update(keys[cut:], batch.times[cut:], batch.values[cut:]))


@each_case
def test_a_missing_reading_changes_nothing(case: Case) -> None:
    batch = case.stream()
    values = np.repeat(batch.values, 2, axis=0)
    values[1::2] = np.nan
    gaps = Batch(np.repeat(batch.slots, 2), np.repeat(batch.times, 2), values)
    whole, state = run(case, batch, [])
    with_gaps, state_of_gaps = run(case, gaps, [])
    assert_equal(whole, at(with_gaps, slice(0, None, 2)))
    assert_same_state(state, state_of_gaps)
    missing = at(with_gaps, slice(1, None, 2))
    assert np.isnan(missing.score).all()
    assert not missing.alarm.any()
    assert missing.drift is None or np.isnan(missing.drift.statistic).all()


@each_case
def test_the_same_stream_gives_the_same_scores(case: Case) -> None:
    batch = case.stream()
    assert_equal(run(case, batch, [])[0], run(case, batch, [])[0])


@each_case
def test_all_rows_of_a_new_state_are_alike(case: Case) -> None:
    three, one = (case.detector.init(n, (case.variables,)) for n in (3, 1))
    for row in range(3):
        assert_same_state(table.take(three, np.array([row])), one)


@each_case
def test_a_long_stream_does_not_make_the_state_larger(case: Case) -> None:
    state = case.detector.init(5, (case.variables,))
    before = table.size(state)
    run(case, case.stream(rows=3000), [5000, 10_000], state)
    assert table.size(state) == before


@each_case
def test_there_is_no_verdict_while_warming_up(case: Case) -> None:
    batch = case.stream(series=1, rows=case.warm_up + 200)
    scores, _ = run(case, batch, [])
    warm = at(scores, slice(0, case.warm_up))
    assert np.isnan(verdicts(warm)).all()
    assert not warm.alarm.any()
    assert np.isfinite(verdicts(scores)[case.warm_up :]).any()


@each_case
def test_the_future_cannot_change_a_score(case: Case) -> None:
    batch = case.stream()
    cut = len(batch) - 500
    values = batch.values.copy()
    values[cut:] = 1e6 * np.random.default_rng(3).normal(size=values[cut:].shape)
    scores, _ = run(case, batch, [])
    other, _ = run(case, Batch(batch.slots, batch.times, values), [])
    assert_equal(at(scores, slice(0, cut)), at(other, slice(0, cut)))


@each_case
def test_planted_anomalies_rank_above_the_rest(case: Case) -> None:
    highest_rest, lowest_planted = [], []
    for seed in range(5):
        batch = case.stream(series=1, rows=case.warm_up + 400, seed=seed)
        clean, _ = run(case, batch, [])
        row = case.warm_up + 300
        values = batch.values.copy()
        case.plant(values, row)
        planted, _ = run(case, Batch(batch.slots, batch.times, values), [])
        highest_rest.append(np.nanmax(verdicts(clean)))
        lowest_planted.append(np.nanmax(verdicts(planted)[row:]))
    assert min(lowest_planted) > max(highest_rest)


@each_case
def test_scores_have_one_row_per_reading_and_lie_in_their_ranges(case: Case) -> None:
    batch = case.stream()
    scores, _ = run(case, batch, [])
    n = len(batch)
    assert scores.score.shape == scores.threshold.shape == scores.alarm.shape == scores.kind.shape == (n,)
    assert set(scores.kind.tolist()) <= set(range(len(case.detector.kinds)))
    assert scores.expected is None or scores.expected.shape == (n, case.variables)
    if scores.contributions is not None:
        features = case.detector.features((case.variables,)) or tuple(map(str, range(case.variables)))
        assert scores.contributions.shape == (n, len(features))


REFUSED = [(case, name, value) for case in CASES for name, value in case.refused.items()]


@pytest.mark.parametrize(("case", "name", "value"), REFUSED, ids=[f"{c.name}-{name}" for c, name, _ in REFUSED])
def test_a_parameter_out_of_range_is_refused_by_name(case: Case, name: str, value: Any) -> None:
    method = case.method or type(case.detector)
    with pytest.raises(ValueError, match=rf"^{method.__name__}\.{name} must .*; got "):
        method(**{name: value})


def test_every_method_stands_here_twice_and_all_its_parameters_are_refused_once() -> None:
    methods: set[Any] = {case.method or type(case.detector) for case in CASES}
    for method in methods:
        mine = [case for case in CASES if (case.method or type(case.detector)) is method]
        assert len(mine) >= 2, method
        if method is Together:  # it has no defaults: its own test refuses its parameters
            continue
        assert {name for case in mine for name in case.refused} == set(method.__struct_fields__), method
