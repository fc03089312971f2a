"""When alerts open and close: a table, a naive reference, and batches that may be cut anywhere."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import Drift, Scores
from streams.alerts import CLOSED, HIGHER, OPENED, Event, PolicyState, judge
from streams.policy import AlertPolicy, OpenAfter

NAN = float("nan")
WORDS = {OPENED: "open", HIGHER: "higher", CLOSED: "close"}


def scored(score: list[float], alarm: list[bool] | None = None, drift: list[float] | None = None) -> Scores:
    values = np.array(score, float)
    alarms = values >= 1.0 if alarm is None else np.array(alarm)
    n = len(values)
    statistic = None if drift is None else Drift(np.array(drift))
    return Scores(values, np.ones(n), alarms, np.zeros(n, np.int64), drift=statistic)


def walk(policy: AlertPolicy, scores: Scores, state: PolicyState | None = None, begin: int = 0) -> list[Event]:
    n = len(scores)
    rows = np.arange(begin, begin + n)
    state = PolicyState.init(1, 2) if state is None else state
    return judge(policy, state, np.zeros(n, np.int64), rows * 10, rows, scores)


def words(events: list[Event]) -> list[tuple[int, str]]:
    return [(event.row, WORDS[event.what]) for event in events]


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        ([0, 2, 0, 0, 0], [(1, "open"), (4, "close")]),
        ([0, 2, 3, 0, 0, 0], [(1, "open"), (2, "higher"), (5, "close")]),
        ([0, 2, 0, 0, 2, 0, 0, 0], [(1, "open"), (7, "close")]),
        ([2, 0, 0.9, 0, 0, 0], [(0, "open"), (5, "close")]),
        ([2, 0, NAN, 0, NAN, 0], [(0, "open"), (5, "close")]),
        ([2, 0, 0, 0, 2, 0], [(0, "open"), (3, "close"), (4, "open")]),
        ([NAN, NAN, NAN], []),
    ],
    ids=[
        "opens and closes",
        "rises",
        "is held by an alarm",
        "hysteresis",
        "no verdict is not quiet",
        "opens again",
        "nothing",
    ],
)
def test_one_alarm_opens_and_three_quiet_readings_close(score: list[float], expected: list[tuple[int, str]]) -> None:
    assert words(walk(AlertPolicy(close_after=3), scored(score))) == expected


def test_three_alarms_of_five_open_and_the_first_of_them_is_remembered() -> None:
    policy = AlertPolicy(open_after=OpenAfter(alarms=3, of=5), close_after=2)
    events = walk(policy, scored([0, 2, 0, 2, 0, 2, 0, 0, 2]))
    assert words(events) == [(5, "open"), (7, "close")]
    assert (events[0].started, events[0].first, events[0].alarms) == (10, 1, 3)


def test_alarms_too_far_apart_open_nothing() -> None:
    policy = AlertPolicy(open_after=OpenAfter(alarms=2, of=3))
    assert walk(policy, scored([2, 0, 0, 2, 0, 0, 2])) == []


def test_a_drift_is_another_alert_than_an_anomaly() -> None:
    events = walk(AlertPolicy(close_after=2), scored([0, 2, 0, 0], drift=[0.1, 0.2, 1.5, 0.0]))
    assert [(event.row, event.channel, WORDS[event.what]) for event in events] == [
        (1, 0, "open"), (2, 1, "open"), (3, 0, "close"),
    ]  # fmt: skip


class Naive:
    """One channel of one series, one reading at a time, in plain Python."""

    def __init__(self, policy: AlertPolicy) -> None:
        self.policy, self.recent, self.open, self.quiet, self.peak = policy, [False], False, 0, 0.0

    def step(self, score: float, alarm: bool) -> str | None:
        if score != score:
            return None
        self.recent = [*self.recent, alarm][-self.policy.open_after.of :]
        if not self.open:
            if alarm and sum(self.recent) >= self.policy.open_after.alarms:
                self.open, self.quiet, self.peak = True, 0, score
                return "open"
            return None
        self.quiet = 0 if alarm or score >= self.policy.quiet_below else self.quiet + 1
        if self.quiet >= self.policy.close_after:
            self.open, self.recent = False, []
            return "close"
        if score > self.peak:
            self.peak = score
            return "higher"
        return None


@st.composite
def policies(draw: st.DrawFn) -> AlertPolicy:
    of = draw(st.integers(1, 6))
    after = OpenAfter(alarms=draw(st.integers(1, of)), of=of)
    return AlertPolicy(open_after=after, close_after=draw(st.integers(1, 5)), quiet_below=draw(st.floats(0.1, 1.0)))


readings = st.lists(st.tuples(st.one_of(st.just(NAN), st.floats(0, 3)), st.booleans()), max_size=60)


@settings(max_examples=200, deadline=None)
@given(policies(), readings, st.lists(st.integers(0, 60), max_size=5))
def test_it_decides_as_the_naive_policy_however_the_batches_are_cut(
    policy: AlertPolicy, readings: list[tuple[float, bool]], cuts: list[int]
) -> None:
    naive = Naive(policy)
    expected: list[Any] = []
    for row, (score, alarm) in enumerate(readings):
        if word := naive.step(score, alarm):
            expected.append((row, word))
    state = PolicyState.init(1, 2)
    found = []
    edges = [0, *sorted(min(cut, len(readings)) for cut in cuts), len(readings)]
    for begin, end in pairwise(edges):
        part = readings[begin:end]
        events = walk(policy, scored([s for s, _ in part], [a and s == s for s, a in part]), state, begin)
        found += [(begin + event.row, WORDS[event.what]) for event in events]
    assert found == expected


@pytest.mark.parametrize(
    ("bad", "message"), [({"close_after": 0}, "close_after"), ({"quiet_below": 0.0}, "quiet_below")]
)
def test_a_policy_that_cannot_work_is_refused(bad: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AlertPolicy(**bad)
    with pytest.raises(ValueError, match="open_after"):
        OpenAfter(alarms=3, of=2)
