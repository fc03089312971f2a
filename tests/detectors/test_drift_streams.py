"""The SPRT and the baselines of its paper on the paper's streams and on the layout of its companion code."""

import numpy as np
import pytest

from tests.benchmarks.drift import BASELINES, QUIET, Figures, compared
from tests.benchmarks.drift_streams import LEAD, STREAMS

SEEDS = 20


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, Figures]]:
    """stream -> test -> figures"""
    return {name: compared(make(SEEDS)) for name, make in STREAMS.items()}


@pytest.mark.parametrize("stream", ["abrupt", "slow", "periodic"])
def test_the_sprt_finds_every_change_with_a_fraction_of_the_baselines_false_alarms(
    told: dict[str, dict[str, Figures]], stream: str
) -> None:
    sprt, perfect = told[stream][QUIET], told[stream]["sprt, perfect predictor"]
    assert sprt.found == perfect.found == 1.0
    assert perfect.false < 0.8
    assert all(told[stream][name].false > 2.5 * sprt.false for name in BASELINES)


def test_of_baselines_as_quiet_two_miss_most_slow_changes(told: dict[str, dict[str, Figures]]) -> None:
    slow = told["slow"]
    assert slow["kolmogorov_smirnov, as quiet"].found < 0.7
    assert slow["wasserstein, as quiet"].found < 0.7
    assert all(slow[f"{name}, as quiet"].false <= slow[QUIET].false for name in BASELINES)


def test_the_published_sprt_alarms_without_a_change_unless_its_threshold_is_calibrated(
    told: dict[str, dict[str, Figures]],
) -> None:
    plain, calibrated = (told["abrupt"][name].false for name in ("sprt, published", "sprt, published, calibrated"))
    assert plain > 2.0
    assert calibrated < plain / 3


def test_behind_a_mean_the_companions_season_is_a_drift_and_behind_a_predictor_it_is_not(
    told: dict[str, dict[str, Figures]],
) -> None:
    plain, perfect = told["companion"][QUIET], told["companion"]["sprt, perfect predictor"]
    assert perfect.found > 0.75
    assert 3 * perfect.false < plain.false
    assert all(told["companion"][name].false > 5 * perfect.false for name in BASELINES)


def test_the_companions_layout_has_five_events_below_a_level_near_1() -> None:
    made = STREAMS["companion"](3)
    assert made.values.shape == (LEAD + 2000, 3)
    assert (made.values >= 0).all()
    assert (made.values <= 1).all()
    assert [start - LEAD for start, _ in made.events] == [300, 700, 1100, 1500, 1800]
    after = made.values[LEAD:]
    assert np.median(after[1500:1580]) < 0.8 < np.median(after[900:1100])
    assert not made.quiet[LEAD + 1500 : LEAD + 1780].any()
