"""Range-based areas under the curve, and their volume over all tolerances: VUS-PR and VUS-ROC."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.base import FloatArray, IntArray
from detectors.evaluation.events import events, judged

STEPS = 250
"""Thresholds: the scores at this many evenly spaced ranks, as in TSB-AD."""

LOOKED_AT = 20_000
"""Readings from which the period is taken."""

NO_PERIOD = 125
"""Rows to take where a series has no period."""


@dataclass(frozen=True, slots=True)
class Volumes:
    """VUS-PR and VUS-ROC; NaN = not defined."""

    pr: float
    roc: float


def period(values: FloatArray) -> int:
    """Rows of the highest local maximum of the autocorrelation at lags 3 to 400 of the first 20,000 values (n,).

    125 where there is none, or where it lies within 3 rows of the first lag or beyond lag 303, as in TSB-AD. Missing
    values are taken out first.
    """
    x = values[~np.isnan(values)][:LOOKED_AT]
    if len(x) == 0 or x.std() == 0:
        return NO_PERIOD
    spectrum = np.abs(np.fft.rfft(x - x.mean(), 2 * len(x))) ** 2
    correlation = np.fft.irfft(spectrum)[: min(401, len(x))][3:]
    inner = correlation[1:-1]
    tops = np.flatnonzero((inner > correlation[:-2]) & (inner > correlation[2:])) + 1
    if len(tops) == 0:
        return NO_PERIOD
    top = int(tops[np.argmax(correlation[tops])])
    return top + 3 if 3 <= top <= 300 else NO_PERIOD


def vus_pr(scores: FloatArray, labels: IntArray, *, window: int) -> float:
    """Mean of `range_auc_pr` over the windows 0 to `window` rows; NaN without an event.

    scores: (n,) higher is more anomalous; rows with NaN (no verdict) are taken out, see `judged`
    labels: (n,) 1 anomalous, 0 normal; rows with -1 (unknown) are taken out
    window: the largest tolerance in rows, both sides together; `period` of the series unless you know better

    Source: Paparrizos et al., Volume under the surface, PVLDB 15 (2022), section 4, in the form of TSB-AD (Liu and
    Paparrizos, NeurIPS 2024).

    >>> labels = np.array([0, 0, 0, 1, 1, 0, 0, 0, 0, 0])
    >>> scores = np.array([0.1, 0.2, 0.8, 0.9, 0.7, 0.3, 0.2, 0.1, 0.2, 0.1])
    >>> round(vus_pr(scores, labels, window=0), 4), round(vus_pr(scores, labels, window=4), 4)
    (0.8333, 0.908)
    """
    return vus(scores, labels, window=window).pr


def vus_roc(scores: FloatArray, labels: IntArray, *, window: int) -> float:
    """Mean of `range_auc_roc` over the windows 0 to `window` rows; NaN without an event or without normal rows."""
    return vus(scores, labels, window=window).roc


def vus(scores: FloatArray, labels: IntArray, *, window: int) -> Volumes:
    """Both volumes, from one walk over the windows."""
    areas = [(_steps(curve), _lines(curve)) for curve in _curves(scores, labels, range(_size(window) + 1))]
    return Volumes(_mean([pr for pr, _ in areas]), _mean([roc for _, roc in areas]))


def range_auc_pr(scores: FloatArray, labels: IntArray, *, window: int) -> float:
    """Area in steps under precision over recall, where rows up to half a window from an event count in part."""
    return _mean([_steps(curve) for curve in _curves(scores, labels, [_size(window)])])


def range_auc_roc(scores: FloatArray, labels: IntArray, *, window: int) -> float:
    """Area between points under the true over the false positive rate, with the same tolerance."""
    return _mean([_lines(curve) for curve in _curves(scores, labels, [_size(window)])])


@dataclass(frozen=True, slots=True)
class Curve:
    """Three rates (STEPS,) at falling thresholds."""

    recall: FloatArray
    precision: FloatArray
    false: FloatArray


def _curves(scores: FloatArray, labels: IntArray, windows: Sequence[int]) -> Iterator[Curve]:
    """The curve of each window; nothing without an event."""
    values, known = judged(scores, labels)
    spans = events(known)
    if not spans:
        return
    falling = np.sort(values)[::-1]
    levels = falling[np.linspace(0, len(values) - 1, STEPS).astype(np.int64)]
    rank = np.searchsorted(-levels, -values)
    predicted, inside = _up_to(rank, np.ones(len(values))), _up_to(rank, known.astype(np.float64))
    around = np.flatnonzero((_weights(known, spans, max(windows)) > 0) & (known == 0))
    for window in windows:
        # the weights of other rows are 0 and 1 at every window
        near = _up_to(rank[around], _weights(known, spans, window)[around])
        true, positives = inside + near, known.sum() + near / 2
        recall = np.minimum(true / positives, 1.0) * _found(rank, spans, window // 2)
        negatives = len(values) - positives
        false = np.divide(predicted - true, negatives, out=np.full(STEPS, np.nan), where=negatives > 0)
        yield Curve(recall, true / predicted, false)


def _weights(labels: IntArray, spans: list[tuple[int, int]], window: int) -> FloatArray:
    """1 on events, sqrt(1 - r/window) at r rows from one, up to half a window; sums are cut at 1."""
    weight, half, n = labels.astype(np.float64), window // 2, len(labels)
    fall = np.sqrt(1 - np.arange(1, half + 1) / max(window, 1))
    for first, last in spans:
        after, before = min(half, n - 1 - last), min(half, first)
        weight[last + 1 : last + 1 + after] += fall[:after]
        weight[first - before : first] += fall[:before][::-1]
    return np.minimum(weight, 1.0)


def _found(rank: IntArray, spans: list[tuple[int, int]], half: int) -> FloatArray:
    """Share of the events hit at each threshold; events that share a row after widening are one."""
    wide: list[tuple[int, int]] = []
    for first, last in spans:
        low, high = max(first - half, 0), last + half + 1
        if wide and low < wide[-1][1]:
            low = wide.pop()[0]
        wide.append((low, high))
    hits = np.sort([rank[low:high].min() for low, high in wide])
    return np.searchsorted(hits, np.arange(STEPS), side="right") / len(wide)


def _up_to(rank: IntArray, weight: FloatArray) -> FloatArray:
    """Sum of the weights of the rows predicted at each threshold."""
    total: FloatArray = np.cumsum(np.bincount(rank, weight, minlength=STEPS)[:STEPS]).astype(np.float64)
    return total


def _steps(curve: Curve) -> float:
    return float(np.sum(np.diff(curve.recall, prepend=0.0) * curve.precision))


def _lines(curve: Curve) -> float:
    rise, run = np.concatenate([[0.0], curve.recall, [1.0]]), np.concatenate([[0.0], curve.false, [1.0]])
    return float(np.sum(np.diff(run) * (rise[1:] + rise[:-1]) / 2))


def _mean(areas: list[float]) -> float:
    return float(np.mean(areas)) if areas else np.nan


def _size(window: int) -> int:
    if window < 0:
        raise ValueError(f"window must be at least 0 rows; got {window}")
    return window
