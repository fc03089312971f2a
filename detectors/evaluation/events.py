"""Labelled events, and the rows that a metric can judge."""

import numpy as np

from detectors.base import BoolArray, FloatArray, IntArray


def events(labels: IntArray | BoolArray) -> list[tuple[int, int]]:
    """First and last row of every run of ones.

    >>> events(np.array([0, 1, 1, 0, -1, 1]))
    [(1, 2), (5, 5)]
    """
    edges = np.diff(np.concatenate([[0], labels == 1, [0]]).astype(np.int8))
    return list(zip(np.flatnonzero(edges == 1).tolist(), (np.flatnonzero(edges == -1) - 1).tolist(), strict=True))


def judged(scores: FloatArray, labels: IntArray) -> tuple[FloatArray, IntArray]:
    """Scores (m,) and labels (m,) of the rows that have both: a score that is not NaN, and a label that is not -1.

    The other rows are taken out as if nobody had recorded them, so rows before and after become neighbours. Labels:
    1 anomalous, 0 normal, -1 unknown. Infinite scores are refused: they cannot be ranked among each other.

    >>> judged(np.array([0.1, np.nan, 0.3, 0.4]), np.array([0, 1, 1, -1]))
    (array([0.1, 0.3]), array([0, 1]))
    """
    if scores.shape != labels.shape or scores.ndim != 1:
        raise ValueError(f"scores and labels must have one row per reading; got {scores.shape} and {labels.shape}")
    if not np.isin(labels, (-1, 0, 1)).all():
        raise ValueError(f"labels must be 1, 0 or -1 (unknown); got {sorted(set(labels.tolist()) - {-1, 0, 1})[0]}")
    if np.isinf(scores).any():
        raise ValueError("scores must be finite, or NaN for no verdict; got an infinite one: bound the score")
    keep = ~np.isnan(scores) & (labels != -1)
    return np.asarray(scores[keep], np.float64), np.asarray(labels[keep], np.int64)
