"""SPRT against the baselines of its paper, and the other drift tests, on streams whose changes are known.

`python -m tests.benchmarks.drift [SEEDS]` prints, for every stream and test: the share of the changes that were found,
false alarms per 1,000 readings, the median delay in readings, and microseconds per reading. The baselines of the paper
stand there twice: with their published thresholds, and with thresholds raised until they are as quiet as the SPRT.
"""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.adwin import ADWIN
from detectors.base import Batch, BoolArray, DriftTest, FloatArray, Scores
from detectors.gaussian import Gaussian
from detectors.kolmogorov_smirnov import KolmogorovSmirnov
from detectors.kswin import KSWIN
from detectors.page_hinkley import PageHinkley
from detectors.population_stability import PopulationStability
from detectors.sprt import SPRT
from detectors.wasserstein import Wasserstein
from tests.benchmarks.drift_streams import STREAMS, Made

SEEDS = 100

CALIBRATION = 200
"""First readings, whose mean and deviation scale the rest for the tests that watch the readings themselves."""

START = 350
"""Decisions before this reading do not count: some tests cannot decide earlier."""

PREDICTOR = Gaussian(half_life=1000.0)
"""Its expected value is all that can be had today without a season or a sequence."""


def published(window: int) -> SPRT:
    """The paper's table 1."""
    return SPRT(p_null=0.45, p_alt=0.5, alpha=0.05, beta=0.005, bin_threshold=0.65, input="residual", window=window)


QUIET = "sprt, residual, 0.2 to 0.4"
"""The baselines are also shown when they raise no more false alarms than this one."""

PREDICTED: Mapping[str, DriftTest[Any]] = {
    "sprt, published": published(25),
    "sprt, published, calibrated": SPRT(p_null=0.45, p_alt=0.5, alpha=0.05, beta=0.005, input="residual"),
    "sprt, residual": SPRT(input="residual"),
    "sprt, score": SPRT(),
    "sprt, likelihood": SPRT(input="likelihood", window=5, p_null=0.2, p_alt=0.6, warm_up=25),
    QUIET: SPRT(input="residual", p_null=0.2, p_alt=0.4, alpha=0.02),
    f"{QUIET}, widen 1": SPRT(input="residual", p_null=0.2, p_alt=0.4, alpha=0.02, widen=1.0),
    "sprt, score, 0.2 to 0.4": SPRT(p_null=0.2, p_alt=0.4, alpha=0.02),
}
"""They see the predictor's score and residual."""

PERFECT: Mapping[str, DriftTest[Any]] = {"sprt, perfect predictor": PREDICTED[QUIET]}
"""It sees the residual of the normal course itself: what a better predictor can be worth."""

OTHERS: Mapping[str, DriftTest[Any]] = {"adwin": ADWIN(), "page_hinkley": PageHinkley(), "kswin": KSWIN()}
BASELINES: Mapping[str, DriftTest[Any]] = {
    "kolmogorov_smirnov": KolmogorovSmirnov(),
    "wasserstein": Wasserstein(),
    "population_stability": PopulationStability(),
}
"""They see the readings, as in the paper, in deviations of the calibration segment."""


@dataclass(frozen=True)
class Figures:
    """found: share of the changes; false: per 1,000 readings; delay: median, readings; cost: us per reading."""

    found: float
    false: float
    delay: float
    cost: float


def batch_of(values: FloatArray) -> Batch:
    """(rows, series) as readings in order of time."""
    rows, series = values.shape
    times = np.repeat(np.arange(rows, dtype=np.int64), series)
    return Batch(np.tile(np.arange(series), rows), times, np.ascontiguousarray(values.reshape(-1, 1)))


def readings(made: Made) -> Scores:
    """Scores that are the readings themselves, scaled by the first of them; expected is the normal course."""
    first = made.values[:CALIBRATION]
    scaled = ((made.values - first.mean(axis=0)) / first.std(axis=0)).reshape(-1)
    n = len(scaled)
    expected = np.repeat(made.normal, made.values.shape[1])[:, None]
    return Scores(scaled, np.full(n, np.inf), np.zeros(n, np.bool_), np.zeros(n, np.int64), expected)


def followed(test: DriftTest[Any], batch: Batch, scores: Scores, series: int) -> tuple[FloatArray, float]:
    """The statistic, (rows, series), and microseconds per reading."""
    state = test.init(series, (1,))
    begun = time.perf_counter()
    statistic = test.update(state, batch, scores).statistic
    took = time.perf_counter() - begun
    return statistic.reshape(-1, series), 1e6 * took / len(batch)


def beginnings(statistic: FloatArray, limit: float = 1.0) -> BoolArray:
    """(rows, series) where decisions begin."""
    drift = statistic >= limit
    begins = drift & ~np.vstack([np.zeros((1, drift.shape[1]), np.bool_), drift[:-1]])
    begins[:START] = False
    return begins


def as_quiet(statistic: FloatArray, quiet: BoolArray, false: float) -> float:
    """The lowest limit, to 1 %, at which no more than `false` decisions per 1,000 quiet readings begin.

    Every limit above the highest statistic would do. Downwards from there, so that a statistic that never leaves
    decision, and hence never begins one, is not taken for a quiet one.
    """
    limit = float(np.nanmax(statistic))
    while limit > 1e-6 and 1000.0 * beginnings(statistic, limit / 1.01)[quiet].mean() <= false:
        limit /= 1.01
    return limit


def figures(made: Made, begins: BoolArray, cost: float) -> Figures:
    """What the beginnings of decisions are worth."""
    delays = []
    for start, end in made.events:
        within = begins[start:end]
        delays.append(np.where(within.any(axis=0), within.argmax(axis=0).astype(float), np.nan))
    delay = np.concatenate(delays)
    found = np.isfinite(delay)
    false = 1000.0 * float(begins[tested(made)].mean())
    return Figures(float(found.mean()), false, float(np.median(delay[found])) if found.any() else np.nan, cost)


def tested(made: Made) -> BoolArray:
    """(rows,) the quiet rows on which every test can decide."""
    quiet = made.quiet.copy()
    quiet[:START] = False
    return quiet


def compared(made: Made) -> dict[str, Figures]:
    """Every test on streams of one kind."""
    batch, series = batch_of(made.values), made.values.shape[1]
    predicted = PREDICTOR.update(PREDICTOR.init(series, (1,)), batch)
    told: dict[str, Figures] = {}
    quieter: dict[str, Figures] = {}
    for tests, scores in ((PREDICTED, predicted), ({**PERFECT, **OTHERS, **BASELINES}, readings(made))):
        for name, test in tests.items():
            statistic, cost = followed(test, batch, scores, series)
            told[name] = figures(made, beginnings(statistic), cost)
            if name in BASELINES:
                limit = as_quiet(statistic, tested(made), told[QUIET].false)
                quieter[f"{name}, as quiet"] = figures(made, beginnings(statistic, limit), cost)
    return told | quieter


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    compared(STREAMS["abrupt"](2))  # compiles the kernels, so that the times are of the tests alone
    for name, make in STREAMS.items():
        print(f"\n{name}, {seeds} seeds\n{'':34} {'found':>7} {'false/1000':>11} {'delay':>7} {'us/reading':>11}")
        for test, f in compared(make(seeds)).items():
            print(f"{test:34} {f.found:7.0%} {f.false:11.2f} {f.delay:7.0f} {f.cost:11.2f}")


if __name__ == "__main__":
    main()
