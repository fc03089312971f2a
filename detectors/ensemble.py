"""Several detectors whose scores are brought to one scale by their own past and averaged."""

from dataclasses import dataclass
from math import asinh, inf, isnan, sqrt
from typing import Any, ClassVar

import msgspec
import numpy as np
from numba import njit

from detectors.base import Batch, FloatArray, IntArray, Scores
from detectors.check import require
from detectors.forgetting import newest_weight
from detectors.gaussian import Gaussian
from detectors.kmeans import KMeans
from detectors.mahalanobis import Mahalanobis
from detectors.subsequence_pca import SubsequencePCA

NARROW = 1e-3
"""Deviation of a log-score at least: a member that always says the same does not outvote the rest."""


@dataclass(slots=True)
class EnsembleState:
    """The states of the members, and arrays (n, m) by series and member: the moments of the log-scores."""

    members: tuple[Any, ...]
    seen: IntArray
    mean: FloatArray
    var: FloatArray


class Ensemble(msgspec.Struct, frozen=True, kw_only=True, tag="ensemble"):
    """Mean of the members' standardised log-scores.

    Works where it is not known which method suits: it is seldom the best and seldom the worst. Fails where only one
    member sees the anomaly and the others are calm: it is diluted (`Together` with the maximum is for that).

    A member's score is taken as asinh(score), a logarithm for large scores of either sign, and standardised by its
    exponentially weighted mean and deviation before the reading; beyond `clip` deviations it is learned as if it stood
    there. A member without a verdict, or with fewer than `warm_up` of them, is left out. Unlike ranks or p-values such
    scores do not saturate.

    Score: mean over the members of standard deviations of the log-score, without upper bound.

    members:   detectors, at least one.
    half_life: verdicts of a member after which a score weighs half.
    clip:      standard deviations up to which a log-score is learned in full; above 1.
    limit:     score at which it alarms.
    warm_up:   verdicts of a member before it takes part, at least 16.

    >>> from detectors.base import Batch
    >>> ensemble = Ensemble(members=(Gaussian(warm_up=16), Gaussian(warm_up=16, half_life=20.0)), warm_up=50)
    >>> values = np.random.default_rng(0).normal(size=(200, 1))
    >>> values[199] = 30.0
    >>> batch = Batch(np.zeros(200, np.int64), np.arange(200), values)
    >>> scores = ensemble.update(ensemble.init(1, (1,)), batch)
    >>> int(np.nanargmax(scores.score)), scores.alarm[-2:]
    (199, array([False,  True]))

    Source: averages of standardised scores after Aggarwal and Sathe, SIGKDD Explorations 17 (2015).
    """

    members: tuple[Gaussian | KMeans | Mahalanobis | SubsequencePCA, ...] = (Mahalanobis(), KMeans(), SubsequencePCA())
    half_life: float = 2000.0
    clip: float = 3.0
    limit: float = 4.0
    warm_up: int = 100

    kinds: ClassVar[tuple[str, ...]] = ("anomaly",)
    tunes: ClassVar[frozenset[str]] = frozenset({"half_life", "clip", "limit", "warm_up"})

    def __post_init__(self) -> None:
        require(self, "members", len(self.members) > 0, "hold at least one detector")
        require(self, "half_life", 1 <= self.half_life < inf, "be at least 1 verdict")
        require(self, "clip", 1 < self.clip < inf, "be above 1")
        require(self, "limit", 0 < self.limit < inf, "be above 0")
        require(self, "warm_up", self.warm_up >= 16, "be at least 16")

    def features(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """The variables themselves; nothing is explained."""
        return ()

    def init(self, n: int, shape: tuple[int, ...]) -> EnsembleState:
        m = len(self.members)
        states = tuple(member.init(n, shape) for member in self.members)
        return EnsembleState(states, np.zeros((n, m), np.int64), np.zeros((n, m)), np.zeros((n, m)))

    def update(self, state: EnsembleState, batch: Batch) -> Scores:
        n = len(batch)
        pairs: Any = zip(self.members, state.members, strict=True)
        said = np.stack([member.update(its, batch).score for member, its in pairs], axis=1)
        score = np.empty(n)
        alpha = newest_weight(self.half_life)
        _average(batch.slots, said, state.seen, state.mean, state.var, alpha, self.clip, self.warm_up, score)
        return Scores(score, np.full(n, float(self.limit)), score >= self.limit, np.zeros(n, np.int64))


@njit(cache=True, nogil=True)
def _average(
    slots: IntArray,
    said: FloatArray,
    seen: IntArray,
    mean: FloatArray,
    var: FloatArray,
    alpha: float,
    clip: float,
    warm_up: int,
    score: FloatArray,
) -> None:
    for i in range(slots.size):
        s = slots[i]
        total, voters = 0.0, 0
        for k in range(said.shape[1]):
            if isnan(said[i, k]):
                continue
            d = asinh(said[i, k]) - mean[s, k]
            width = max(sqrt(var[s, k]), NARROW)
            c = seen[s, k]
            seen[s, k] = c + 1
            if c >= warm_up:
                total += d / width
                voters += 1
                d = min(max(d, -clip * width), clip * width)
            a = max(alpha, 1.0 / (c + 1))
            mean[s, k] += a * d
            var[s, k] = (1.0 - a) * (var[s, k] + a * d * d)
        score[i] = total / voters if voters > 0 else np.nan
