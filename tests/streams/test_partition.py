"""What becomes of readings: one clock, silence, forgetting, order, and a reason for everything that is refused."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.range import Range
from detectors.watch import Watch
from streams.partition import Outcome
from streams.pipeline import Limits
from tests.streams.desk import SECOND, Row, new, pipeline, play, raw, records, state

NOW = 1.7e9
"""s"""

LIMITS = Limits(silence_after=10 * SECOND, forget_after=40 * SECOND, future=60 * SECOND, max_series=3)


def told(alerts: list[Any]) -> list[tuple[str, str, str]]:
    return [(alert.series, alert.kind, alert.state) for alert in alerts]


def test_a_series_falls_silent_at_the_record_that_moves_the_clock_and_is_heard_again() -> None:
    rows: list[Row] = [(0, "a", 0, 1), (0, "b", 0, 1), (10, "b", 10, 1), (11, "b", 11, 1), (20, "a", 20, 1)]
    alerts = play(new(pipeline(limits=LIMITS)), records(rows)).alerts
    assert told(alerts) == [("a", "silence", "open"), ("a", "silence", "closed")]
    assert (alerts[0].started, alerts[0].opened, alerts[1].closed) == (0, 10 * SECOND, 20 * SECOND)
    assert (alerts[0].first_offset, alerts[1].last_offset) == (0, 4)
    assert alerts[0].id == alerts[1].id


def test_a_record_that_cannot_be_read_moves_the_clock_all_the_same() -> None:
    partition = new(pipeline(limits=LIMITS))
    play(partition, records([(0, "a", 0, 1)]))
    outcome = play(partition, raw([b"{"], [30], first=1))
    assert told(outcome.alerts) == [("a", "silence", "open")]
    assert [letter.reason for letter in outcome.dead] == ["invalid_json"]


def test_a_worker_that_comes_back_to_a_backlog_declares_nobody_silent() -> None:
    partition = new(pipeline(limits=LIMITS))
    play(partition, records([(0, "a", 0, 1), (0, "b", 0, 1)]))
    backlog: list[Row] = [(float(s), series, float(s), 1.0) for s in range(1, 3600) for series in ("a", "b")]
    assert play(partition, records(backlog, first=2)).alerts == []


def test_by_the_wall_clock_the_same_silence_is_told_and_nothing_else_changes() -> None:
    partition = new(pipeline(limits=LIMITS))
    play(partition, records([(0, "a", 0, 1), (5, "b", 5, 1)]))
    before = state(partition)
    assert told(partition.silent_by(9 * SECOND)) == []
    (early,) = partition.silent_by(12 * SECOND)
    assert partition.silent_by(12 * SECOND) == []
    metadata, parts = state(partition)
    assert [alert["id"] for _, alert in metadata.pop("silent")] == [early.id]
    assert ({**metadata, "silent": []}, parts) == before
    (late,) = play(partition, records([(13, "b", 13, 1)], first=2)).alerts
    assert (early.id, early.series, early.opened) == (late.id, "a", late.opened)


def test_a_forgotten_series_starts_anew_and_its_alerts_close() -> None:
    partition = new(pipeline(limits=LIMITS))
    steady: list[Row] = [(i / 10, "a", i / 10, 1.0 + i % 3) for i in range(40)]
    outcome = play(partition, records([*steady, (4.0, "a", 4.0, 900.0)]))
    assert told(outcome.alerts) == [("a", "anomaly", "open")]
    outcome = play(partition, records([(60, "b", 60, 1)], first=41))
    assert told(outcome.alerts) == [("a", "silence", "open"), ("a", "anomaly", "closed"), ("a", "silence", "closed")]
    assert outcome.alerts[1].reason.startswith("forgotten")
    outcome = play(partition, records([(61, "a", 61, 900.0)], first=42))
    assert outcome.alerts == []
    assert len(partition.series.names) == 2


def test_one_series_too_many_is_refused_until_another_is_forgotten() -> None:
    rows: list[Row] = [*((0.0, name, 0.0, 1.0) for name in "abcd"), (50, "a", 50, 1), (50, "d", 50, 1)]
    outcome = play(new(pipeline(limits=LIMITS)), records(rows))
    assert [(letter.offset, letter.reason) for letter in outcome.dead] == [(3, "too_many_series")]


def test_a_hundred_thousand_series_where_ten_thousand_are_allowed_fill_no_memory() -> None:
    partition = new(pipeline(limits=Limits(max_series=10_000)))
    rows: list[Row] = [(1.0, f"s{number}", 1.0, 1.0) for number in range(100_000)]
    outcome = play(partition, records(rows), range(0, 100_000, 7_000))
    assert len(partition.series.names) == 10_000
    assert Counter(letter.reason for letter in outcome.dead) == {"too_many_series": 90_000}
    assert len(partition.series.known) < 30_000


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ((NOW + 5, "a", NOW - 1, 1), "late"),
        ((NOW + 5, "a", NOW, 1), "duplicate"),
        ((NOW + 5, "a", NOW + 66, 1), "future"),
        ((NOW + 5, "a", NOW + 3 * 365 * 86_400, 1), "future"),
        ((NOW + 5, "a", NOW / 1e3, 1), "time_unit"),
        ((NOW + 5, "a", NOW / 1e9, 1), "time_unit"),
        ((NOW + 5, "a", NOW * 1e3, 1), "time_out_of_range"),
        ((NOW + 5, "a", -1, 1), "before_1970"),
    ],
)
def test_a_reading_whose_time_cannot_be_right_is_refused_by_name(row: Row, reason: str) -> None:
    partition = new(pipeline(limits=Limits(future=60 * SECOND)))
    play(partition, records([(NOW, "a", NOW, 1)]))
    (letter,) = play(partition, records([row], first=1)).dead
    assert (letter.reason, letter.offset, letter.index) == (reason, 1, 0)
    assert letter.value is not None
    assert partition.counts[f"rejected.{reason}"] == 1


def test_a_recording_that_does_not_know_its_record_times_is_scored_all_the_same() -> None:
    partition = new(pipeline())
    outcome = play(partition, records([(0, "a", NOW + second, 1) for second in range(30)]))
    assert outcome.dead == []
    assert partition.counts["accepted"] == 30


def test_a_replayed_dead_letter_carries_its_attempt_and_is_not_kept_again_as_late() -> None:
    partition = new(pipeline())
    play(partition, records([(100, "a", 100, 1)]))
    broken = partition.retry(raw([b"{"], [100], first=0, attempts=3)).dead
    assert [(letter.reason, letter.attempt) for letter in broken] == [("invalid_json", 3)]
    late = partition.retry(records([(100, "a", 50, 1)], first=0, attempts=1))
    assert late.dead == []
    assert partition.counts["rejected.late"] == 1
    assert partition.offset == 1


def test_excluded_series_are_counted_and_leave_no_trace() -> None:
    partition = new(pipeline(include=("pump-*",), exclude=("*-test",)))
    rows: list[Row] = [(0, name, 0, 1) for name in ("pump-1", "fan-1", "pump-test", "pump-2", "fan-1")]
    outcome = play(partition, records(rows))
    assert outcome.dead == []
    assert partition.counts["excluded"] == 3
    assert [partition.series.name(slot) for slot in partition.series.names.rows().tolist()] == ["pump-1", "pump-2"]


def test_records_before_the_offset_are_not_processed_twice() -> None:
    partition = new(pipeline())
    given = records([(float(s), "a", float(s), 1.0) for s in range(10)])
    play(partition, given.rows(slice(0, 6)))
    assert play(partition, given).dead == []
    assert partition.counts["records"] == 10
    assert partition.counts["accepted"] == 10
    assert partition.offset == 10


lists = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from("abcde"), st.integers(-15, 15), st.sampled_from([1.0, 2.0, 50.0])),
    max_size=60,
)


def rows_of(steps: list[tuple[int, str, int, float]]) -> list[Row]:
    """Records whose clocks mostly rise, and readings around them."""
    clock, rows = 100.0, []
    for step, series, apart, value in steps:
        clock += max(step - 25, 0) * 4 + step % 3
        rows.append((clock, series, clock + apart, value))
    return rows


@settings(max_examples=120, deadline=None)
@given(lists, st.lists(st.integers(0, 60), max_size=8), st.sampled_from([0, 5, 20]))
def test_cutting_the_records_changes_nothing(
    steps: list[tuple[int, str, int, float]], cuts: list[int], lateness: int
) -> None:
    limits = Limits(
        lateness=lateness * SECOND,
        silence_after=10 * SECOND,
        forget_after=90 * SECOND,
        future=60 * SECOND,
        max_series=4,
    )
    given = records(rows_of(steps))
    whole, pieces = new(pipeline(limits=limits)), new(pipeline(limits=limits))
    one, many = play(whole, given), play(pieces, given, cuts)
    assert state(whole) == state(pieces)
    assert one.dead == many.dead
    assert [a for a in one.alerts if a.kind == "silence"] == [a for a in many.alerts if a.kind == "silence"]
    assert {(a.id, a.state): a for a in one.alerts} == {(a.id, a.state): a for a in many.alerts}


@settings(max_examples=120, deadline=None)
@given(lists, st.sampled_from([0, 5, 20]))
def test_received_is_accepted_and_rejected_and_held(steps: list[tuple[int, str, int, float]], lateness: int) -> None:
    partition = new(pipeline(limits=replace(Limits(), lateness=lateness * SECOND, max_series=3)))
    given = records(rows_of(steps))
    outcome = play(partition, given)
    held = 0 if partition.hold is None else partition.hold.held
    rejected = sum(count for name, count in partition.counts.items() if name.startswith("rejected."))
    assert partition.counts["accepted"] + rejected + held == len(given)
    assert len(outcome.dead) == rejected


def naive_hold(rows: list[Row], lateness: int) -> tuple[list[tuple[str, float]], Counter[str]]:
    """Readings in the order in which they leave, one record at a time, with a sorted list for a heap."""
    held: list[tuple[float, int, str]] = []
    newest: dict[str, float] = {}
    left, refused, clock = [], Counter[str](), float("-inf")
    for number, (at, series, time, _) in enumerate(rows):
        clock = max(clock, at)
        if time > clock + 3600:
            refused["future"] += 1
        elif series in newest and time <= newest[series]:
            refused["duplicate" if time == newest[series] else "late"] += 1
        elif any(name == series and when == time for when, _, name in held):
            refused["duplicate"] += 1
        else:
            held.append((time, number, series))
        for when, arrival, name in sorted(held):
            if when <= clock - lateness:
                held.remove((when, arrival, name))
                left.append((name, when))
                newest[name] = when
    return left, refused


@settings(max_examples=150, deadline=None)
@given(lists, st.lists(st.integers(0, 60), max_size=4), st.sampled_from([1, 5, 20]))
def test_held_readings_leave_as_the_naive_list_lets_them(
    steps: list[tuple[int, str, int, float]], cuts: list[int], lateness: int
) -> None:
    rows = rows_of(steps)
    watch = Watch(name="all", detector=Range(warm_up=2))
    partition = new(pipeline(limits=Limits(lateness=lateness * SECOND), watches=[watch]))
    play(partition, records(rows), cuts)
    left, refused = naive_hold(rows, lateness)
    counts = {name.removeprefix("rejected."): n for name, n in partition.counts.items() if name.startswith("rejected.")}
    assert counts == dict(refused)
    assert partition.counts["accepted"] == len(left)
    newest = {name: max(when for series, when in left if series == name) for name, _ in left}
    found = {}
    for slot in partition.series.names.rows().tolist():
        if partition.series.seen.count[slot]:
            found[partition.series.name(slot)] = partition.series.seen.time[slot] / SECOND
    assert found == newest


def scores(outcome: Outcome) -> list[tuple[int, float]]:
    return [pair for p in outcome.points for pair in zip(p.times.tolist(), p.fields["score"].tolist(), strict=True)]


def test_readings_out_of_order_are_scored_in_order_within_the_lateness() -> None:
    rng = np.random.default_rng(4)
    ordered: list[Row] = [(float(s), "a", float(s), float(v)) for s, v in enumerate(rng.normal(20, 1, 200))]
    shaken = sorted(ordered, key=lambda row: row[2] + rng.uniform(0, 4))
    arriving: list[Row] = [(max(r[2] for r in shaken[: i + 1]), *row[1:]) for i, row in enumerate(shaken)]
    limits = Limits(lateness=5 * SECOND)
    end: list[Row] = [(500, "b", 500, 1)]
    calm, reordered = new(pipeline(limits=limits)), new(pipeline(limits=limits))
    expected = play(calm, records([*ordered, *end]))
    found = play(reordered, records([*arriving, *end]))
    assert reordered.counts["accepted"] == calm.counts["accepted"] == 200
    assert scores(found) == scores(expected)
    assert len(scores(found)) > 150
