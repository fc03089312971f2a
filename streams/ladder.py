"""Whether a watch's score rises with severity, and what it finds: disturbances planted into recordings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib.stride_tricks import sliding_window_view

from connectors.base import FloatArray, IntArray
from connectors.recording_files import Table, open_file
from connectors.recordings import numbers
from detectors.evaluation.nab import probation
from detectors.evaluation.ranking import concordance, tau_b
from detectors.evaluation.severity import KINDS, LEVELS, Place, ladder, planted
from detectors.watch import Watch
from streams.policy import AlertPolicy
from streams.recorded import replay, watching

BUDGETS = (0, 1, 2, 5)
"""false alert episodes per 1,000 readings"""
QUIET = AlertPolicy().close_after
"""readings below the threshold that end an episode"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one watch said at one place. Level 0 is the recording as it is, 1 to LEVELS what was planted.

    peaks:  (LEVELS + 1,) highest score; NaN = no verdict
    ranks:  (LEVELS + 1,) share of the recording's own scores below that, ties counting half
    delays: (budgets, LEVELS + 1) readings until the first alarm; NaN = none
    """

    watch: str
    kind: str
    peaks: FloatArray
    ranks: FloatArray
    delays: FloatArray


@dataclass(frozen=True, slots=True)
class Ability:
    """A watch on one kind of disturbance, over all places; NaN = not defined.

    concordance: mean C-index of score and severity, among the severities of a place: 0.5 = chance, 1 = always higher
    tau_b:       mean Kendall's tau-b likewise
    ranks:       (LEVELS + 1,) means
    found:       (budgets, LEVELS + 1) shares; of level 0, what the same rows raise as they are: chance
    delays:      (budgets,) median readings, of what was found in all severities
    """

    places: int
    concordance: float
    tau_b: float
    ranks: FloatArray
    found: FloatArray
    delays: FloatArray


@dataclass(slots=True)
class Climbed:
    """All answers, and how many places and copies each recording had: path -> (places, copies)."""

    answers: list[Answer]
    planted: dict[str, tuple[int, int]]


def climb(
    paths: Sequence[Path], watches: Sequence[Watch], *, seed: int, tell: Callable[[str], None] = lambda _: None
) -> Climbed:
    """Plant a ladder into each recording, and replay it through the production worker.

    tell: told what is under way. Raises ValueError if a recording cannot be read, is too short, or does not move.
    """
    climbed = Climbed([], {})
    for path in paths:
        try:
            _climb(climbed, path, watches, seed, tell)
        except ValueError as error:
            raise error if str(path) in str(error) else ValueError(f"{path}: {error}") from error
    return climbed


def _climb(climbed: Climbed, path: Path, watches: Sequence[Watch], seed: int, tell: Callable[[str], None]) -> None:
    names, values = _numbers(path)
    begin = probation(len(values))
    copies = ladder(values, begin=begin, seed=seed)
    pipeline = watching(names, *watches)
    tell(f"{path.stem}: as it is")
    whole = replay(pipeline, path)
    judges = {watch.name: _Judge(watch.name, whole.scored[watch.name].score, begin) for watch in watches}
    with TemporaryDirectory() as folder:
        copy = Path(folder) / f"{path.stem}.parquet"
        for number, rungs in enumerate(copies, start=1):
            tell(f"{path.stem}: copy {number} of {len(copies)}")
            write(copy, whole.times, names, planted(values, rungs))
            scored = replay(pipeline, copy).scored
            for judge in judges.values():
                for rung in rungs:
                    judge.judge(rung.place, rung.level, scored[judge.watch].score)
    climbed.answers += [answer for judge in judges.values() for answer in judge.answers()]
    climbed.planted[str(path)] = sum(map(len, copies)) // LEVELS, len(copies)


def _numbers(path: Path) -> tuple[tuple[str, ...], FloatArray]:
    """The variables of a file of one series."""
    if not path.exists():
        raise ValueError(f"{path}: there is no such file")
    file = open_file(path, time="timestamp", series="series")
    if not isinstance(file, Table):
        raise ValueError(f"{path}: a ladder is planted into columns of numbers, of .csv or .parquet")
    if file.holds_several_series():
        raise ValueError(f"{path}: there are several series in it; give each a file of its own")
    return numbers(path)


def write(path: Path, times: IntArray, names: Sequence[str], values: FloatArray) -> None:
    """A recording (rows, d) as a Parquet file; NaN is a missing reading."""
    stamps = pa.array(times, pa.timestamp("ns", "UTC"))
    pq.write_table(pa.table({"timestamp": stamps} | dict(zip(names, values.T, strict=True))), path)


class _Judge:
    """Collects what a watch says at each place, against its own scores of the recording as it is."""

    def __init__(self, watch: str, score: FloatArray, begin: int) -> None:
        self.watch = watch
        self._score = score
        own = score[begin:]
        self._sorted = np.sort(own[~np.isnan(own)])
        self._thresholds = [threshold(own, per_thousand=budget) for budget in BUDGETS]
        self._answers: dict[Place, Answer] = {}

    def judge(self, place: Place, level: int, score: FloatArray) -> None:
        """One severity; the first of a place judges its rows as they are, too."""
        if place not in self._answers:
            peaks, delays = np.full(LEVELS + 1, np.nan), np.full((len(BUDGETS), LEVELS + 1), np.nan)
            self._answers[place] = Answer(self.watch, place.kind, peaks, peaks.copy(), delays)
            self._note(place, 0, place.end(LEVELS), self._score)
        self._note(place, level, place.end(level), score)

    def answers(self) -> list[Answer]:
        return list(self._answers.values())

    def _note(self, place: Place, level: int, end: int, score: FloatArray) -> None:
        answer = self._answers[place]
        # over the same rows in all severities: a longer stretch has a higher maximum
        inside = score[place.first : place.end(LEVELS) + place.late]
        if not np.isnan(inside).all():
            answer.peaks[level] = peak = np.nanmax(inside)
            answer.ranks[level] = self._rank(float(peak))
        for at, limit in enumerate(self._thresholds):
            answer.delays[at, level] = delay(score[place.first : end + place.late], limit)

    def _rank(self, peak: float) -> float:
        below, upto = (np.searchsorted(self._sorted, peak, side) for side in ("left", "right"))
        return float(below + upto) / 2 / len(self._sorted) if len(self._sorted) else np.nan


def threshold(score: FloatArray, *, per_thousand: float) -> float:
    """The lowest at which a recording (rows,) has so many alarm episodes per 1,000 readings, or fewer at any higher.

    An episode is a run of readings at or above it, and ends after QUIET below. All of them together last at most
    QUIET readings for each that is allowed: an alarm that is always on is no alarm. Just above the highest score if
    even that is too much.

    >>> threshold(np.array([0.0, 0.0, 1.0, 0.0, 3.0]), per_thousand=0) > 3
    True
    """
    score = score[~np.isnan(score)]
    if not len(score):
        return np.inf
    allowed = int(per_thousand * len(score) / 1000)
    before = _before(score)
    begins = score > before
    levels = np.unique(score)[::-1]
    episodes = _at_least(score[begins], levels) - _at_least(before[begins], levels)
    too_much = (episodes > allowed) | (_at_least(score, levels) > QUIET * allowed)
    first = int(np.argmax(too_much)) if too_much.any() else len(levels)
    return float(levels[first - 1]) if first else float(np.nextafter(levels[0], np.inf))


def delay(score: FloatArray, limit: float) -> float:
    """Readings until one is at or above the limit; NaN if none is."""
    above = np.flatnonzero(score >= limit)
    return float(above[0]) if len(above) else np.nan


def _before(score: FloatArray) -> FloatArray:
    """The highest of the QUIET scores before each; -inf where there is none."""
    padded = np.concatenate([np.full(QUIET, -np.inf), np.nan_to_num(score, nan=-np.inf)])[:-1]
    highest: FloatArray = sliding_window_view(padded, QUIET).max(axis=1)
    return highest


def _at_least(values: FloatArray, levels: FloatArray) -> IntArray:
    """How many values are at least each of the levels."""
    return len(values) - np.searchsorted(np.sort(values), levels, "left")


def summary(climbed: Climbed) -> dict[str, dict[str, Ability]]:
    """Watch -> kind -> how it did; kinds that were planted nowhere are absent."""
    watches = dict.fromkeys(answer.watch for answer in climbed.answers)
    told: dict[str, dict[str, Ability]] = {watch: {} for watch in watches}
    for watch in watches:
        for kind in KINDS:
            of = [answer for answer in climbed.answers if (answer.watch, answer.kind) == (watch, kind)]
            if of:
                told[watch][kind] = _ability(of)
    return told


def _ability(answers: Sequence[Answer]) -> Ability:
    severity = np.arange(1.0, LEVELS + 1)
    delays = np.stack([answer.delays for answer in answers])
    return Ability(
        places=len(answers),
        concordance=_mean([concordance(answer.peaks[1:], severity) for answer in answers]),
        tau_b=_mean([tau_b(answer.peaks[1:], severity) for answer in answers]),
        ranks=np.array([_mean(ranks) for ranks in np.stack([answer.ranks for answer in answers]).T]),
        found=1.0 - np.isnan(delays).mean(axis=0),
        delays=np.array([_median(of[:, 1:]) for of in delays.swapaxes(0, 1)]),
    )


def _mean(values: Sequence[float] | FloatArray) -> float:
    known = np.asarray(values)[~np.isnan(values)]
    return float(known.mean()) if known.size else np.nan


def _median(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else np.nan


def figures(told: Mapping[str, Mapping[str, Ability]]) -> dict[str, float]:
    """Dotted names to numbers; what is not defined is absent."""
    found: dict[str, float] = {}
    for watch, kinds in told.items():
        for kind, ability in kinds.items():
            name = f"{watch}.{kind}"
            found |= {f"{name}.places": ability.places}
            found |= {f"{name}.concordance": ability.concordance, f"{name}.tau_b": ability.tau_b}
            found |= {f"{name}.rank.{level}": float(rank) for level, rank in enumerate(ability.ranks)}
            for budget, shares, waited in zip(BUDGETS, ability.found, ability.delays, strict=True):
                found |= {f"{name}.found.{budget}.{level}": float(share) for level, share in enumerate(shares)}
                found[f"{name}.delay_rows.{budget}"] = float(waited)
    return {name: value for name, value in found.items() if value == value}
