"""Point-adjusted F1, which much of the literature reports, never without what a random detector gets by it."""

from dataclasses import dataclass

import numpy as np

from detectors.base import FloatArray, IntArray
from detectors.evaluation.events import events, judged
from detectors.evaluation.ranking import best_f1

WARNING = (
    "Point-adjusted F1 counts a whole event as found once any of its rows is: random scores get 0.93 on NAB, "
    "Numenta HTM 0.94. Compare with the random score beside it, and judge by VUS-PR, PATE or events."
)

DRAWS = 5
"""Random detectors whose mean is shown."""


@dataclass(frozen=True, slots=True)
class PointAdjusted:
    """The number, and what keeps it from misleading.

    f1:        highest point-adjusted F1 of any threshold, NaN without an event
    random_f1: the same for uniform random scores, mean of five draws
    warning:   to be shown wherever the number is
    """

    f1: float
    random_f1: float
    warning: str = WARNING


def point_adjusted_f1(scores: FloatArray, labels: IntArray, *, seed: int = 0) -> PointAdjusted:
    """Raise every row of an event to the event's highest score, then take the best F1.

    Rows without a verdict (NaN) or with an unknown label (-1) are taken out, see `judged`.

    >>> labels = np.zeros(1000, np.int64)
    >>> labels[300:500] = 1
    >>> found = point_adjusted_f1(np.sin(np.arange(1000.0)), labels)
    >>> round(found.f1, 2), found.random_f1 > 0.9
    (1.0, True)
    """
    values, known = judged(scores, labels)
    rng = np.random.default_rng(seed)
    random = [_adjusted(rng.random(len(values)), known) for _ in range(DRAWS)]
    return PointAdjusted(_adjusted(values, known), float(np.mean(random)))


def _adjusted(values: FloatArray, labels: IntArray) -> float:
    raised = values.copy()
    for first, last in events(labels):
        raised[first : last + 1] = raised[first : last + 1].max()
    return best_f1(raised, labels).f1
