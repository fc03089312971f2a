"""What Ensemble promises: the mean of standardised log-scores of members that go on as if they were alone."""

import numpy as np

from detectors.base import Batch, FloatArray
from detectors.ensemble import Ensemble
from detectors.gaussian import Gaussian
from detectors.kmeans import KMeans
from streams.catalog import DETECTORS, method


def batch(n: int, d: int, seed: int = 0) -> Batch:
    values = np.random.default_rng(seed).normal(size=(n, d))
    return Batch(np.zeros(n, np.int64), np.arange(n), values)


def standardised(score: FloatArray, ensemble: Ensemble) -> FloatArray:
    """(n,) log-scores over their own past, by the definitions, a reading at a time."""
    alpha = 1 - 0.5 ** (1 / ensemble.half_life)
    mean, var, out = 0.0, 0.0, np.full(len(score), np.nan)
    known = np.flatnonzero(~np.isnan(score))
    for c, i in enumerate(known):
        d, width = np.arcsinh(score[i]) - mean, max(np.sqrt(var), 1e-3)
        if c >= ensemble.warm_up:
            out[i] = d / width
            d = np.clip(d, -ensemble.clip * width, ensemble.clip * width)
        a = max(alpha, 1 / (c + 1))
        mean, var = mean + a * d, (1 - a) * (var + a * d * d)
    return out


def test_it_is_the_mean_of_the_standardised_log_scores_of_its_members() -> None:
    ensemble = Ensemble(members=(Gaussian(warm_up=16), KMeans()), half_life=50.0, clip=2.0, warm_up=40)
    readings = batch(400, 2)
    readings.values[300] += 20.0
    gaussian, kmeans = Gaussian(warm_up=16), KMeans()
    alone = [gaussian.update(gaussian.init(1, (2,)), readings), kmeans.update(kmeans.init(1, (2,)), readings)]
    said = np.stack([standardised(scores.score, ensemble) for scores in alone])
    expected = np.full(400, np.nan)
    some = ~np.isnan(said).all(axis=0)
    expected[some] = np.nanmean(said[:, some], axis=0)
    scores = ensemble.update(ensemble.init(1, (2,)), readings)
    np.testing.assert_allclose(scores.score, expected, rtol=1e-9)
    assert np.nanargmax(scores.score) == 300


def test_the_configuration_names_its_members() -> None:
    table = {"type": "ensemble", "members": [{"type": "kmeans", "window": 2}, {"type": "gaussian"}], "limit": 3.0}
    assert method(DETECTORS, "detector", table) == Ensemble(members=(KMeans(window=2), Gaussian()), limit=3.0)


def test_a_member_that_always_says_the_same_does_not_outvote_the_rest() -> None:
    readings = batch(400, 1)
    readings.values[:] = 20.0
    ensemble = Ensemble()
    scores = ensemble.update(ensemble.init(1, (1,)), readings)
    assert np.isfinite(scores.score[200:]).all()
    assert not scores.alarm.any()
