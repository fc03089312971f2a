"""Excursions of noise: closed forms, integration, simulation, and the scores to which no formula applies."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.special import ndtr
from scipy.stats import norm

from detectors.base import FloatArray
from detectors.evaluation.excursions import (
    LONGEST,
    Excursions,
    autocorrelation,
    autoregressions,
    crossings,
    lengths,
    normal_scores,
    rises_again,
    survival,
)

WHITE, AR1, SMOOTH = ([1.0], [1.0]), ([1.0], [1.0, -0.9]), ([1.0], [1.0, -38 / 21, (19 / 21) ** 2])
"""filters of white noise: none, AR(1) 0.9, and twice the moving average with a span of 20 readings"""


def noise(filtered: tuple[list[float], list[float]], *, seed: int, n: int = 400_000) -> FloatArray:
    values = lfilter(*filtered, np.random.default_rng(seed).normal(size=n + 1000))[1000:]
    made: FloatArray = values / values.std()
    return made


def theory(filtered: tuple[list[float], list[float]], lags: int) -> FloatArray:
    """Autocorrelation of filtered white noise at the lags 0 to `lags`."""
    response = lfilter(*filtered, np.eye(1, 20_000)[0])
    r = np.array([response[: len(response) - k] @ response[k:] for k in range(lags + 1)])
    made: FloatArray = r / r[0]
    return made


def integrated(u: float, r: float, longest: int) -> FloatArray:
    """P(an excursion of AR(1) noise lasts at least k readings), by quadrature over its transitions."""
    nodes, weights = np.polynomial.legendre.leggauss(300)
    s, x, w = np.sqrt(1 - r * r), u + 4 * (nodes + 1), 4 * weights
    density = norm.pdf(x) * ndtr((u - r * x) / s)
    step = norm.pdf((x[:, None] - r * x[None, :]) / s) / s
    found = []
    for _ in range(longest):
        found.append(density @ w)
        density = step @ (density * w)
    made: FloatArray = np.array(found) / found[0]
    return made


def test_white_noise_is_exact() -> None:
    for u in (-0.5, 0.0, 1.0, 3.0):
        p = ndtr(-u)
        assert crossings(u, 0.0) == pytest.approx(p * (1 - p), rel=1e-12)
        lasts = survival(u, [(np.empty(0), 1.0), (np.zeros(1), 1.0)], longest=8)
        np.testing.assert_allclose(lasts, p ** np.arange(8), rtol=1e-9, atol=1e-11)


def test_published_example() -> None:
    """series.md 1.9: twice the moving average of 20, three deviations."""
    rate = crossings(3.0, theory(SMOOTH, 1)[1])
    lasts = survival(3.0, autoregressions(theory(SMOOTH, 20), 10**6))
    assert rate * 1e6 == pytest.approx(176, abs=0.5)
    assert ndtr(-3.0) / rate == pytest.approx(7.7, abs=0.05)
    assert (lasts[5], lasts[20]) == (pytest.approx(0.55, abs=0.015), pytest.approx(0.03, abs=0.008))
    assert lasts.sum() == pytest.approx(ndtr(-3.0) / rate, rel=0.02)


@pytest.mark.parametrize("u", [0.5, 2.0, 4.0])
@pytest.mark.parametrize("r", [-0.5, 0.3, 0.9, 0.99])
def test_lengths_of_first_order_are_those_of_the_integral(u: float, r: float) -> None:
    exact = integrated(u, r, 30)
    simulated = survival(u, autoregressions(np.power(r, np.arange(3.0)), 10**6), longest=30)
    likely = exact > 1e-3
    np.testing.assert_allclose(simulated[likely], exact[likely], rtol=0.08)
    assert simulated[:5] == pytest.approx(exact[:5], rel=0.04)


@pytest.mark.parametrize("filtered", [WHITE, AR1, SMOOTH])
def test_what_is_predicted_from_one_part_happens_in_another(filtered: tuple[list[float], list[float]]) -> None:
    predicted = Excursions.of(np.exp(noise(filtered, seed=1, n=1_000_000)))  # by ranks: no matter how the score is bent
    assert not predicted.unfit
    other = noise(filtered, seed=2, n=1_000_000)
    for u in (1.0, 2.0):
        found = lengths(np.exp(other), np.exp(u))
        rate = predicted.per_reading(float(np.exp(u)))
        assert rate[0] * len(other) == pytest.approx(len(found), rel=0.08)
        assert predicted.mean_length(float(np.exp(u))) == pytest.approx(found.mean(), rel=0.06)
        for k in (3, 6, 21):
            if (found >= k).sum() > 500:
                assert rate[k - 1] * len(other) == pytest.approx((found >= k).sum(), rel=0.15), (u, k)


def test_beyond_the_data_the_tail_goes_on() -> None:
    score = np.random.default_rng(3).exponential(size=20_000)
    predicted = Excursions.of(score)
    for share in (0.3, 0.01, 1e-5, 1e-8):
        assert predicted.share(predicted.threshold(share)) == pytest.approx(share, rel=0.01)
    assert predicted.threshold(1e-8) == pytest.approx(-np.log(1e-8), rel=0.15)
    assert 0 < predicted.per_reading(predicted.highest + 5)[0] < 1e-6


def test_a_season_is_told_from_noise() -> None:
    rng = np.random.default_rng(4)
    season = np.sin(np.arange(20_000) * 2 * np.pi / 288) + rng.normal(size=20_000)
    found = Excursions.of(season)
    assert "rises again" in found.unfit
    assert " at a lag of 2" in found.unfit
    np.testing.assert_array_equal(found.per_reading(2.0), found.observed(2.0))
    assert found.observed(2.0)[0] == len(lengths(season, 2.0)) / 20_000
    for seed in range(20):
        for filtered in (WHITE, AR1, SMOOTH):
            score = noise(filtered, seed=seed, n=8000)
            assert not rises_again(autocorrelation(normal_scores(score), 800), 8000), (seed, filtered)


def test_scores_of_few_values_are_counted_and_not_predicted() -> None:
    score = noise(AR1, seed=5, n=20_000)
    assert "the score has only 7 distinct values" in Excursions.of(np.clip(score.round(), -3, 3)).unfit
    assert "are the same, 1" in Excursions.of(np.minimum(score, 1.0)).unfit
    assert not Excursions.of(score.round(2)).unfit


def test_bursts_are_no_gaussian_sequence() -> None:
    rng = np.random.default_rng(6)
    loud = np.repeat(rng.random(400) < 0.02, 50)
    found = Excursions.of(np.where(loud, 5.0 + rng.random(20_000), rng.random(20_000)))
    assert not found.unfit or "it predicts" in found.unfit
    folded = Excursions.of(np.abs(noise(SMOOTH, seed=6, n=100_000)) + 0.01 * rng.random(100_000))
    assert "it predicts" in folded.unfit
    assert folded.predicted(folded.tested)[0] > 2 * folded.observed(folded.tested)[0] > 0


def test_a_gap_ends_an_excursion_and_is_no_pair() -> None:
    score = np.array([3.0, 3.0, np.nan, 3.0, 0.0, 3.0])
    assert lengths(score, 3.0).tolist() == [2, 1, 1]
    whole = noise(AR1, seed=7, n=50_000)
    holed = whole.copy()
    holed[np.random.default_rng(7).random(50_000) < 0.3] = np.nan
    np.testing.assert_allclose(autocorrelation(holed, 5), autocorrelation(whole, 5), atol=0.03)
    assert np.isnan(normal_scores(holed)).sum() == np.isnan(holed).sum()


def test_equal_scores_share_a_rank() -> None:
    z = normal_scores(np.array([1.0, 2.0, 2.0, 3.0]))
    assert z[1] == z[2] == pytest.approx(0.0, abs=1e-12)
    assert z[0] == -z[3]


def test_an_autoregression_is_that_of_the_sequence() -> None:
    coefficients, deviation = autoregressions(theory(SMOOTH, 6), 10**6)[2]
    np.testing.assert_allclose(coefficients, [38 / 21, -((19 / 21) ** 2)], rtol=1e-6)
    assert 0 < deviation < 0.1
    assert len(autoregressions(theory(AR1, 6), 1000)) == 2


def test_too_few_scores_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 200 finite scores of normal readings; got 150"):
        Excursions.of(np.append(np.arange(150.0), [np.nan] * 100))
    assert len(Excursions.of(noise(WHITE, seed=8, n=300)).per_reading(1.0)) == LONGEST
