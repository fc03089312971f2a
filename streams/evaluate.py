"""How good watches are on labelled recordings, through the production worker, beside scores that know nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from connectors.base import Alert, FloatArray, IntArray
from connectors.recordings import numbers
from connectors.suites import Labelled, load, own
from detectors.evaluation import nab
from detectors.evaluation.detection import delays
from detectors.evaluation.events import events
from detectors.evaluation.vus import period
from streams.candidates import BASELINE, BASELINE_SCORES, Candidate
from streams.judging import Figures, alarmed, alerted, means, ranked
from streams.recorded import Replayed, replay
from streams.warm import warm

FEW = 2
"""recordings of a suite in a quick evaluation"""


@dataclass(frozen=True, slots=True)
class Judged:
    """What one watch, or baseline, was worth on one recording.

    score:  (rows,), NaN = no verdict
    opened: rows at which it opened alerts that count; a baseline that is no watch opens none
    """

    watch: str
    recording: Labelled
    figures: Figures
    score: FloatArray
    opened: tuple[int, ...] = ()


@dataclass(slots=True)
class Evaluation:
    """All that was judged, in the order of the recordings.

    tolerance: rows around an event within which an alert still finds it
    rejected:  recording -> reason -> rows
    """

    tolerance: int = 0
    judged: list[Judged] = field(default_factory=list)
    rejected: dict[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def watches(self) -> list[str]:
        """Names of what was judged, baselines last."""
        names = dict.fromkeys(one.watch for one in self.judged)
        return sorted(names, key=lambda name: name.startswith(BASELINE))

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
    return [one for path in paths for one in (load(path) if path.is_dir() else [own(path)])]


def quick(found: Sequence[Labelled]) -> list[Labelled]:
    """The few shortest of each suite, for an answer within a minute."""
    suites = dict.fromkeys(one.suite for one in found)
    short = sorted(found, key=lambda one: len(one.labels))
    return [one for suite in suites for one in [each for each in short if each.suite == suite][:FEW]]


def evaluate(
    found: Sequence[Labelled],
    candidates: Sequence[Candidate],
    *,
    tolerance: int = 0,
    tell: Callable[[Labelled], None] = lambda _: None,
) -> Evaluation:
    """Replay every recording through every candidate, and judge their watches and the baselines by the labels.

    tolerance: rows around an event within which an alert still finds it
    tell:      told of each recording before its replay

    Raises ValueError if a recording cannot be read, or if it does not fit a candidate.
    """
    evaluation = Evaluation(tolerance)
    for candidate in candidates if found else ():
        warm(candidate(found[0]))  # compiles, which is no part of a reading's cost
    for one in found:
        tell(one)
        values = numbers(one.path)[1]
        window = period(values[:, 0])
        for candidate in candidates:
            replayed = replay(candidate(one), one.path)
            evaluation.judged += _judged(replayed, one, window, tolerance)
            if replayed.rejected:
                evaluation.rejected[one.name] = replayed.rejected
        for name, score_of in BASELINE_SCORES.items():
            score = score_of(values, one.begin)
            figures = ranked(score, counted(one), window=window)
            evaluation.judged.append(Judged(BASELINE + name, one, figures, score))
    return evaluation


def _judged(replayed: Replayed, one: Labelled, window: int, tolerance: int) -> list[Judged]:
    """A line for each watch of a candidate; they share what a reading costs."""
    known, cost = counted(one), {"us_per_reading": replayed.seconds / max(len(replayed.times), 1) * 1e6}
    lines = []
    for watch, scored in replayed.scored.items():
        alerts = [alert for alert in replayed.alerts if alert.watch == watch and _is_claim(alert, one.begin)]
        opened = tuple(alert.first_offset for alert in alerts)
        figures = {**ranked(scored.score, known, window=window), **cost}
        figures |= alarmed(scored.alarm, known, window=window, tolerance=tolerance)
        figures |= alerted(opened, one, known, tolerance=tolerance)
        lines.append(Judged(watch, one, figures, scored.score, opened))
    return lines


def _is_claim(alert: Alert, begin: int) -> bool:
    """Whether it says that something is wrong with the readings, on a row that counts."""
    return alert.kind not in ("silence", "drift") and alert.first_offset >= begin


def counted(one: Labelled) -> IntArray:
    """Labels of the rows that count; the others are as good as unknown."""
    known = one.labels.copy()
    known[: one.begin] = -1
    return known


def summary(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """Watch -> figure over all recordings, see `judging.means`."""
    return {watch: means([one.figures for one in evaluation.of(watch)]) for watch in evaluation.watches}


def by_slice(evaluation: Evaluation, figure: str) -> dict[str, dict[str, float]]:
    """Slice -> watch -> a figure: a better mean may hide a worse slice."""
    told: dict[str, dict[str, float]] = {}
    for slice_, names in evaluation.slices().items():
        for watch in evaluation.watches:
            of = [one.figures for one in evaluation.of(watch) if one.recording.name in names]
            if figure in (figures := means(of)):
                told.setdefault(slice_, {})[watch] = figures[figure]
    return told


def by_kind(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """Kind of anomaly -> watch -> share of its events that an alert found; only for what opens alerts.

    Raises ValueError if a recording names more or fewer kinds than it has events.
    """
    told: dict[str, dict[str, list[bool]]] = {}
    for judged in evaluation.judged:
        for kind, found in _found(judged, evaluation.tolerance):
            told.setdefault(kind, {}).setdefault(judged.watch, []).append(found)
    silent = {watch for watch in evaluation.watches if "alerts" not in means([o.figures for o in evaluation.of(watch)])}
    return {
        kind: {watch: float(np.mean(hits)) for watch, hits in watches.items() if watch not in silent}
        for kind, watches in sorted(told.items())
    }


def _found(judged: Judged, tolerance: int) -> Iterator[tuple[str, bool]]:
    """Kind of each event that counts, and whether it was found."""
    one, known = judged.recording, counted(judged.recording)
    kinds = dict(zip((last for _, last in events(one.labels)), _kinds(one), strict=True))
    alarms = np.zeros(len(known), np.bool_)
    alarms[list(judged.opened)] = True
    for (_, last), wait in zip(events(known), delays(alarms, known, tolerance=tolerance).tolist(), strict=True):
        if kind := kinds[last]:
            yield kind, not np.isnan(wait)


def _kinds(one: Labelled) -> Sequence[str]:
    number = len(events(one.labels))
    if not one.event_kinds:
        return [one.kinds[0] if len(one.kinds) == 1 else ""] * number
    if len(one.event_kinds) != number:
        raise ValueError(f"{one.path}: {number} events are labelled, and {len(one.event_kinds)} kinds are named")
    return one.event_kinds


def nab_scores(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    """Watch -> profile -> score of the Numenta Anomaly Benchmark, at the threshold that its labels like best.

    Over its recordings alone; comparable with published scores where all 58 of them are there.
    """
    told: dict[str, dict[str, float]] = {}
    for watch in evaluation.watches:
        of = [one for one in evaluation.of(watch) if one.recording.suite == "nab"]
        windows = [nab.windows_by_label(one.recording.labels) for one in of]
        if not sum(map(len, windows)):
            continue
        sweeps = {p.name: nab.sweep([one.score for one in of], windows, p) for p in nab.PROFILES}
        told[watch] = {name: float(sweep.normalised[sweep.best]) for name, sweep in sweeps.items()}
    return told


def is_causal(one: Labelled, candidate: Candidate, *, cuts: int = 3) -> bool:
    """Whether no later reading changes an earlier score: the recording again, with other readings from a row on."""
    pipeline = candidate(one)
    whole = replay(pipeline, one.path).scored
    rows = len(one.labels)
    for cut in np.linspace(0, rows, cuts + 2)[1:-1].astype(int).tolist():
        other = replay(pipeline, one.path, changed_from=cut).scored
        for watch, scored in whole.items():
            same = np.array_equal(scored.score[:cut], other[watch].score[:cut], equal_nan=True)
            if not same or not np.array_equal(scored.alarm[:cut], other[watch].alarm[:cut]):
                return False
    return True
