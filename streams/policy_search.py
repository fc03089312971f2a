"""The search for a threshold: what its excursions let expect, and what a replay of the recording counts."""

from dataclasses import dataclass, replace
from math import ceil, floor, inf, log10
from pathlib import Path

import msgspec
import numpy as np

from connectors.base import FloatArray, IntArray
from detectors.base import Scores
from detectors.evaluation.excursions import Excursions
from detectors.watch import Watch
from streams.alerts import OPENED, PolicyState, judge
from streams.policy import AlertPolicy, OpenAfter
from streams.recorded import replay, watching

PER_DECADE = 20
"""thresholds that are tried where the share of readings above them falls to a tenth"""

SHARE = 0.1
"""A threshold that more of the normal readings cross is not tried: an alert that once opened would hardly close."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A threshold and a hold.

    hold:      consecutive alarms that open an alert
    predicted: excursions that last as long, in the time of the budget, by the formula or, where that does not apply,
               by their lengths in the recording; excursions close together are one alert, so alerts are no more
    counted:   alerts that a replay of the recording with these settings opened on normal readings
    """

    threshold: float
    hold: int
    predicted: float
    counted: int


@dataclass(frozen=True, slots=True)
class Trial:
    """A recording that can be replayed with other settings.

    stage, parameter: where the threshold is written, such as `detector`, `limit`
    alerts:           how alerts close; when they open is what is sought
    labels:           (rows,) 1 anomalous, 0 normal, -1 unknown, which is taken for normal
    """

    path: Path
    variables: tuple[str, ...]
    watch: Watch
    stage: str
    parameter: str
    alerts: AlertPolicy
    labels: IntArray

    @property
    def now(self) -> float:
        """The threshold as it is configured."""
        return float(getattr(getattr(self.watch, self.stage), self.parameter))

    def run(self, threshold: float, hold: int) -> tuple[FloatArray, int]:
        """Scores (rows,), and alerts on normal readings, of the production worker with these settings."""
        method = msgspec.structs.replace(getattr(self.watch, self.stage), **{self.parameter: threshold})
        watch = replace(self.watch, **{self.stage: method})
        replayed = replay(watching(self.variables, watch, policy=self.opening(hold)), self.path)
        opened = [alert.first_offset for alert in replayed.alerts if alert.kind not in ("silence", "drift")]
        return replayed.scored[self.watch.name].score, int((self.labels[opened] != 1).sum())

    def normal(self, score: FloatArray) -> FloatArray:
        """The scores (rows,) of the rows that are not labelled anomalous, NaN elsewhere."""
        return np.where(self.labels == 1, np.nan, score)

    def opening(self, hold: int) -> AlertPolicy:
        """The alert policy with this hold."""
        return msgspec.structs.replace(self.alerts, open_after=OpenAfter(alarms=hold, of=hold))


class Search:
    """Looks for thresholds from above: far below, one alert that never closes would seem to be within any budget."""

    def __init__(self, trial: Trial, excursions: Excursions, score: FloatArray, unit: float, allowed: float) -> None:
        self._trial, self._excursions, self._score = trial, excursions, score
        self._unit, self._allowed = unit, allowed
        self._units = len(excursions.ranked) / unit
        self._predicted: dict[float, FloatArray] = {}
        self._candidates = self._thresholds()

    def _thresholds(self) -> list[float]:
        """Falling, rounded up to four digits, so that they can be written down."""
        n, fit = len(self._excursions.ranked), self._excursions
        rarest = 0.5 / n if fit.unfit else 0.5 * min(1 / n, self._allowed / self._unit)
        shares = np.geomspace(rarest, SHARE, ceil(PER_DECADE * log10(SHARE / rarest)) + 1)
        found = dict.fromkeys(_rounded(fit.threshold(float(share))) for share in shares)
        return [threshold for threshold in found if threshold > 0]

    def lowest(self, hold: int, *, below: float = inf) -> list[Pair]:
        """The pair with the lowest threshold within the budget; empty = there is none below this one.

        Tried first is the lowest threshold that seems to be; where a limit changes the scores and it is not, the ones
        above are halved.
        """
        found: list[Pair] = []
        high, low = sum(threshold >= below for threshold in self._candidates), self._seeming(hold) - 1
        at = low
        while high <= low:
            pair = self.pair(self._candidates[at], hold)
            if max(pair.predicted, pair.counted / self._units) <= self._allowed:
                found, high = [pair], at + 1
            else:
                low = at - 1
            at = (high + low) // 2
        return found

    def _seeming(self, hold: int) -> int:
        """How many of the thresholds seem to be within, before the first that does not."""
        for at, threshold in enumerate(self._candidates):
            if not self._seems_within(threshold, hold):
                return at
        return len(self._candidates)

    def pair(self, threshold: float, hold: int) -> Pair:
        """What a replay with these settings counts, and what is predicted from the scores that it gives.

        They are other scores where a limit also bounds what the detector learns.
        """
        score, counted = self._trial.run(threshold, hold)
        fit = replace(Excursions.of(self._trial.normal(score)), unfit=self._excursions.unfit)
        return Pair(threshold, hold, float(fit.per_reading(threshold)[hold - 1]) * self._unit, counted)

    def _seems_within(self, threshold: float, hold: int) -> bool:
        """By the scores as they are now: cheaper than a replay, and the same unless the limit changes them."""
        if self._per_unit(threshold, hold) > self._allowed:
            return False
        return self._count(threshold, hold) <= self._allowed * self._units

    def _per_unit(self, threshold: float, hold: int) -> float:
        if threshold not in self._predicted:
            self._predicted[threshold] = self._excursions.per_reading(threshold)
        return float(self._predicted[threshold][hold - 1]) * self._unit

    def _count(self, threshold: float, hold: int) -> int:
        n = len(self._score)
        rows, slots = np.arange(n), np.zeros(n, np.int64)
        scores = Scores(self._score, np.full(n, threshold), self._score >= threshold, slots)
        events = judge(self._trial.opening(hold), PolicyState.init(1, 2), slots, rows, rows, scores)
        return int(sum(self._trial.labels[event.first] != 1 for event in events if event.what == OPENED))


def _rounded(threshold: float) -> float:
    """Up, to four digits.

    >>> _rounded(6.12345)
    6.124
    """
    if threshold == 0:
        return 0.0
    digits = 3 - floor(log10(abs(threshold)))
    return float(round(ceil(threshold * 10.0**digits) / 10.0**digits, max(digits, 0)))
