"""A threshold that keeps to a budget of alarm episodes, whatever the distribution of the scores."""

from dataclasses import dataclass, replace
from math import exp, expm1, inf, log, log1p
from typing import ClassVar

import msgspec
import numpy as np
from numba import njit

from detectors.base import Batch, BoolArray, FloatArray, IntArray, Scores
from detectors.check import require

TAIL = 10
"""The upper tenth of the held scores measures the tail: enough to be steady, few enough to be the tail."""

TINY = 1e-6
"""The tail is never taken narrower than this share of the largest held score, so that a constant one has a scale."""

REACH = 0.25
"""Growth of the steps of ln a per unit beyond the sample. Measured on the normal rows of SMD, observed over promised
episodes at a budget of 2e-4, for gaussian, mahalanobis, kmeans: 4.9, 3.4, 9.4 with even steps; 1.1, 1.0, 4.8 with 0.25;
0.7, 0.5, 3.9 with 0.5. What it costs, at the default budget: 22 of 41 events are found by gaussian, not 24, and 74
alerts are false, not 115."""

HUGE, DEEP = 1e150, 1e100
"""Learned scores, and -ln a, end here: their sums and their product do not overflow."""


@dataclass(slots=True)
class ConformalState:
    """What each series has seen.

    ring:   (n, window) the last scores, as learned; the next is written at seen % window
    ranked: (n, window) the same in rising order, from the left
    seen:   (n,) scores so far
    level:  (n,) ln a
    left:   (n,) readings without alarm that still end the running episode; 0 = none is running
    """

    ring: FloatArray
    ranked: FloatArray
    seen: IntArray
    level: FloatArray
    left: IntArray


class Conformal(msgspec.Struct, frozen=True, kw_only=True, tag="conformal"):
    """Alarms above a rolling quantile of the scores, whose level a adapts until the episodes come at the budgeted rate.

    Works for scores of any distribution, autocorrelated or slowly drifting, where a fixed level fails: it counts
    single readings, and holds them for exchangeable. Fails where the anomalies are more frequent than the budget, which
    pays for them as well: most of them then go without alarm. Fails on a score that only climbs, always the highest and
    never far above the last: alarms come at the pace of the budget, or as one that does not end. A tail of infinite
    variance takes some dozens of episodes to learn. Fewer episodes than the budget come of a score that stays up for
    long, if an excursion and its quiet end take a good part of 1 / budget readings.

    With w scores held, the threshold is their order statistic of rank ceil((1 - a)(w + 1)); where a(w + 1) < 1 that is
    beyond the sample, and the tail is taken as exponential: max + spread * ln(1 / (a(w + 1))), with the mean excess of
    the upper tenth over the score below it as spread. Both meet at the maximum. The score is judged, then learned: an
    alarm as well, because a lasting change must become the new normal, but none as more than the maximum plus one
    spread, so that one spike does not hide the next.

    The score stays the detector's, and the threshold is in its unit. NaN = no verdict, while warming up too.

    Why the budget is kept. Let c be ln a, but beyond the sample, where u = -ln(a (window + 1)) is above 0, let it be as
    far below the end of the sample as ln(1 + REACH u) / REACH. Each verdict adds gain * budget to c, each start of an
    episode takes gain away. After T verdicts and E episodes the sum telescopes: c_T - c_0 = gain * (budget * T - E),
    hence |E / T - budget| = |c_T - c_0| / (gain * T) <= range(c) / (gain * T), which needs nothing of the scores.
    The range is finite. Above, a ends at 1 / (quiet + 1): beyond it, even independent alarms run together into fewer
    episodes, and the level would run away; where it stands there, fewer episodes than the budget come. Below, an
    episode starts only if the score is above the threshold, that is -ln a < ln(w + 1) + (score - max) / spread: no
    lower than the largest score calls for, and one gain more. A tail that is heavier than exponential costs as many
    episodes as the logarithm of how far it reaches, in place of how far.

    window:  recent scores held per series, at least 20. A narrow one follows a drift, a wide one knows the tail.
    budget:  alarm episodes per reading; 1e-3 is 1.7 a week of 6-minute readings. Below 1 / (quiet + 1).
    quiet:   readings without alarm that end an episode.
    gain:    step of ln a at an episode, within the sample: larger adapts sooner and swings wider.
    warm_up: scores before the first verdict, 20 to window.

    >>> from detectors.base import Batch
    >>> score = np.array([*np.tile(np.arange(10.0), 10), 11.0, 9.0])
    >>> n = len(score)
    >>> batch = Batch(np.zeros(n, np.int64), np.arange(n), score[:, None])
    >>> scores = Scores(score, np.full(n, 5.0), score > 5.0, np.zeros(n, np.int64))
    >>> conformal = Conformal(window=100, budget=0.01, warm_up=100)
    >>> judged = conformal.update(conformal.init(1, (1,)), batch, scores)
    >>> judged.threshold[-2:].round(3), judged.alarm[-2:], judged.score[-3:]
    (array([ 9.   , 10.052]), array([ True, False]), array([nan, 11.,  9.]))

    Source: split conformal quantile after Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005),
    ch. 2; adaptive level after Gibbs and Candes, Adaptive Conformal Inference (NeurIPS 2021), eq. 2 and proposition
    4.1, here on ln a and counting episodes; mean excess as scale of an exponential tail after Hill, Annals of
    Statistics 3 (1975).
    """

    window: int = 500
    budget: float = 1e-3
    quiet: int = 10
    gain: float = 0.5
    warm_up: int = 200

    tunes: ClassVar[frozenset[str]] = frozenset({"budget", "quiet", "gain", "warm_up"})

    def __post_init__(self) -> None:
        require(self, "window", self.window >= 20, "be at least 20 scores")
        require(self, "quiet", self.quiet >= 1, "be at least 1 reading")
        highest = 1 / (self.quiet + 1)
        require(self, "budget", 0 < self.budget < highest, f"lie between 0 and 1 / (quiet + 1), here {highest:.4g}")
        require(self, "gain", 0 < self.gain < inf, "be above 0")
        require(self, "warm_up", 20 <= self.warm_up <= self.window, f"lie between 20 and window ({self.window})")

    def init(self, n: int, shape: tuple[int, ...]) -> ConformalState:
        return ConformalState(
            ring=np.zeros((n, self.window)),
            ranked=np.zeros((n, self.window)),
            seen=np.zeros(n, np.int64),
            level=np.full(n, log(self.budget)),
            left=np.zeros(n, np.int64),
        )

    def update(self, state: ConformalState, batch: Batch, scores: Scores) -> Scores:
        n = len(batch)
        judged, threshold, alarm = np.empty(n), np.empty(n), np.empty(n, np.bool_)
        columns = (state.ring, state.ranked, state.seen, state.level, state.left)
        parameters = (self.budget, self.quiet, self.gain, self.warm_up)
        _walk(batch.slots, scores.score, *columns, *parameters, judged, threshold, alarm)
        return replace(scores, score=judged, threshold=threshold, alarm=alarm)


@njit(cache=True, nogil=True)
def _spread(ranked: FloatArray) -> float:
    """Mean excess of the upper tenth over the score below it."""
    w = ranked.size
    k = max(w // TAIL, 1)
    edge, total = ranked[w - k - 1], 0.0
    for i in range(w - k, w):
        total += ranked[i] - edge
    return float(max(total / k, TINY * abs(ranked[w - 1])))


@njit(cache=True, nogil=True)
def _threshold(ranked: FloatArray, spread: float, level: float) -> float:
    """The quantile of level a = exp(level); `upper` is ln(a(w + 1))."""
    w = ranked.size
    upper = level + log(w + 1.0)
    if upper < 0.0:
        return float(ranked[w - 1] - spread * upper)
    return float(ranked[w - int(exp(upper))])


@njit(cache=True, nogil=True)
def _moved(level: float, step: float, edge: float) -> float:
    """The next ln a, a step of c further; below `edge` it lies beyond the sample, where steps grow with the depth."""
    c = level if level >= edge else edge - log1p(REACH * (edge - level)) / REACH
    c += step
    return c if c >= edge else max(edge - expm1(REACH * (edge - c)) / REACH, -DEEP)


@njit(cache=True, nogil=True)
def _exchange(ranked: FloatArray, hole: int, x: float) -> None:
    """Put x in its place; the score at `hole` gives way."""
    place = np.searchsorted(ranked[:hole], x, side="right")
    if place < hole:
        for i in range(hole, place, -1):
            ranked[i] = ranked[i - 1]
    else:
        place += np.searchsorted(ranked[hole + 1 :], x)
        for i in range(hole, place):
            ranked[i] = ranked[i + 1]
    ranked[place] = x


@njit(cache=True, nogil=True)
def _walk(
    slots: IntArray,
    score: FloatArray,
    ring: FloatArray,
    ranked: FloatArray,
    seen: IntArray,
    level: FloatArray,
    left: IntArray,
    budget: float,
    quiet: int,
    gain: float,
    warm_up: int,
    judged: FloatArray,
    threshold: FloatArray,
    alarm: BoolArray,
) -> None:
    window = ring.shape[1]
    highest, edge = -log(quiet + 1.0), -log(window + 1.0)
    for i in range(slots.size):
        s, x = slots[i], score[i]
        judged[i], threshold[i], alarm[i] = np.nan, np.nan, False
        if np.isnan(x):
            continue
        w, at = min(seen[s], window), seen[s] % window
        learned = min(max(x, -HUGE), HUGE)
        if w >= warm_up:
            held = ranked[s, :w]
            spread = _spread(held)
            judged[i], threshold[i] = x, _threshold(held, spread, level[s])
            alarm[i] = x > threshold[i]
            started = alarm[i] and left[s] == 0
            left[s] = quiet if alarm[i] else max(left[s] - 1, 0)
            level[s] = min(_moved(level[s], gain * (budget - started), edge), highest)
            if spread > 0.0:
                learned = min(learned, held[w - 1] + spread)
        hole = w if w < window else np.searchsorted(ranked[s], ring[s, at])
        _exchange(ranked[s, : min(w + 1, window)], hole, learned)
        ring[s, at] = learned
        seen[s] += 1
