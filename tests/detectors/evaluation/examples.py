"""The worked example that several golden values belong to."""

import numpy as np

from detectors.base import FloatArray, IntArray


def continuous() -> tuple[FloatArray, IntArray]:
    """Scores and labels (200,): two events, a hit, a late hit, and a bump about nothing."""
    t = np.arange(200)
    scores = np.exp(-(((t - 66) / 9) ** 2)) + 0.8 * np.exp(-(((t - 133) / 5) ** 2))
    scores += 0.3 * np.exp(-(((t - 170) / 4) ** 2)) + 0.05 * np.sin(t)
    labels = np.zeros(200, np.int64)
    labels[60:80] = labels[120:131] = 1
    return scores, labels


def random(seed: int, n: int = 120) -> tuple[FloatArray, IntArray]:
    """Scores with ties and labels with at least one event."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(n, np.int64)
    for first in rng.integers(0, n, rng.integers(1, 6)):
        labels[first : first + rng.integers(1, 25)] = 1
    scores = rng.normal(size=n) + labels * rng.uniform(0, 2)
    return (scores if seed % 2 else scores.round(1)), labels
