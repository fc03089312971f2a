"""The score of the Numenta Anomaly Benchmark: early alarms inside its windows earn, all others and misses cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from detectors.base import FloatArray, IntArray
from detectors.evaluation.events import events

FAR = 3.0
"""Widths behind a window from which on a false alarm costs in full."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What an application pays for: the weights A_TP, A_FP and A_FN of the benchmark.

    hit:         an alarm on the first row of a window earns this, later ones less
    false_alarm: an alarm far from any window costs this
    miss:        a window without an alarm costs this
    """

    name: str
    hit: float
    false_alarm: float
    miss: float


STANDARD = Profile("standard", 1.0, 0.11, 1.0)
LOW_FP = Profile("reward_low_FP_rate", 1.0, 0.22, 1.0)
LOW_FN = Profile("reward_low_FN_rate", 1.0, 0.11, 2.0)
PROFILES = (STANDARD, LOW_FP, LOW_FN)


@dataclass(frozen=True, slots=True)
class Sweep:
    """A corpus scored at every threshold that makes a difference, the highest first.

    thresholds: (t,) one for the whole corpus; alarm = score >= threshold. inf, the first one: no alarm at all
    raw:        (t,) sum over the recordings
    normalised: (t,) 0 = no alarm at all, 100 = every window found on its first row and no false alarm
    """

    thresholds: FloatArray
    raw: FloatArray
    normalised: FloatArray

    @property
    def best(self) -> int:
        """Where the normalised score is highest; of equals, the highest threshold.

        This is what the benchmark publishes, and it is chosen by the labels: nobody who runs a detector has it.
        """
        return int(np.argmax(self.normalised))


def probation(rows: int) -> int:
    """How many first rows are not scored: 15 % of the recording, 750 at most."""
    return min(rows * 15 // 100, 750)


def windows_by_row(times: NDArray[np.datetime64], spans: Sequence[tuple[str, str]]) -> IntArray:
    """First row and one past the last (k, 2) of windows that are published as times, both ends included.

    Where a recording steps back in time, a window reaches from the first row within it to the last.
    Raises ValueError if a window holds no row.
    """
    rows = [np.flatnonzero((times >= np.datetime64(a)) & (times <= np.datetime64(b))) for a, b in spans]
    for span, inside in zip(spans, rows, strict=True):
        if not inside.size:
            raise ValueError(f"no row lies within the window {span[0]} to {span[1]}")
    return np.array([(inside[0], inside[-1] + 1) for inside in rows], np.int64).reshape(-1, 2)


def windows_by_label(labels: IntArray) -> IntArray:
    """First row and one past the last (k, 2) of every run of rows (n,) whose label is 1."""
    return np.array([(first, last + 1) for first, last in events(labels)], np.int64).reshape(-1, 2)


def score(scores: FloatArray, threshold: float, windows: IntArray, profile: Profile) -> float:
    """The raw score of one recording where every row (n,) at or above the threshold is an alarm.

    windows: (k, 2) first row and one past the last, rising, apart
    """
    _check(scores, windows)
    begin = probation(len(scores))
    alarms = scores >= threshold
    alarms[:begin] = False
    worth = _worth(len(scores), windows, profile)
    total = -profile.miss * _counted(len(scores), windows)
    for first, end in windows.tolist():
        found = worth[first:end][alarms[first:end]]
        total += float(found.max()) + profile.miss if found.size else 0.0
        alarms[first:end] = False
    return total + float(worth[alarms].sum())


def sweep(scores: Sequence[FloatArray], windows: Sequence[IntArray], profile: Profile) -> Sweep:
    """The score of a whole corpus at every threshold.

    scores:  (n,) of each recording, finite; NaN = no verdict, which is never an alarm
    windows: (k, 2) of each recording: first row and one past the last, rising, apart

    Lowering the threshold row by row, each row changes the total by a gain of its own. Those are known beforehand, so
    one sort of all rows and one cumulative sum give every threshold at once.

    Raises ValueError if a score is infinite, if windows overlap or lie outside, or if there is none in the corpus.
    """
    ranked, gains = [], []
    for of, inside in zip(scores, windows, strict=True):
        _check(of, inside)
        scored = ~np.isnan(of)
        scored[: probation(len(of))] = False
        ranked.append(of[scored])
        gains.append(_gains(of, inside, profile)[scored])
    total = sum(_counted(len(of), inside) for of, inside in zip(scores, windows, strict=True))
    if not total:
        raise ValueError("the corpus has no window after the probation, so nothing can be found in it; give more")
    thresholds, raised = _accumulated(np.concatenate(ranked), np.concatenate(gains))
    raw = raised - total * profile.miss
    return Sweep(thresholds, raw, normalise(raw, total, profile))


def normalise(raw: FloatArray, windows: int, profile: Profile) -> FloatArray:
    """Raw scores (t,) of a corpus with this many windows: 0 = no alarm at all, 100 = perfect."""
    nothing = -windows * profile.miss
    result: FloatArray = 100.0 * (raw - nothing) / (windows * profile.hit - nothing)
    return result


def _counted(rows: int, windows: IntArray) -> int:
    """How many windows can be found at all: those that do not end within the probation."""
    return int((windows[:, 1] > probation(rows)).sum())


def _worth(rows: int, windows: IntArray, profile: Profile) -> FloatArray:
    """What an alarm on each row (n,) is worth by itself: above 0 inside a window, below outside."""
    worth = np.full(rows, -profile.false_alarm)
    ends = np.append(windows[1:, 0], rows)[: len(windows)]
    for (first, end), until in zip(windows.tolist(), ends.tolist(), strict=True):
        width = end - first
        to_go = np.arange(width, 0, -1) / width
        worth[first:end] = profile.hit * _sigmoid(-to_go) / _sigmoid(-1.0)
        behind = np.arange(1, until - end + 1) / max(width - 1, 1)
        worth[end:until] = profile.false_alarm * np.where(behind > FAR, -1.0, _sigmoid(np.minimum(behind, FAR)))
    return worth


def _sigmoid(distance: FloatArray | float) -> FloatArray:
    """1 long before the end of a window, 0 at its end, -1 long after."""
    return np.asarray(2.0 / (1.0 + np.exp(5.0 * np.asarray(distance))) - 1.0)


def _gains(scores: FloatArray, windows: IntArray, profile: Profile) -> FloatArray:
    """What each row (n,) adds to the total when the threshold falls to its score.

    Inside a window only the best alarm counts: a row adds by how much it surpasses the rows with higher scores.
    """
    gains = _worth(len(scores), windows, profile)
    for first, end in windows.tolist():
        start = max(first, probation(len(scores)))
        rows = np.arange(start, max(start, end))
        rows = rows[~np.isnan(scores[rows])]
        falling = rows[np.argsort(-scores[rows], kind="stable")]
        gains[falling] = np.diff(np.maximum.accumulate(gains[falling]), prepend=-profile.miss)
    return gains


def _accumulated(scores: FloatArray, gains: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Thresholds (t,) and the sum of the gains of all rows at or above each; equal scores come together."""
    falling = np.argsort(-scores, kind="stable")
    ordered, sums = scores[falling], np.cumsum(gains[falling])
    last = np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]
    return np.append(inf, ordered[last]), np.append(0.0, sums[last])


def _check(scores: FloatArray, windows: IntArray) -> None:
    if np.isinf(scores).any():
        raise ValueError("scores must be finite, or NaN where there is no verdict; got an infinite one")
    edges = windows.ravel()
    if edges.size and (edges[0] < 0 or edges[-1] > len(scores)):
        raise ValueError(f"windows must lie within the {len(scores)} rows; got {edges[0]} to {edges[-1]}")
    if (np.diff(edges) < 0).any() or (windows[:, 0] == windows[:, 1]).any():
        raise ValueError("windows must hold a row, rise and not overlap; sort and join them first")
