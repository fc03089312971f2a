"""Kolmogorov-Smirnov, Wasserstein and population stability: what a library says of the same two windows."""

import numpy as np
import pytest
from scipy.stats import ks_2samp, wasserstein_distance

from detectors import wasserstein
from detectors.base import FloatArray
from detectors.kolmogorov_smirnov import KolmogorovSmirnov
from detectors.population_stability import PopulationStability
from detectors.wasserstein import Wasserstein
from tests.drifting import fed, stream

SEEDS = range(40)


def windows(values: FloatArray, window: int) -> list[tuple[FloatArray, FloatArray]]:
    """The reference and the target at every reading that has both."""
    return [(values[t - 2 * window : t - window], values[t - window : t]) for t in range(2 * window, len(values) + 1)]


@pytest.mark.filterwarnings("ignore:ks_2samp. Exact calculation unsuccessful:RuntimeWarning")
@pytest.mark.parametrize("window", [4, 15, 50])
def test_kolmogorov_smirnov_decides_by_scipys_exact_p_value(window: int) -> None:
    test, decisions = KolmogorovSmirnov(window=window), 0
    for seed in SEEDS[:8]:
        values = stream(seed)[:300]
        statistic = fed(test, test.init(1, (1,)), values).statistic
        expected = [ks_2samp(a, b, method="exact").pvalue < 0.05 for a, b in windows(values, window)]
        assert np.isnan(statistic[: 2 * window - 1]).all()
        assert (statistic[2 * window - 1 :] >= 1).tolist() == expected
        decisions += sum(expected)
    assert decisions > 10


@pytest.mark.parametrize("window", [4, 15, 50])
def test_wassersteins_distance_is_scipys_over_the_deviation_of_the_reference(window: int) -> None:
    test = Wasserstein(window=window)
    limit = wasserstein.critical_distance(size=window, alpha=0.05, seed=0)
    for seed in SEEDS:
        values = stream(seed)[:300]
        statistic = fed(test, test.init(1, (1,)), values).statistic
        pairs, found = windows(values, window), statistic[2 * window - 1 :]
        varied = np.array([(a != a[0]).any() for a, _ in pairs])
        expected = np.array([wasserstein_distance(a, b) / max(a.std(), 1e-300) / limit for a, b in pairs])
        np.testing.assert_allclose(found[varied], expected[varied], rtol=1e-5, atol=1e-9)
        changed = np.array([(b != a[0]).any() for a, b in pairs])
        np.testing.assert_array_equal(found[~varied] >= 1, changed[~varied])


def index(a: FloatArray, b: FloatArray, bins: int) -> float:
    """PSI, with 0.5 in every bin, by the definition."""
    ordered = np.sort(a)
    edges = [ordered[int(np.ceil(k * len(a) / bins)) - 1] for k in range(1, bins)]
    p, q = (np.bincount(np.searchsorted(edges, x, "left"), minlength=bins) + 0.5 for x in (a, b))
    return float(((q - p) * np.log(q / p)).sum() / (len(a) + 0.5 * bins))


@pytest.mark.parametrize(("window", "bins"), [(4, 2), (30, 10), (100, 7)])
def test_population_stability_is_that_of_the_definition(window: int, bins: int) -> None:
    test = PopulationStability(window=window, bins=bins)
    for seed in SEEDS:
        values = stream(seed)[:400]
        statistic = fed(test, test.init(1, (1,)), values).statistic
        expected = [index(a, b, bins) / 0.2 for a, b in windows(values, window)]
        np.testing.assert_allclose(statistic[2 * window - 1 :], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("window", [15, 50])
def test_on_clean_readings_the_share_in_drift_is_alpha(window: int) -> None:
    series = 6000
    values = np.random.default_rng(1).normal(20.0, 3.0, size=2 * window * series)
    slots = np.tile(np.arange(series), 2 * window)
    exact, simulated = KolmogorovSmirnov(window=window), Wasserstein(window=window)
    drifts = [fed(test, test.init(series, (1,)), values, slots).statistic >= 1 for test in (exact, simulated)]
    shares = [drift.sum() / series for drift in drifts]
    assert 0.02 < shares[0] <= 0.055
    assert 0.04 < shares[1] < 0.06


def test_on_clean_readings_the_mean_index_is_twice_the_bins_less_one_over_the_window() -> None:
    values = np.random.default_rng(2).normal(size=60_000)
    test = PopulationStability(window=400)
    mean = np.nanmean(fed(test, test.init(1, (1,)), values).statistic) * 0.2
    assert mean == pytest.approx(2 * 9 / 400, rel=0.1)


@pytest.mark.parametrize(
    "test", [KolmogorovSmirnov(), Wasserstein(), PopulationStability()], ids=lambda test: type(test).__name__
)
def test_a_shift_is_a_drift_until_both_windows_lie_behind_it(
    test: KolmogorovSmirnov | Wasserstein | PopulationStability,
) -> None:
    values = np.sin(np.arange(1500.0)) + np.repeat([0.0, 5.0], [700, 800])
    drifts = np.flatnonzero(fed(test, test.init(1, (1,)), values).statistic >= 1)
    assert 700 < drifts[0] < 700 + test.window // 2
    assert 700 + test.window < drifts[-1] < 700 + 2 * test.window


def test_the_limit_is_chosen_by_the_seed_and_hardly_moved_by_it() -> None:
    limits = [wasserstein.critical_distance(size=50, alpha=0.05, seed=seed) for seed in (0, 0, 1, 2, 3)]
    assert limits[0] == limits[1] != limits[2]
    assert max(limits) < 1.05 * min(limits)
