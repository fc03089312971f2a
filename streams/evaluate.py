"""How good watches are on labelled recordings, through the production worker, beside scores that know nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from connectors.base import Alert, FloatArray, IntArray
from connectors.recordings import labels, numbers
from connectors.suites import Labelled, load
from detectors.evaluation import baselines, nab
from detectors.evaluation.detection import delays
from detectors.evaluation.pate import Buffers, pate, pate_step
from detectors.evaluation.vus import period, vus_pr, vus_roc
from detectors.watch import Watch
from streams.pipeline import Pipeline, PipelineWatch
from streams.policy import AlertPolicy
from streams.recorded import columns, replay

Figures = Mapping[str, float]

BASELINES: Mapping[str, Callable[[FloatArray, int], FloatArray]] = {
    "baseline.constant": lambda values, _: baselines.constant(len(values)),
    "baseline.random": lambda values, _: baselines.random(len(values)),
    "baseline.moving_variance": lambda values, begin: baselines.moving_variance(values, probation=begin),
    "baseline.squared_difference": lambda values, begin: baselines.squared_difference(values, probation=begin),
}
"""name -> scores (rows,) of values (rows, d) whose first rows, `begin`, do not count"""


@dataclass(frozen=True, slots=True)
class Judged:
    """What one watch, or baseline, was worth on one recording; a figure that is not defined is absent.

    score:  (rows,), NaN = no verdict
    opened: rows at which it opened alerts that count; baselines open none
    """

    watch: str
    recording: Labelled
    figures: Figures
    score: FloatArray
    opened: tuple[int, ...] = ()


@dataclass(slots=True)
class Evaluation:
    """All that was judged, in the order of the recordings, and what was rejected: recording -> reason -> rows."""

    judged: list[Judged] = field(default_factory=list)
    rejected: dict[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def watches(self) -> list[str]:
        """Names of what was judged, baselines last."""
        return list(dict.fromkeys(one.watch for one in self.judged))

    def of(self, watch: str) -> list[Judged]:
        """Of one watch, by recording."""
        return [one for one in self.judged if one.watch == watch]

    def slices(self) -> dict[str, list[str]]:
        """Asset or kind of anomaly -> the recordings that belong to it."""
        found: dict[str, list[str]] = {}
        for one in {one.recording.name: one.recording for one in self.judged}.values():
            for slice_ in (one.asset, *one.kinds):
                found.setdefault(slice_, []).append(one.name)
        return found


def recordings(paths: Sequence[Path]) -> list[Labelled]:
    """Those of a suite for a folder, and the file itself for a file. Raises ValueError."""
    return [one for path in paths for one in (load(path) if path.is_dir() else [_file(path)])]


def _file(path: Path) -> Labelled:
    """Its first 15 % do not count, 750 rows at most."""
    names, values = numbers(path)
    known = labels(path)
    if known is None:
        raise ValueError(f"{path}: there is no column `label` (1 anomalous, 0 normal, empty unknown) to judge by")
    begin = nab.probation(len(values))
    return Labelled(name=path.stem, path=path, variables=names, labels=known, begin=begin, asset=path.stem)


def evaluate(
    found: Sequence[Labelled],
    watches: Sequence[Watch],
    policy: AlertPolicy,
    tell: Callable[[Labelled], None] = lambda _: None,
) -> Evaluation:
    """Replay every recording through every watch, and judge them and the baselines by the labels.

    tell: told of each recording before its replay. Raises ValueError if a recording cannot be read.
    """
    evaluation = Evaluation()
    for watch in watches if found else ():
        replay(_pipeline(found[0], watch, policy), found[0].path)  # compiles, which is no part of a reading's cost
    for one in found:
        tell(one)
        known = _counted(one)
        values = numbers(one.path)[1]
        window = period(values[:, 0])
        for watch in watches:
            replayed = replay(_pipeline(one, watch, policy), one.path)
            score = replayed.scored[watch.name].score
            opened = tuple(alert.first_offset for alert in replayed.alerts if _is_claim(alert, one.begin))
            cost = {"us_per_reading": replayed.seconds / max(len(replayed.times), 1) * 1e6}
            figures = {**_ranked(score, known, window), **_alerted(opened, one, known), **cost}
            evaluation.judged.append(Judged(watch.name, one, figures, score, opened))
            if replayed.rejected:
                evaluation.rejected[one.name] = replayed.rejected
        for name, score_of in BASELINES.items():
            score = score_of(values, one.begin)
            evaluation.judged.append(Judged(name, one, _ranked(score, known, window), score))
    return evaluation


def summary(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """Watch -> figure -> its mean over the recordings where it is defined; sums of events, found and false alerts."""
    return {watch: _means(evaluation.of(watch)) for watch in evaluation.watches}


def by_slice(evaluation: Evaluation, figure: str) -> dict[str, dict[str, float]]:
    """Slice -> watch -> mean of a figure: a better mean may hide a worse slice."""
    told: dict[str, dict[str, float]] = {}
    for slice_, names in evaluation.slices().items():
        for watch in evaluation.watches:
            mean = _means([one for one in evaluation.of(watch) if one.recording.name in names]).get(figure)
            if mean is not None:
                told.setdefault(slice_, {})[watch] = mean
    return told


def nab_scores(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """Watch -> profile -> score of the Numenta Anomaly Benchmark, at the threshold that its labels like best.

    Only over all of the benchmark's series are these comparable with published ones.
    """
    told: dict[str, dict[str, float]] = {}
    for watch in evaluation.watches:
        of = evaluation.of(watch)
        windows = [nab.windows_by_label(one.recording.labels) for one in of]
        if not sum(map(len, windows)):
            continue
        sweeps = {p.name: nab.sweep([one.score for one in of], windows, p) for p in nab.PROFILES}
        told[watch] = {name: float(sweep.normalised[sweep.best]) for name, sweep in sweeps.items()}
    return told


SUMS = ("events", "found", "false_alerts")


def _means(judged: Sequence[Judged]) -> dict[str, float]:
    names = dict.fromkeys(name for one in judged for name in one.figures)
    values = {name: [one.figures[name] for one in judged if name in one.figures] for name in names}
    return {name: float(np.sum(v) if name in SUMS else np.mean(v)) for name, v in values.items()}


def _counted(one: Labelled) -> IntArray:
    """Labels of the rows that count; the others are as good as unknown."""
    known = one.labels.copy()
    known[: one.begin] = -1
    return known


def _pipeline(one: Labelled, watch: Watch, policy: AlertPolicy) -> Pipeline:
    watches, flat = (PipelineWatch(watch=watch),), columns(one.variables)
    return Pipeline(name="evaluation", topic="evaluation", decoder=flat, watches=watches, policy=policy)


def _ranked(score: FloatArray, known: IntArray, window: int) -> Figures:
    """By the score alone, at all thresholds."""
    buffers = Buffers(early=window, late=window)
    figures = {
        "vus_pr": vus_pr(score, known, window=window),
        "vus_roc": vus_roc(score, known, window=window),
        "pate": pate(score, known, buffers=buffers),
        "pate_step": pate_step(score, known, buffers=buffers),
    }
    return {name: value for name, value in figures.items() if not np.isnan(value)}


def _alerted(opened: Sequence[int], one: Labelled, known: IntArray) -> Figures:
    """By the alerts that a person would have had."""
    alarms = np.zeros(len(known), np.bool_)
    alarms[list(opened)] = True
    waits = delays(alarms, known)
    found = waits[~np.isnan(waits)]
    false = sum(int(known[row] == 0) for row in opened)
    figures = {"events": float(len(waits)), "found": float(len(found)), "false_alerts": float(false)}
    if len(found):
        figures["delay_rows"] = float(np.median(found))
    if one.rows_per_day and (normal := int((known == 0).sum())):
        figures["false_alerts_per_day"] = false * one.rows_per_day / normal
    return figures


def _is_claim(alert: Alert, begin: int) -> bool:
    """Whether it says that something is wrong with the readings, on a row that counts."""
    return alert.kind not in ("silence", "drift") and alert.first_offset >= begin


def is_causal(one: Labelled, watch: Watch, policy: AlertPolicy, *, cuts: int = 3) -> bool:
    """Whether no later reading changes an earlier score: the recording again, with other readings from a row on."""
    pipeline = _pipeline(one, watch, policy)
    whole = replay(pipeline, one.path).scored[watch.name]
    for cut in np.linspace(0, len(whole.score), cuts + 2)[1:-1].astype(int).tolist():
        other = replay(pipeline, one.path, changed_from=cut).scored[watch.name]
        same = np.array_equal(whole.score[:cut], other.score[:cut], equal_nan=True)
        if not same or not np.array_equal(whole.alarm[:cut], other.alarm[:cut]):
            return False
    return True
