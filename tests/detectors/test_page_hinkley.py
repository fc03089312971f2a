"""Page-Hinkley decides as River's does, and says how near it is."""

from typing import Literal

import numpy as np
import pytest
from river import drift

from detectors.base import FloatArray
from detectors.page_hinkley import PageHinkley
from tests.drifting import disagreements, fed

SETTINGS = [
    PageHinkley(),
    PageHinkley(mode="up", threshold=10.0),
    PageHinkley(mode="down", threshold=10.0, delta=0.1),
    PageHinkley(min_instances=1, threshold=0.5, delta=0.0),
    PageHinkley(min_instances=100, alpha=0.9, threshold=3.0),
    PageHinkley(alpha=1.0, threshold=1000.0),
]


def river(test: PageHinkley) -> drift.PageHinkley:
    return drift.PageHinkley(
        min_instances=test.min_instances,
        delta=test.delta,
        threshold=test.threshold,
        alpha=test.alpha,
        mode=test.mode,
    )


def test_it_decides_as_rivers_does_on_random_streams() -> None:
    wrong, decisions = disagreements(SETTINGS, river, range(1000))
    assert wrong == []
    assert decisions > 500


@pytest.mark.slow
def test_it_decides_as_rivers_does_on_ten_thousand_random_streams() -> None:
    wrong, decisions = disagreements(SETTINGS, river, range(10_000))
    assert wrong == []
    assert decisions > 5000


def test_its_statistic_is_how_far_the_sum_has_risen_from_its_lowest() -> None:
    x = np.random.default_rng(1).normal(size=200)
    test = PageHinkley(min_instances=20, delta=0.0, alpha=1.0, mode="up", threshold=100.0)
    statistic = fed(test, test.init(1, (1,)), x).statistic
    total = np.cumsum(x - np.cumsum(x) / np.arange(1, 201))
    assert np.isnan(statistic[:19]).all()
    np.testing.assert_allclose(statistic[19:], ((total - np.minimum.accumulate(total)) / 100.0)[19:], atol=1e-12)


def test_it_watches_only_the_direction_that_it_is_told_to() -> None:
    rise = np.repeat([0.0, 5.0], 60)

    def finds(mode: Literal["up", "down", "both"], values: FloatArray) -> bool:
        test = PageHinkley(mode=mode)
        return bool((fed(test, test.init(1, (1,)), values).statistic >= 1).any())

    assert finds("up", rise)
    assert not finds("up", -rise)
    assert finds("down", -rise)
    assert not finds("down", rise)
    assert finds("both", rise)
    assert finds("both", -rise)
