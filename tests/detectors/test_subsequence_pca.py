"""What SubsequencePCA promises: a wrong shape is found inside the usual range, and constants are nothing special."""

import numpy as np
import pytest

from detectors.base import Batch, FloatArray, Scores
from detectors.subsequence_pca import SubsequencePCA


def fed(method: SubsequencePCA, values: FloatArray) -> Scores:
    """Scores of the readings (rows,) or (rows, d) of one series."""
    values = np.ascontiguousarray(values.reshape(len(values), -1))
    n, d = values.shape
    return method.update(method.init(1, (d,)), Batch(np.zeros(n, np.int64), np.arange(n), values))


def wave(n: int, seed: int = 0) -> FloatArray:
    return np.sin(np.arange(n) / 3.0) + 0.02 * np.random.default_rng(seed).normal(size=n)


def projection(cov: FloatArray, share: float) -> FloatArray:
    lengths, vectors = np.linalg.eigh(cov)
    kept = 1 + int(np.argmax(np.cumsum(lengths[::-1]) >= share * np.trace(cov)))
    shapes = vectors[:, ::-1][:, :kept]
    outside: FloatArray = np.eye(len(cov)) - shapes @ shapes.T
    return outside


def naive(values: FloatArray, method: SubsequencePCA) -> FloatArray:
    """Scores of one variable without missing readings by the definitions, a reading at a time."""
    w, clip, half = method.window, method.clip, method.warm_up // 2
    alpha = 1 - 0.5 ** (1 / method.half_life)
    mean, var, usual, spread = 0.0, 0.0, 0.0, 0.0
    window, centre, cov, outside = np.zeros(w), np.zeros(w), np.zeros((w, w)), np.eye(w)
    score = np.full(len(values), np.nan)
    for c, x in enumerate(values):
        away = x - mean
        width = np.sqrt(var) if var > 0 else 0.01 * max(abs(mean), abs(x))
        z = away / width if c else 0.0
        if c >= 16:
            away = np.clip(z, -clip, clip) * width
        a = max(alpha, 1 / (c + 1))
        mean, var = mean + a * away, (1 - a) * (var + a * away**2)
        window = np.r_[window[1:], z]
        if c < 16 + w:
            continue
        if c >= half:
            if (c - half) % method.refit == 0 or c == method.warm_up:
                outside = projection(cov, method.share)
            error = np.log(max(np.sqrt(np.mean((outside @ (window - centre)) ** 2)), 1e-6)) - usual
            width = max(np.sqrt(spread), 0.05)
            if c >= method.warm_up:
                score[c] = error / width
                error = np.clip(error, -clip * width, clip * width)
            a = max(alpha, 1 / (c - half + 1))
            usual, spread = usual + a * error, (1 - a) * (spread + a * error**2)
        a = max(alpha, 1 / (c - 16 - w + 1))
        away_window = np.clip(window, -clip, clip) - centre
        centre = centre + a * away_window
        cov = (1 - a) * (cov + a * np.outer(away_window, away_window))
    return score


@pytest.mark.parametrize("seed", range(4))
def test_it_equals_plain_numpy_reading_by_reading(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = 50.0 + wave(600, seed) + 0.3 * rng.normal(size=600)
    values[400] += 30.0
    method = SubsequencePCA(
        window=int(rng.integers(2, 30)),
        half_life=float(rng.integers(50, 2000)),
        share=float(rng.uniform(0.3, 0.95)),
        refit=int(rng.integers(1, 200)),
        clip=float(rng.uniform(1.5, 4.0)),
    )
    np.testing.assert_allclose(fed(method, values).score, naive(values, method), rtol=1e-6, atol=1e-6)


def test_a_wrong_shape_is_found_that_leaves_no_range() -> None:
    values = wave(1500)
    values[1200:1216] = values[1215:1199:-1]
    scores = fed(SubsequencePCA(), values)
    assert np.nanargmax(scores.score) in range(1200, 1250)
    assert set(np.flatnonzero(scores.alarm)) <= set(range(1200, 1250))
    assert scores.alarm[1200:1250].any()


def test_constant_sensors_do_not_explode() -> None:
    assert not fed(SubsequencePCA(), np.full(500, 20.0)).alarm.any()
    assert not fed(SubsequencePCA(), np.zeros(500)).alarm.any()
    flicker = np.full(800, 20.0)
    flicker[400::7] += 0.01
    assert np.isfinite(fed(SubsequencePCA(), flicker).score[200:]).all()


def test_the_worst_variable_counts_and_a_missing_one_is_passed_over() -> None:
    values = np.column_stack([wave(600, 1), wave(600, 2)])
    alone = [fed(SubsequencePCA(), values[:, j]).score for j in range(2)]
    np.testing.assert_array_equal(fed(SubsequencePCA(), values).score, np.maximum(*alone))
    values[::2, 1] = np.nan
    np.testing.assert_array_equal(fed(SubsequencePCA(), values[:400]).score, alone[0][:400])


def test_the_largest_floats_are_scored_without_overflow() -> None:
    values = wave(500)
    values[300:304] = [1.7e308, -1.7e308, 1e200, 5e-324]
    scores = fed(SubsequencePCA(), values)
    assert np.isfinite(scores.score[200:]).all()
    assert scores.alarm[300:304].all()
