"""How well scores rank readings: ROC, average precision, the best F1, and how they follow a severity."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy import stats

from detectors.base import FloatArray, IntArray
from detectors.evaluation.events import judged


@dataclass(frozen=True, slots=True)
class BestF1:
    """The highest point-wise F1 of any threshold: chosen on the labels, so a limit and not a promise.

    threshold: an alarm is a score of at least this
    """

    f1: float
    threshold: float


def roc_auc(scores: FloatArray, labels: IntArray) -> float:
    """Chance that an anomalous row scores higher than a normal one, ties counting half; NaN without both.

    Rows without a verdict (NaN) or with an unknown label (-1) are taken out, here and below.

    >>> roc_auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.75
    """
    values, known = judged(scores, labels)
    positives = int(known.sum())
    pairs = positives * (len(known) - positives)
    if pairs == 0:
        return np.nan
    ranks = stats.rankdata(values)[known == 1].sum()
    return float((ranks - positives * (positives + 1) / 2) / pairs)


def average_precision(scores: FloatArray, labels: IntArray) -> float:
    """Area in steps under precision over recall, row by row; NaN without an anomalous row.

    >>> round(average_precision(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1])), 4)
    0.8333
    """
    _, predicted, hits = _thresholds(*judged(scores, labels))
    if len(hits) == 0 or hits[-1] == 0:
        return np.nan
    return float(np.sum(np.diff(hits, prepend=0) / hits[-1] * hits / predicted))


def best_f1(scores: FloatArray, labels: IntArray) -> BestF1:
    """The highest F1 over all thresholds, the highest threshold that has it; NaN without an anomalous row.

    >>> best_f1(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    BestF1(f1=0.8, threshold=0.35)
    """
    distinct, predicted, hits = _thresholds(*judged(scores, labels))
    if len(hits) == 0 or hits[-1] == 0:
        return BestF1(np.nan, np.nan)
    f1 = 2 * hits / (predicted + hits[-1])
    best = int(np.argmax(f1))
    return BestF1(float(f1[best]), float(distinct[best]))


def concordance(scores: FloatArray, severity: FloatArray) -> float:
    """C-index: among pairs of different severity, the share whose scores stand in that order; ties count half.

    1 = the score follows the severity, 0.5 = chance. NaN where no pair differs. Rows where either is NaN are taken
    out. Takes time in n²: for some thousand rows.

    >>> round(concordance(np.array([1.0, 3.0, 2.0]), np.array([1.0, 2.0, 3.0])), 4)
    0.6667
    """
    _same_rows(scores, severity)
    keep = ~(np.isnan(scores) | np.isnan(severity))
    good, pairs = _concordant(scores[keep].astype(np.float64), severity[keep].astype(np.float64))
    return good / pairs if pairs else np.nan


def tau_b(scores: FloatArray, severity: FloatArray) -> float:
    """Kendall's tau-b of score and severity: 1 same order, 0 none, -1 reversed; NaN where either is constant.

    Rows where either is NaN are taken out.

    >>> round(tau_b(np.array([1.0, 3.0, 2.0]), np.array([1.0, 2.0, 3.0])), 4)
    0.3333
    """
    _same_rows(scores, severity)
    keep = ~(np.isnan(scores) | np.isnan(severity))
    if np.unique(scores[keep]).size < 2 or np.unique(severity[keep]).size < 2:
        return np.nan
    return float(stats.kendalltau(scores[keep], severity[keep], variant="b").statistic)


def _thresholds(values: FloatArray, labels: IntArray) -> tuple[FloatArray, IntArray, IntArray]:
    """Distinct scores, falling; rows and anomalous rows that score at least as high."""
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    ends = np.flatnonzero(np.append(np.diff(ordered) != 0, True)) if len(ordered) else np.zeros(0, np.int64)
    return ordered[ends], ends + 1, np.cumsum(labels[order])[ends]


def _same_rows(scores: FloatArray, severity: FloatArray) -> None:
    if scores.shape != severity.shape or scores.ndim != 1:
        raise ValueError(f"scores and severity must have one row each; got {scores.shape} and {severity.shape}")


@njit(cache=True, nogil=True)
def _concordant(scores: FloatArray, severity: FloatArray) -> tuple[float, int]:
    good, pairs = 0.0, 0
    for i in range(len(scores)):
        for j in range(i):
            if severity[i] == severity[j]:
                continue
            pairs += 1
            if scores[i] == scores[j]:
                good += 0.5
            elif (scores[i] > scores[j]) == (severity[i] > severity[j]):
                good += 1.0
    return good, pairs
