"""Several detectors that watch the same readings and speak as one."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from detectors.base import Batch, BoolArray, Detector, Evidence, FloatArray, Scores
from detectors.check import require
from detectors.ratio import ratio

RULES = ("maximum", "mean", "quorum")


@dataclass(slots=True)
class TogetherState:
    """The states of the members, in their order."""

    members: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Detectors, and a rule that makes one decision of theirs. It is itself a detector.

    What is compared is each member's score over its threshold, its ratio. A member without a verdict is left out. The
    members' expected values, contributions, kinds, drift tests and evidence are not handed on: a drift test stands
    behind the whole.

    Works where no single method wins everywhere: the maximum misses least, the mean is the steadiest ranking, and a
    quorum alarms least. Fails where a member's threshold means nothing: the others are compared with it.

    Score: a ratio, 1 at the threshold; with all members NaN, or with a quorum fewer than `need` verdicts, NaN.
    Evidence, of each alarm: ratios (m,), alarms (m,), in the order of the members.

    members: detectors, at least one.
    rule:    "maximum" of the ratios, or their "mean", alarm from 1 on; "quorum": alarm where `need` members alarm, and
             the score is the need-th largest ratio.
    need:    members, only for a quorum; None = more than half of them.

    >>> from detectors.gaussian import Gaussian
    >>> both = Together(members=(Gaussian(warm_up=16), Gaussian(warm_up=16, limit=12.0)), rule="mean")
    >>> values = np.array([[20.0 + 0.1 * (i % 5)] for i in range(20)] + [[21.6]])
    >>> batch = Batch(np.zeros(21, np.int64), np.arange(21), values)
    >>> scores = both.update(both.init(1, (1,)), batch)
    >>> scores.score[-2:].round(2), scores.alarm[-2:]
    (array([0.18, 1.21]), array([False,  True]))
    >>> scores.evidence.at(20)["alarms"]
    [True, False]
    """

    members: tuple[Detector[Any], ...]
    rule: str = "maximum"
    need: int | None = None

    kinds: ClassVar[tuple[str, ...]] = ("anomaly",)
    tunes: ClassVar[frozenset[str]] = frozenset({"rule", "need"})

    def __post_init__(self) -> None:
        m = len(self.members)
        require(self, "members", m > 0, "hold at least one detector")
        require(self, "rule", self.rule in RULES, f"be one of {', '.join(RULES)}")
        if self.need is not None:
            require(self, "need", self.rule == "quorum", f"be None unless the rule is quorum, here {self.rule}")
            require(self, "need", 1 <= self.need <= m, f"lie between 1 and the number of members, here {m}")

    def features(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """The variables themselves; nothing is explained."""
        return ()

    def init(self, n: int, shape: tuple[int, ...]) -> TogetherState:
        return TogetherState(tuple(member.init(n, shape) for member in self.members))

    def update(self, state: TogetherState, batch: Batch) -> Scores:
        pairs = zip(self.members, state.members, strict=True)
        said = [member.update(its, batch) for member, its in pairs]
        ratios = np.stack([ratio(scores.score, scores.threshold) for scores in said])
        alarms = np.stack([scores.alarm for scores in said])
        score, alarm = self._decide(ratios, alarms)
        n = len(batch)
        return Scores(score, np.ones(n), alarm, np.zeros(n, np.int64), evidence=_evidence(ratios, alarms, alarm))

    def _decide(self, ratios: FloatArray, alarms: BoolArray) -> tuple[FloatArray, BoolArray]:
        """Score and alarm (n,) from those of the members (m, n)."""
        if self.rule == "quorum":
            need = self.need or len(self.members) // 2 + 1
            # sorting the negatives puts the largest first and NaN last
            return -np.sort(-ratios, axis=0)[need - 1], alarms.sum(axis=0) >= need
        score = np.fmax.reduce(ratios, axis=0) if self.rule == "maximum" else _mean(ratios)
        return score, score >= 1.0


def _mean(ratios: FloatArray) -> FloatArray:
    """The mean over the members that have a verdict, NaN where none has."""
    total, count = np.zeros(len(ratios[0])), np.zeros(len(ratios[0]))
    for each in ratios:  # in their order: NumPy's own sums would depend on the length of the batch
        known = ~np.isnan(each)
        total += np.where(known, each, 0.0)
        count += known
    total[count == 0] = np.nan
    return total / np.maximum(count, 1.0)


def _evidence(ratios: FloatArray, alarms: BoolArray, alarm: BoolArray) -> Evidence | None:
    rows = np.flatnonzero(alarm)
    if not rows.size:
        return None
    return Evidence(rows, {"ratios": ratios.T[rows], "alarms": alarms.T[rows]})
