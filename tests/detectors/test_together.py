"""Together: what each rule makes of the members' ratios, and what it refuses."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from detectors.base import Batch, FloatArray, Scores
from detectors.gaussian import Gaussian
from detectors.together import Together

NAN = np.nan
SAID: dict[str, FloatArray] = {
    "low": np.array([2.0, 0.5, NAN, NAN, 3.0]),
    "high": np.array([0.2, 0.9, 4.0, NAN, NAN]),
    "third": np.array([1.0, 0.1, 1.5, NAN, NAN]),
}


@dataclass
class Nothing:
    """A state of no series' past."""

    seen: FloatArray


@dataclass(frozen=True)
class Told:
    """A detector that says what it was told to; its threshold is 2, so that scores are not ratios."""

    name: str

    kinds: ClassVar[tuple[str, ...]] = ("anomaly",)
    tunes: ClassVar[frozenset[str]] = frozenset()

    def features(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        return ()

    def init(self, n: int, shape: tuple[int, ...]) -> Nothing:
        return Nothing(np.zeros(n))

    def update(self, state: Nothing, batch: Batch) -> Scores:
        score = 2.0 * SAID[self.name]
        n = len(score)
        return Scores(score, np.full(n, 2.0), score >= 2.0, np.zeros(n, np.int64))


MEMBERS = tuple(Told(name) for name in SAID)


def said(**parameters: Any) -> Scores:
    together = Together(members=MEMBERS, **parameters)
    batch = Batch(np.zeros(5, np.int64), np.arange(5), np.zeros((5, 1)))
    return together.update(together.init(1, (1,)), batch)


@pytest.mark.parametrize(
    ("parameters", "score", "alarm"),
    [
        ({}, [2.0, 0.9, 4.0, NAN, 3.0], [True, False, True, False, True]),
        ({"rule": "mean"}, [3.2 / 3, 0.5, 2.75, NAN, 3.0], [True, False, True, False, True]),
        ({"rule": "quorum"}, [1.0, 0.5, 1.5, NAN, NAN], [True, False, True, False, False]),
        ({"rule": "quorum", "need": 1}, [2.0, 0.9, 4.0, NAN, 3.0], [True, False, True, False, True]),
        ({"rule": "quorum", "need": 3}, [0.2, 0.1, NAN, NAN, NAN], [False, False, False, False, False]),
    ],
    ids=["maximum", "mean", "majority", "any", "all"],
)
def test_members_without_a_verdict_are_left_out(parameters: Any, score: list[float], alarm: list[bool]) -> None:
    scores = said(**parameters)
    np.testing.assert_allclose(scores.score, score, rtol=1e-15)
    np.testing.assert_array_equal(scores.alarm, alarm)
    np.testing.assert_array_equal(scores.threshold, np.ones(5))
    assert scores.expected is None
    assert scores.contributions is None


def test_the_evidence_of_an_alarm_is_what_every_member_said() -> None:
    evidence = said(rule="quorum").evidence
    assert evidence is not None
    assert evidence.rows.tolist() == [0, 2]
    assert evidence.at(0) == {"ratios": [2.0, 0.2, 1.0], "alarms": [True, False, True]}
    np.testing.assert_array_equal(evidence.columns["ratios"], [[2.0, 0.2, 1.0], [NAN, 4.0, 1.5]])


def test_without_alarms_there_is_no_evidence() -> None:
    assert said(rule="quorum", need=3).evidence is None


@pytest.mark.parametrize("rule", ["maximum", "mean"])
def test_a_ratio_of_exactly_one_is_an_alarm(rule: str) -> None:
    together = Together(members=(Told("third"),), rule=rule)
    batch = Batch(np.zeros(5, np.int64), np.arange(5), np.zeros((5, 1)))
    assert together.update(together.init(1, (1,)), batch).alarm.tolist() == [True, False, True, False, False]


def test_an_even_number_of_members_needs_more_than_half() -> None:
    together = Together(members=MEMBERS[:2], rule="quorum")
    batch = Batch(np.zeros(5, np.int64), np.arange(5), np.zeros((5, 1)))
    assert not together.update(together.init(1, (1,)), batch).alarm.any()


def test_each_member_keeps_a_state_of_its_own() -> None:
    members = (Gaussian(warm_up=16), Gaussian(warm_up=40, half_life=10.0))
    together = Together(members=members)
    values = np.random.default_rng(0).normal(size=(100, 1))
    batch = Batch(np.zeros(100, np.int64), np.arange(100), values)
    alone = [member.update(member.init(1, (1,)), batch).score / 6.0 for member in members]
    scores = together.update(together.init(1, (1,)), batch)
    np.testing.assert_array_equal(scores.score, np.fmax(*alone))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"members": ()}, r"^Together\.members must hold at least one detector; got \(\)"),
        ({"rule": "loudest"}, r"^Together\.rule must be one of maximum, mean, quorum; got 'loudest'"),
        ({"rule": "quorum", "need": 0}, r"^Together\.need must lie between 1 and .* 3; got 0"),
        ({"rule": "quorum", "need": 4}, r"^Together\.need must lie between 1 and .* 3; got 4"),
        ({"rule": "mean", "need": 2}, r"^Together\.need must be None unless .* mean; got 2"),
    ],
)
def test_wrong_use_is_refused_by_name(parameters: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Together(**({"members": MEMBERS} | parameters))
