"""Wald's sequential probability ratio test on the share of scores, or of residuals, above a threshold."""

from math import floor, inf, log, nan
from typing import Any, ClassVar, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.base import Batch, BoolArray, Drift, Evidence, FloatArray, IntArray, Scores
from detectors.check import require
from detectors.sprt_inputs import FEWEST, Block, Recent, averages, residuals
from detectors.sprt_kernels import vote, walk
from detectors.sprt_state import SequentialTests, SPRTState, no_tests

INPUTS, RULES = ("score", "residual", "likelihood"), ("any", "majority")


class SPRT(msgspec.Struct, frozen=True, kw_only=True, tag="sprt"):
    """Sequential probability ratio test on the share p of scores above a threshold: drift if p_alt, not p_null.

    Works for a lasting rise of the scores, whatever their distribution, with stated error rates. Fails where scores
    above the threshold come in runs, since alpha and beta hold for independent ones, and where the warm-up is not like
    the rest: on the normal rows of SMD, ASD and AIOps KPI the defaults behind `gaussian` found 39, 19 and 1,086 times
    as many drifts as promised. With widen = 1 it was 2.4, 3.0 and 1.7 times, and 1.1, 0.8 and 1.0 times for p 0.2 and
    0.4 with alpha 0.02: what is above 1 is the two or three drifts that a series takes to learn its limit.

    After t scores of which C were above the threshold, S = C * gain - t * g with gain D = ln(p1/p0) + g and
    g = ln((1-p0)/(1-p1)). Drift if S > A = ln((1-beta)/alpha), no drift if S < B = ln(beta/(1-alpha)). Alpha is per
    test, and tests follow each other: at the defaults a healthy series ends a test every 24 readings, which promises
    at most one false drift in 22,900 readings (`false_drifts`) of independent scores, if the threshold is the right
    one; a warm-up of 200 scores errs enough to make it one in 9,600 on average over many series, of 500 one in 23,600.

    `widen` keeps the promise in other scores too, real drifts included: ln A grows by it at a drift, and falls back by
    widen * false_drifts with every reading. All steps add up, so that after T readings there were at most
    false_drifts * T + ln(A now / A) / widen drifts. The price: soon after a drift the next one must be clearer.

    What is counted, by `input`:
    score      - the detector's own, before any calibrator.
    residual   - the paper's: h = min(|expected - x| / (k sd), 1), sd of the `window` readings before x, none while
                 there are fewer than five. Each variable has a test; `rule` says how many make a drift. A vote stands
                 until that variable's next test finds none, or until there is a drift. Published p_null and p_alt of
                 about one half presume this input. A jump widens sd for `window` readings and is not seen meanwhile.
    likelihood - averages of `window` scores that share none, one trial each. Numenta's likelihood rises with such an
                 average, so both cross their quantiles together; but it slides, and would count one high score
                 `window` times: no independent trials. Slow, its warm-up too, which is of warm_up * window scores,
                 and the least disturbed by scores that come in runs.

    Statistic: max(S, 0) / A, with several variables the one that decides; NaN while warming up, and where nothing is
    counted. A score that is not a finite number is passed over, as is a variable that is missing.
    Evidence, of each drift: started (ns), readings (t), count (C), lower and upper (limits on C), estimated (C / t),
    false_drifts (promised per reading); for residuals one of each by variable (t is 0 where a variable is missing
    from the row), and drifted: which voted.

    p_null, p_alt:     shares of scores above the threshold without and with drift; p0 < p1.
    alpha, beta:       probabilities of a drift found where there is none, and of one not found.
    restart_on_accept: begin a new test after "no drift" too. False = the paper's literal form: S then falls without
                       bound while all is well, and a drift is found later the longer that lasted.
    bin_threshold:     what is above it counts, in the score's unit, below 1 for residuals; None = the (1 - p_null)
                       quantile of the warm-up, which makes p_null true by construction.
    warm_up:           what chooses the threshold: scores, residuals or averages; of no effect where it is given.
    input:             "score", "residual" or "likelihood".
    window:            readings whose spread scales the residual, or scores in an average.
    k:                 spreads at which h is 1; of no effect where the warm-up chooses the threshold.
    rule:              of the variables' tests, "any" or "majority" (more than half).
    widen:             by how much ln A grows at a drift; 0 = A stands. 1 for readings that are not independent.

    >>> test = SPRT(p_null=0.45, p_alt=0.5, alpha=0.05, beta=0.005, bin_threshold=0.5)
    >>> round(test.upper, 6), round(test.lower, 6), round(test.slope, 7)
    (2.99072, -5.247024, 0.4749581)
    >>> from detectors.base import Batch
    >>> ones = np.ones(29)
    >>> batch = Batch(np.zeros(29, np.int64), np.arange(29), ones[:, None])
    >>> scores = Scores(ones, ones, np.zeros(29, np.bool_), np.zeros(29, np.int64))
    >>> drift = test.update(test.init(1, (1,)), batch, scores)
    >>> drift.statistic[[0, 14, 27, 28]].round(3), drift.evidence.at(28)["count"]
    (array([0.035, 0.528, 0.986, 1.022]), 29)

    Source: Bandyopadhyay, Bose and Roy Chowdhury, IJMEMS 10(3) (2025), 777-796, theorem 1 (equations 1-2, and the
    count form), equations 3-4 and table 1; Wald, Annals of Mathematical Statistics 16 (1945), sections 3.2-3.4.
    The defaults find p = 0.3 after 23 scores and p = 0.8 after 6, in simulation.
    """

    p_null: float = 0.05
    p_alt: float = 0.30
    alpha: float = 1e-3
    beta: float = 1e-2
    restart_on_accept: bool = True
    bin_threshold: float | None = None
    warm_up: int = 200
    input: Literal["score", "residual", "likelihood"] = "score"
    window: int = 25
    k: float = 1.0
    rule: Literal["any", "majority"] = "any"
    widen: float = 0.0

    # input, window, and whether it widens at all show in the form of the state, which is compared as well; to compare
    # them here would only turn away the states that were saved before there was a choice.
    tunes: ClassVar[frozenset[str]] = frozenset(
        {"p_alt", "alpha", "beta", "restart_on_accept", "input", "window", "k", "rule", "widen"}
    )

    def __post_init__(self) -> None:
        require(self, "p_null", 0 < self.p_null < 1, "lie in (0, 1)")
        require(self, "p_alt", self.p_null < self.p_alt < 1, f"lie between p_null ({self.p_null:g}) and 1")
        require(self, "alpha", 0 < self.alpha < 1, "lie in (0, 1)")
        require(self, "beta", 0 < self.beta < 1 - self.alpha, f"lie in (0, 1 - alpha), here {1 - self.alpha:g}")
        require(self, "restart_on_accept", isinstance(self.restart_on_accept, bool), "be true or false")
        require(self, "input", self.input in INPUTS, f"be one of {', '.join(INPUTS)}")
        self._check_threshold()
        require(self, "warm_up", self.warm_up >= 2, "be at least 2 scores")
        require(self, "window", self.window >= FEWEST, f"be at least {FEWEST} readings")
        require(self, "k", 0 < self.k < inf, "be above 0")
        require(self, "rule", self.rule in RULES, f"be one of {', '.join(RULES)}")
        require(self, "widen", 0 <= self.widen < inf, "be at least 0")
        require(self, "widen", not self.widen or self.restart_on_accept, "be 0 where restart_on_accept is false")

    def _check_threshold(self) -> None:
        given = self.bin_threshold
        if given is None:
            return
        require(self, "bin_threshold", bool(np.isfinite(given)), "be a finite number, or None")
        if self.input == "residual":
            require(self, "bin_threshold", 0 <= given < 1, "lie in [0, 1), or be None, where residuals end at 1")
        require(self, "bin_threshold", self.input != "likelihood", "be None where the warm-up of averages chooses it")

    @property
    def upper(self) -> float:
        """A: drift where S is above it."""
        return log((1 - self.beta) / self.alpha)

    @property
    def lower(self) -> float:
        """B: no drift where S is below it."""
        return log(self.beta / (1 - self.alpha))

    @property
    def fall(self) -> float:
        """g: by how much S falls with every score."""
        return log((1 - self.p_null) / (1 - self.p_alt))

    @property
    def gain(self) -> float:
        """D: by how much more S rises with a score above the threshold."""
        return log(self.p_alt / self.p_null) + self.fall

    @property
    def slope(self) -> float:
        """The share of scores above the threshold at which S stands still: g / D."""
        return self.fall / self.gain

    @property
    def false_drifts(self) -> float:
        """Promised false drifts per reading and variable: alpha times the tests per reading, by Wald's mean length.

        Of the literal form 0: in all the time that p_null lasts, it finds one with a probability of alpha / (1 - beta).
        """
        return self._false_drifts / (self.window if self.input == "likelihood" else 1)

    @property
    def _false_drifts(self) -> float:
        """The same per trial: an average is one."""
        if not self.restart_on_accept:
            return 0.0
        trials = ((1 - self.alpha) * self.lower + self.alpha * self.upper) / (self.p_null * self.gain - self.fall)
        return self.alpha / trials

    def limits(self, readings: IntArray, above: FloatArray | None = None) -> tuple[FloatArray, FloatArray]:
        """Lower and upper limit on the count after so many `readings`: (B + t g) / D and (A + t g) / D.

        above: the A of each, where it was widened.
        """
        fallen = readings.astype(np.float64) * self.fall
        return (self.lower + fallen) / self.gain, ((self.upper if above is None else above) + fallen) / self.gain

    def init(self, n: int, shape: tuple[int, ...]) -> SPRTState:
        held = 0 if self.bin_threshold is not None else self.warm_up - floor(self._place)
        several = self.input == "residual"
        rows = (n, *shape) if several else (n,)
        source: Recent | Block | None = None
        if several:
            source = Recent(np.zeros((*rows, self.window)), np.zeros(rows, np.int64))
        if self.input == "likelihood":
            source = Block(np.zeros((n, self.window)), np.zeros(n, np.int64))
        return SPRTState(
            largest=np.full((*rows, held), -np.inf),
            seen=np.zeros(rows, np.int64),
            threshold=np.full(rows, np.nan),
            readings=np.zeros(rows, np.int64),
            count=np.zeros(rows, np.int64),
            started=np.zeros(rows, np.int64),
            source=source,
            votes=no_tests(rows, self.upper) if several else None,
            widened=np.zeros(rows) if self.widen else None,
        )

    @property
    def _place(self) -> float:
        """Where the quantile stands among the sorted warm-up scores, from 0."""
        return (1 - self.p_null) * (self.warm_up - 1)

    def update(self, state: SPRTState, batch: Batch, scores: Scores) -> Drift:
        counted = self._counted(state, batch, scores)
        n, d = counted.shape
        each, accepted, tests = np.empty((n, d)), np.empty((n, d), np.bool_), no_tests((n, d), self.upper)
        self._walk(state, batch, counted, each, accepted, tests)
        if state.votes is None:
            drifts = np.flatnonzero(each[:, 0] >= 1)
            return Drift(each[:, 0], self._evidence(drifts, tests.at((drifts, 0))))
        statistic, voted = np.empty(n), np.empty((n, d), np.bool_)
        need = 1 if self.rule == "any" else d // 2 + 1
        votes = state.votes
        rows = (tests.started, tests.readings, tests.count)
        held = (votes.started, votes.readings, votes.count)
        vote(batch.slots, each, accepted, *rows, tests.limit, *held, votes.limit, need, statistic, voted)
        drifts = np.flatnonzero(statistic >= 1)
        return Drift(statistic, self._evidence(drifts, tests.at(drifts), voted[drifts]))

    def _walk(
        self,
        state: SPRTState,
        batch: Batch,
        counted: FloatArray,
        each: FloatArray,
        accepted: BoolArray,
        tests: SequentialTests,
    ) -> None:
        largest = state.largest.reshape(state.seen.size, state.largest.shape[-1])
        chosen = (largest, state.seen.reshape(-1), state.threshold.reshape(-1))
        running = (state.readings.reshape(-1), state.count.reshape(-1), state.started.reshape(-1))
        widened = np.zeros(0) if state.widened is None else state.widened.reshape(-1)
        warm_up = 0 if self.bin_threshold is not None else self.warm_up
        limits = (self._given, self._place % 1, self.upper, self.lower, self.fall, self.gain)
        steps = (self.widen, self.widen * self._false_drifts)
        rows = (tests.started, tests.readings, tests.count)
        walk(
            batch.slots, batch.times, counted, *chosen, *running, widened,
            warm_up, *limits, *steps, self.restart_on_accept, each, accepted, *rows, tests.limit,
        )  # fmt: skip

    @property
    def _given(self) -> float:
        """The threshold that needs no warm-up, in the unit of what is counted; NaN = there is none."""
        if self.bin_threshold is None:
            return nan
        return self.bin_threshold * (self.k if self.input == "residual" else 1.0)

    def _counted(self, state: SPRTState, batch: Batch, scores: Scores) -> FloatArray:
        """What is held against the threshold, (n, d) or (n, 1).

        Of the residual without its factor k and its end at 1: neither moves it across a quantile, and a given
        threshold lies below 1. A quantile of residuals that end at 1 would often be 1, and nothing would be above it.
        """
        if isinstance(state.source, Recent):
            return residuals(state.source, batch, scores)
        if isinstance(state.source, Block):
            return averages(state.source, batch, scores)
        return scores.score[:, None]

    def _evidence(self, rows: IntArray, tests: SequentialTests, voted: BoolArray | None = None) -> Evidence | None:
        if not rows.size:
            return None
        lower, upper = self.limits(tests.readings, tests.limit)
        estimated = tests.count / np.maximum(tests.readings, 1)
        columns: dict[str, NDArray[Any]] = {
            "started": tests.started,
            "readings": tests.readings,
            "count": tests.count,
            "lower": lower,
            "upper": upper,
            "estimated": estimated,
            "false_drifts": np.full(rows.size, self.false_drifts),
        }
        return Evidence(rows, columns if voted is None else columns | {"drifted": voted})
