"""PATE holds the published values, and equals the plain loop over thresholds."""

import numpy as np
import pytest

from detectors.base import BoolArray, FloatArray, IntArray
from detectors.evaluation.events import events, judged
from detectors.evaluation.pate import Buffers, pate, pate_f1, pate_step
from tests.detectors.evaluation import reference
from tests.detectors.evaluation.examples import continuous, random

ONE = Buffers(early=20, late=20, include_zero=False)
WITH_ZERO = Buffers(early=20, late=20)

TABLE = [
    (40, 59, 1, 1, 1),
    (30, 49, 0.751309, 0.791311, 0.706537),
    (50, 69, 0.664151, 0.738187, 0.644888),
    (40, 49, 0.806794, 0.891320, 0.880891),
    (50, 59, 0.666667, 0.832203, 0.816102),
    (60, 69, 0.281553, 0.476375, 0.289776),
    (30, 39, 0, 0.164407, 0.132203),
    (85, 94, 0, 0.164407, 0.132203),
    (40, 40, 0.104683, 0.682942, 0.652518),
]


def event(first: int, last: int) -> BoolArray:
    rows = np.arange(100)
    return (rows >= first) & (rows <= last)


LABELS = event(40, 59).astype(np.int64)


@pytest.mark.parametrize(("first", "last", "f1", "area", "with_zero"), TABLE)
def test_binary_output_scores_as_published(first: int, last: int, f1: float, area: float, with_zero: float) -> None:
    alarms = event(first, last)
    assert pate_f1(alarms, LABELS, buffers=ONE) == pytest.approx(f1, abs=5.1e-7)
    assert pate(alarms.astype(float), LABELS, buffers=ONE) == pytest.approx(area, abs=5.1e-7)
    assert pate(alarms.astype(float), LABELS, buffers=WITH_ZERO) == pytest.approx(with_zero, abs=5.1e-7)


@pytest.mark.parametrize(
    ("buffers", "thresholds", "golden"),
    [
        (WITH_ZERO, None, 0.7794559468),
        (Buffers(early=20, late=20, splits=4), None, 0.7849638925),
        (Buffers(), 250, 0.8215805842),
        (Buffers(early=10, late=30, splits=2, include_zero=False), 250, 0.8357728411),
    ],
)
def test_continuous_scores_get_the_published_values(buffers: Buffers, thresholds: int | None, golden: float) -> None:
    scores, labels = continuous()
    assert pate(scores, labels, buffers=buffers, thresholds=thresholds) == pytest.approx(golden, abs=1e-9)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("thresholds", [None, 13])
def test_it_equals_the_loop_over_thresholds(seed: int, thresholds: int | None) -> None:
    scores, labels = random(seed)
    buffers = Buffers(early=3 * seed, late=50 - seed, splits=1 + seed % 3, include_zero=seed % 4 > 0)
    line, step = reference.areas(scores, labels, list(buffers.pairs()), thresholds)
    assert pate(scores, labels, buffers=buffers, thresholds=thresholds) == pytest.approx(line, abs=1e-12)
    assert pate_step(scores, labels, buffers=buffers, thresholds=thresholds) == pytest.approx(step, abs=1e-12)
    alarms = scores > 1
    ratios = []
    for e, d in buffers.pairs():
        p, r = reference.point(alarms.tolist(), events(labels), e, d)
        ratios.append(2 * p * r / (p + r) if p + r else 0.0)
    assert pate_f1(alarms, labels, buffers=buffers) == pytest.approx(np.mean(ratios), abs=1e-12)


def test_a_constant_score_is_flattered_by_lines_and_not_by_steps() -> None:
    labels = np.zeros(1000, np.int64)
    labels[450:550] = 1
    line, step = pate(np.ones(1000), labels), pate_step(np.ones(1000), labels)
    assert line == pytest.approx((1 + step) / 2, abs=1e-12)
    assert line == pytest.approx(0.567, abs=5e-4)
    assert step < 0.2
    one = (np.arange(1000) == 500).astype(float)
    assert pate(one, labels) == pytest.approx(0.571, abs=5e-4)
    assert pate(np.random.default_rng(1).random(1000), labels) < 0.2


@pytest.mark.parametrize("seed", range(5))
def test_a_perfect_score_gives_one_and_a_rising_transform_changes_nothing(seed: int) -> None:
    scores, labels = random(seed)
    assert pate(labels.astype(float), labels) == pytest.approx(1)
    assert pate_step(labels.astype(float), labels) == pytest.approx(1)
    assert pate_f1(labels == 1, labels) == pytest.approx(1)
    for metric in (pate, pate_step):
        assert metric(np.exp(scores), labels, thresholds=None) == pytest.approx(metric(scores, labels, thresholds=None))


def test_rows_without_verdict_or_label_are_taken_out() -> None:
    scores, labels = continuous()
    more = np.concatenate([np.full(30, np.nan), scores, [9.0, 9.0]])
    known = np.concatenate([np.ones(30, np.int64), labels, [-1, -1]])
    assert pate(more, known) == pate(scores, labels)
    assert pate_f1(np.append(scores > 0.5, True), np.append(labels, -1)) == pate_f1(scores > 0.5, labels)


@pytest.mark.parametrize("scores", [np.arange(4.0), np.full(4, np.nan)])
def test_without_an_event_there_is_no_value(scores: FloatArray) -> None:
    none = np.zeros(4, np.int64)
    assert np.isnan([pate(scores, none), pate_step(scores, none), pate_f1(scores > 1, none)]).all()


@pytest.mark.parametrize(
    ("scores", "labels", "says"),
    [
        (np.zeros(3), np.zeros(4, np.int64), "one row per reading"),
        (np.zeros(3), np.array([0, 1, 2]), "got 2"),
        (np.array([0, 1, np.inf]), np.array([0, 1, 1]), "bound the score"),
    ],
)
def test_what_cannot_be_judged_is_refused(scores: FloatArray, labels: IntArray, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        judged(scores, labels)


def test_buffers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Buffers\.splits must be at least 1; got 0"):
        Buffers(splits=0)
    with pytest.raises(ValueError, match="thresholds must be at least 1"):
        pate(*continuous(), thresholds=0)
