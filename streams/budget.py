"""Alarm episodes that a watch's budget promises, and those that came on rows labelled normal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import ceil, floor, log10, nan
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.base import BoolArray, FloatArray, IntArray
from connectors.suites import Labelled
from detectors.conformal import Conformal
from detectors.evaluation.poisson import TAILS, poisson
from detectors.watch import Watch
from streams.policy import AlertPolicy
from streams.recorded import Scored, replay, watching

ENOUGH = 100
"""Episodes to expect: of fewer, chance alone moves the ratio by more than a tenth."""

AR, SERIES, PROBATION = 0.9, 4, 750
DRAWS = 10_000
MINUTE, MINUTES_PER_DAY = 60 * 10**6, 1440.0


@dataclass(frozen=True, slots=True)
class Episodes:
    """What the calibrator of a watch said of one recording. Each (rows,).

    judged: rows with a verdict
    opened: rows at which an episode began
    """

    recording: Labelled
    judged: BoolArray
    opened: BoolArray


@dataclass(frozen=True, slots=True)
class Budget:
    """What was promised and what was observed, pooled over the recordings of a suite.

    promised:  episodes: the budget times the normal readings
    observed:  episodes that began on them
    low, high: 95 % interval of the ratio, see `pooled`
    days:      of normal readings; None = the sampling of a recording is not known
    on_events: episodes that began on rows labelled anomalous; the budget pays for them too
    """

    name: str
    promised: float
    observed: int
    low: float
    high: float
    days: float | None
    on_events: int

    @property
    def ratio(self) -> float:
        """Observed over promised; NaN where nothing was promised."""
        return self.observed / self.promised if self.promised else nan


def measure(
    name: str,
    found: Sequence[Labelled],
    watch: Watch,
    policy: AlertPolicy,
    tell: Callable[[Labelled], None] = lambda _: None,
) -> Budget:
    """Replay the recordings of a suite through a watch, and hold its episodes against its budget.

    tell: told of each recording before its replay. Raises ValueError if the watch has no budget, or if a recording
    cannot be read.
    """
    return pooled(name, [episodes(one, watch, policy, tell) for one in found], conformal_of(watch).budget)


def episodes(
    one: Labelled, watch: Watch, policy: AlertPolicy, tell: Callable[[Labelled], None] = lambda _: None
) -> Episodes:
    """Replay one recording; see `measure`."""
    quiet = conformal_of(watch).quiet
    tell(one)
    scored = replay(watching(one.variables, watch, policy=policy), one.path).scored[watch.name]
    return Episodes(one, np.isfinite(scored.threshold), openings(scored, quiet))


def openings(scored: Scored, quiet: int) -> BoolArray:
    """Rows (rows,) at which an episode begins: an alarm after more than `quiet` verdicts since the last one."""
    opened = np.zeros(len(scored.alarm), np.bool_)
    judged = np.flatnonzero(np.isfinite(scored.threshold))
    alarms = np.flatnonzero(scored.alarm[judged])
    opened[judged[alarms[np.diff(alarms, prepend=-quiet - 1) > quiet]]] = True
    return opened


def normal(one: Labelled, *, shadow: int = 0) -> BoolArray:
    """Rows (rows,) that count and are labelled normal, and more than `shadow` rows behind the last anomalous one."""
    rows = np.arange(len(one.labels))
    event = np.maximum.accumulate(np.where(one.labels == 1, rows, -len(rows) - shadow))
    known: BoolArray = (one.labels == 0) & (rows >= one.begin) & (rows - event > shadow)
    return known


def conformal_of(watch: Watch) -> Conformal:
    """The stage that promises. Raises ValueError."""
    if not isinstance(watch.calibrator, Conformal):
        raise ValueError(
            f"watch {watch.name} promises no number of episodes; a detector with the calibrator conformal does, "
            f"such as gaussian+conformal"
        )
    return watch.calibrator


def pooled(name: str, told: Sequence[Episodes], budget: float, *, shadow: int = 0) -> Budget:
    """Over the recordings of a suite, with the wider of two 95 % intervals of the ratio at either end.

    Poisson's is exact where episodes come independently; a bootstrap over recordings sees that they gather in some of
    them, but of a handful of recordings it is too narrow.

    shadow: rows after each labelled event that do not count, because the detector may still be disturbed. 0 = all rows
            labelled normal count, which is the form that the promise is about.
    """
    counted = [(normal(each.recording, shadow=shadow) & each.judged) for each in told]
    rows = np.array([counts.sum() for counts in counted])
    opened = np.array([(counts & each.opened).sum() for counts, each in zip(counted, told, strict=True)])
    promised, observed = budget * float(rows.sum()), int(opened.sum())
    low, high = nan, nan
    if promised:
        exact, drawn = np.array(poisson(observed)) / promised, bootstrap(rows, opened) / budget
        low, high = float(min(exact[0], drawn[0])), float(max(exact[1], drawn[1]))
    return Budget(name, promised, observed, low, high, _days(told, rows), sum(map(_on_events, told)))


def _days(told: Sequence[Episodes], rows: IntArray) -> float | None:
    pace = [each.recording.rows_per_day or nan for each in told]
    days = float((rows / pace).sum())
    return None if np.isnan(days) else days


def _on_events(each: Episodes) -> int:
    return int((each.opened & (each.recording.labels == 1))[each.recording.begin :].sum())


def bootstrap(rows: IntArray, opened: IntArray, *, seed: int = 1) -> FloatArray:
    """Interval (2,) of the episodes per row: draws recordings (k,) with replacement."""
    picked = np.random.default_rng(seed).integers(len(rows), size=(DRAWS, len(rows)))
    interval: FloatArray = np.quantile(opened[picked].sum(axis=1) / np.maximum(rows[picked].sum(axis=1), 1), TAILS)
    return interval


def needed(found: Sequence[Labelled]) -> float:
    """The budget, rounded up to two digits, of which 100 episodes are to be expected on the rows labelled normal."""
    exact = ENOUGH / max(sum(int(normal(one).sum()) for one in found), 1)
    unit = 10.0 ** (floor(log10(exact)) - 1)
    return float(f"{ceil(exact / unit) * unit:.1e}")


def promising(watch: Watch, budget: float) -> Watch:
    """The same watch with another budget. Raises ValueError."""
    return replace(watch, calibrator=msgspec.structs.replace(conformal_of(watch), budget=budget))


def simulated(folder: Path, budget: float, *, seed: int = 1) -> list[Labelled]:
    """Write four recordings of Gaussian AR(1) noise, all normal, in which more than 100 episodes are to be expected."""
    rows = PROBATION + ceil(1.1 * ENOUGH / budget / SERIES)
    times = pa.array(np.arange(rows) * MINUTE, pa.timestamp("us", "UTC"))
    found = []
    for number in range(SERIES):
        path, labels = folder / f"ar1-{number}.parquet", np.zeros(rows, np.int64)
        shocks = np.random.default_rng((seed, number)).normal(size=rows).tolist()
        noise = list(accumulate(shocks, lambda last, shock: AR * last + shock))
        pq.write_table(pa.table({"timestamp": times, "value": noise}), path)
        known = Labelled(
            name=path.stem,
            path=path,
            variables=("value",),
            labels=labels,
            begin=PROBATION,
            asset="AR(1)",
            rows_per_day=MINUTES_PER_DAY,
        )
        found.append(known)
    return found
