"""Which thresholds and holds keep the false alerts of a watch within a budget, by a recording of normal operation."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, nan
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from connectors.base import FloatArray
from connectors.recording_files import Table, open_file
from connectors.recordings import labels, numbers
from detectors.evaluation.excursions import Excursions
from detectors.evaluation.poisson import poisson
from detectors.watch import Watch
from streams.policy import AlertPolicy
from streams.policy_search import Pair, Search, Trial

HOLDS = (1, 2, 3, 5, 10, 20, 40)
"""consecutive alarms that open an alert"""

SECONDS = {"hour": 3600.0, "day": 86_400.0, "week": 604_800.0, "month": 2_629_746.0}


@dataclass(frozen=True, slots=True)
class Budget:
    """So many false alerts of one series.

    seconds:  in so long a time; or
    readings: in so many readings
    """

    alerts: float
    unit: str
    seconds: float = 0.0
    readings: float = 0.0


def budget_of(text: str) -> Budget:
    """`1 per week`, or per hour, day, month; or `2 per 1000 readings`. Raises ValueError.

    >>> budget_of("2 per 1000 readings")
    Budget(alerts=2.0, unit='1000 readings', seconds=0.0, readings=1000.0)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?) +per +(hour|day|week|month|([1-9]\d*) +readings)\s*", text)
    if found is None or float(found[1]) == 0:
        known = "'1 per week', or per hour, day, month, or '2 per 1000 readings'"
        raise ValueError(f"--budget: a number above 0 and what it is for, such as {known}; got {text!r}")
    if found[3]:
        return Budget(float(found[1]), f"{found[3]} readings", readings=float(found[3]))
    return Budget(float(found[1]), found[2], seconds=SECONDS[found[2]])


@dataclass(frozen=True, slots=True)
class Policy:
    """What was found.

    score: (rows,) of the watch as it is configured, NaN = none
    unit:  readings in the time of the budget
    step:  seconds from reading to reading; NaN = unknown
    now:   the threshold as it is configured, at a hold of 1
    pairs: the lowest threshold within the budget for each hold, where it is lower than at a shorter one
    """

    trial: Trial
    budget: Budget
    unit: float
    step: float
    score: FloatArray
    excursions: Excursions
    now: Pair
    pairs: list[Pair]

    @property
    def readings(self) -> int:
        """Normal ones that have a score."""
        return len(self.excursions.ranked)

    @property
    def units(self) -> float:
        """How often the time of the budget passed in the recording."""
        return self.readings / self.unit

    @property
    def unscored(self) -> int:
        """Readings left out because they have no score."""
        return int(np.isnan(self.score).sum())

    @property
    def anomalous(self) -> int:
        """Readings left out because they are labelled so."""
        return int(((self.trial.labels == 1) & ~np.isnan(self.score)).sum())

    @property
    def median(self) -> float:
        """The score of an ordinary reading."""
        return float(np.median(self.excursions.ranked))

    @property
    def plain(self) -> Pair | None:
        """The pair without a hold."""
        return next((pair for pair in self.pairs if pair.hold == 1), None)

    @property
    def patient(self) -> Pair | None:
        """The pair with a hold that pays soonest, if any threshold is lower with one."""
        better = [pair for pair in self.pairs if self.pays_after(pair) < inf]
        return min(better, key=self.pays_after, default=None)

    def pays_after(self, pair: Pair) -> float:
        """Readings in which an anomaly rises to the threshold without hold; if it takes longer, a hold is earlier.

        It is taken to rise evenly from the median score. Infinite where the threshold is no lower.
        """
        if self.plain is None or pair.hold == 1 or pair.threshold >= self.plain.threshold:
            return inf
        rise = self.plain.threshold - self.median
        return (pair.hold - 1) * rise / (self.plain.threshold - pair.threshold)

    def interval(self, pair: Pair) -> tuple[float, float]:
        """What the count says about the rate, in the time of the budget: the exact 95 % interval of Poisson."""
        low, high = poisson(pair.counted)
        return low / self.units, high / self.units

    def within(self, pair: Pair) -> bool:
        """Whether both, what was counted and what was predicted, keep to the budget."""
        return max(pair.counted / self.units, pair.predicted) <= self.budget.alerts


def policy(
    path: Path, watch: Watch, budget: Budget, alerts: AlertPolicy, tell: Callable[[str], None] = lambda _: None
) -> Policy:
    """Replay the recording, and find the lowest threshold within the budget for each hold.

    alerts: how alerts close; when they open is what is sought. tell: told of what is going on. Raises ValueError.
    """
    stage, parameter = _where(watch)
    step, unit = _clock(path, budget)
    names, values = numbers(path)
    known = labels(path)
    known = np.full(len(values), -1) if known is None else known
    trial = Trial(path, names, _without_drift(watch), stage, parameter, alerts, known)
    tell("scoring the recording")
    score, _ = trial.run(trial.now, 1)
    excursions = Excursions.of(trial.normal(score))
    search = Search(trial, excursions, score, unit, budget.alerts)
    now, pairs = search.pair(trial.now, 1), list[Pair]()
    for hold in HOLDS:
        tell(f"looking for the lowest threshold at a hold of {hold}")
        pairs += search.lowest(hold, below=pairs[-1].threshold if pairs else inf)
    return Policy(trial, budget, unit, step, score, excursions, now, pairs)


def _where(watch: Watch) -> tuple[str, str]:
    """The stage that decides, and the parameter that is its threshold."""
    stage = "detector" if watch.calibrator is None else "calibrator"
    for parameter in ("limit", "margin"):
        if hasattr(getattr(watch, stage), parameter):
            return stage, parameter
    tag = type(getattr(watch, stage)).__name__
    raise ValueError(
        f"--watch {watch.name}: {tag} has no threshold of its own that could be set; the policy needs a watch that "
        "ends in a `limit` or a `margin`, such as gaussian or gaussian+likelihood (conformal keeps a `budget` itself)"
    )


def _without_drift(watch: Watch) -> Watch:
    """Drift alerts have a budget of their own. A red filter would hide how high the scores of an episode are."""
    calibrator: Any = watch.calibrator
    if hasattr(calibrator, "red_filter"):
        calibrator = msgspec.structs.replace(calibrator, red_filter=False)
    return replace(watch, calibrator=calibrator, drift=None)


def _clock(path: Path, budget: Budget) -> tuple[float, float]:
    """Seconds from reading to reading, and readings in the time of the budget."""
    if path.suffix not in (".csv", ".parquet"):
        raise ValueError(f"{path}: the policy reads columns; a recording for it ends in .csv or .parquet")
    file = open_file(path, time="timestamp", series="series")
    if isinstance(file, Table) and file.holds_several_series():
        raise ValueError(f"{path}: holds several series, and a budget is for one; give a file with one of them")
    steps = np.diff(file.times)
    step = float(np.median(steps[steps > 0])) / 1e9 if (steps > 0).any() else nan
    if np.isnan(step) and not budget.readings:
        raise ValueError(
            f"{path}: has no times (column `timestamp`), so a budget per {budget.unit} cannot be converted; "
            "give one in readings, such as '1 per 1000 readings'"
        )
    unit = budget.readings or budget.seconds / step
    if unit <= budget.alerts:
        raise ValueError(f"--budget: {budget.alerts:g} per {budget.unit} is an alert at every reading; allow fewer")
    return step, unit
