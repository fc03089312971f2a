"""PATE: area under a precision-recall curve that values early and late alarms by their distance from the event."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from detectors.base import BoolArray, FloatArray, IntArray
from detectors.check import require
from detectors.evaluation.events import events, judged
from detectors.evaluation.zones import misses, zones


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffers:
    """Rows before and after an event in which an alarm still counts in part; PATE averages over all pairs of them.

    Choose them by what the plant can use, or as the period of the series (`vus.period`), or as the detector's window.

    early:        most rows before an event
    late:         most rows after it
    splits:       how many sizes up to the most, evenly spaced and cut to whole rows
    include_zero: also no buffer at all
    """

    early: int = 100
    late: int = 100
    splits: int = 1
    include_zero: bool = True

    def __post_init__(self) -> None:
        require(self, "early", self.early >= 0, "be at least 0 rows")
        require(self, "late", self.late >= 0, "be at least 0 rows")
        require(self, "splits", self.splits >= 1, "be at least 1")

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Every (early, late)."""
        for early in self._sizes(self.early):
            for late in self._sizes(self.late):
                yield early, late

    def _sizes(self, most: int) -> list[int]:
        if self.include_zero:
            return [int(size) for size in np.linspace(0, most, self.splits + 1)]
        return [int(size) for size in np.linspace(most / self.splits, most, self.splits)]


DEFAULT = Buffers()


def pate(scores: FloatArray, labels: IntArray, *, buffers: Buffers = DEFAULT, thresholds: int | None = 250) -> float:
    """Mean area between the points of the curve, as published; NaN without an event.

    Straight lines between points flatter scores of few distinct values: a constant score gets 0.5 and more. Never
    compare detectors of different granularity by it; `pate_step` has no such fault, `pate_f1` is for alarms.

    scores:     (n,) higher is more anomalous; rows with NaN (no verdict) are taken out, see `judged`
    labels:     (n,) 1 anomalous, 0 normal; rows with -1 (unknown) are taken out
    thresholds: how many percentiles of the distinct scores are tried, as in the reference; None = every one of them

    Source: Ghorbani, Reinders and Tax, PATE: Proximity-aware time series anomaly evaluation, KDD (2024), section 4,
    with the thresholds, the order of the buffers and the monotone recall of the published code.

    >>> labels = np.zeros(100, np.int64)
    >>> labels[40:60] = 1
    >>> only = Buffers(early=20, late=20, include_zero=False)
    >>> alarms = np.zeros(100, np.bool_)
    >>> alarms[30:50] = True
    >>> round(pate(alarms.astype(float), labels, buffers=only), 6), round(pate_f1(alarms, labels, buffers=only), 6)
    (0.791311, 0.751309)
    """
    areas = [
        float(np.sum(np.diff(recall) * (precision[1:] + precision[:-1]) / 2))
        for precision, recall in _curves(scores, labels, buffers, thresholds)
    ]
    return float(np.mean(areas)) if areas else np.nan


def pate_step(
    scores: FloatArray, labels: IntArray, *, buffers: Buffers = DEFAULT, thresholds: int | None = 250
) -> float:
    """PATE with the area in steps, sum of (R_i - R_i-1) P_i: scores of few distinct values gain nothing."""
    areas = [
        float(np.sum(np.diff(recall) * precision[1:]))
        for precision, recall in _curves(scores, labels, buffers, thresholds)
    ]
    return float(np.mean(areas)) if areas else np.nan


def pate_f1(alarms: BoolArray, labels: IntArray, *, buffers: Buffers = DEFAULT) -> float:
    """Mean F1 of precision and recall weighted by distance, for alarms (n,); rows with label -1 are taken out."""
    values, known = judged(np.asarray(alarms, np.float64), labels)
    ratios = [
        2 * precision[0] * recall[0] / max(precision[0] + recall[0], np.finfo(float).tiny)
        for precision, recall in _points(values, known, buffers, np.ones(1))
    ]
    return float(np.mean(ratios)) if ratios else np.nan


def _curves(
    scores: FloatArray, labels: IntArray, buffers: Buffers, thresholds: int | None
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Precision and recall from (1, 0) on for each pair of buffers, without the points where recall falls back."""
    if thresholds is not None and thresholds < 1:
        raise ValueError(f"thresholds must be at least 1, or None for all; got {thresholds}")
    values, known = judged(scores, labels)
    if not known.any():
        return
    for precision, recall in _points(values, known, buffers, _thresholds(values, known, thresholds)):
        precision, recall = np.concatenate([[1.0], precision]), np.concatenate([[0.0], recall])
        keep = recall >= np.maximum.accumulate(recall)
        yield precision[keep], recall[keep]


def _points(
    values: FloatArray, labels: IntArray, buffers: Buffers, thresholds: FloatArray
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Precision and recall at falling thresholds, for each pair of buffers; nothing without an event."""
    spans = np.array(events(labels), np.int64).reshape(-1, 2)
    if len(spans) == 0:
        return
    steps = len(thresholds)
    rank = np.searchsorted(-thresholds, -values)
    hit = np.array([rank[first : last + 1].min() for first, last in spans])
    predicted: FloatArray = np.cumsum(np.bincount(rank, minlength=steps + 1)[:steps]).astype(np.float64)
    missed = misses(rank, spans, steps)
    for early, late in buffers.pairs():
        weight, owner = zones(len(values), spans, early, late)
        # a row before an event counts from the step on that also hits the event
        since = np.where(owner >= 0, np.maximum(rank, hit[owner]), rank)
        true: FloatArray = np.cumsum(np.bincount(since, weight, minlength=steps + 1)[:steps]).astype(np.float64)
        yield _ratio(true, predicted), _ratio(true, true + missed)


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _thresholds(values: FloatArray, labels: IntArray, most: int | None) -> FloatArray:
    """Distinct scores, falling, where the number of hits changes before or after; or percentiles of those."""
    order = np.argsort(-values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    distinct, hits = values[order][ends], np.cumsum(labels[order])[ends]
    if len(distinct) > 2:
        moves = np.diff(hits) > 0
        distinct = distinct[np.concatenate([[True], moves[:-1] | moves[1:], [True]])]
    levels: FloatArray = distinct if most is None else np.percentile(distinct, np.linspace(100, 0, most))
    return levels
