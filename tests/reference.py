"""The methods once more, one series and one reading at a time, written to be read and not to be fast."""

from collections.abc import Callable
from itertools import pairwise
from math import erfc, fsum, inf, isfinite, log, nan, sqrt
from statistics import median

import numpy as np
from scipy.special import log_ndtr

from detectors.base import FloatArray, Scores
from detectors.gaussian import Gaussian
from detectors.likelihood import Likelihood
from detectors.range import Range
from detectors.stuck import Stuck
from detectors.windowed_likelihood import WindowedLikelihood

Judged = list[tuple[float, float, float]]
"""For each reading of one variable: score, weight in the explanation, expected value; NaN = no verdict."""

SILENT = (nan, nan, nan)


def gaussian(values: FloatArray, method: Gaussian) -> Scores:
    """Scores of one series (rows, d)."""
    return _worst(values, lambda x: _gaussian(x, method), method.limit, lambda score: score >= method.limit)


def readings_range(values: FloatArray, method: Range) -> Scores:
    """Scores of one series (rows, d)."""
    return _worst(values, lambda x: _range(x, method), method.margin, lambda score: score > method.margin)


def stuck(values: FloatArray, method: Stuck) -> Scores:
    """Scores of one series (rows, d)."""
    scores = _worst(values, lambda x: _stuck(x, method), 1.0, lambda score: score >= 1.0)
    scores.expected = None
    return scores


def _worst(
    values: FloatArray, judged: Callable[[list[float]], Judged], threshold: float, alarms: Callable[[float], bool]
) -> Scores:
    """The variables judged one by one, then put together row by row."""
    n = len(values)
    variables = [judged(column.tolist()) for column in values.T]
    rows = [[variable[i] for variable in variables] for i in range(n)]
    score = [max((s for s, _, _ in row if not np.isnan(s)), default=nan) for row in rows]
    weights = [[w for _, w, _ in row] for row in rows]
    totals = [sum(w for w in row if not np.isnan(w)) for row in weights]
    return Scores(
        score=np.array(score),
        threshold=np.full(n, float(threshold)),
        alarm=np.array([alarms(s) for s in score]),
        kind=np.zeros(n, np.int64),
        expected=np.array([[e for _, _, e in row] for row in rows]),
        contributions=np.array(
            [[w / t if t > 0 else nan for w in row] for row, t in zip(weights, totals, strict=True)]
        ),
    )


def _gaussian(values: list[float], method: Gaussian) -> Judged:
    judged: Judged = []
    past: list[float] = []
    mean = var = 0.0
    for x in values:
        if not isfinite(x):
            judged.append(SILENT)
            continue
        n = len(past)
        steps = [abs(b - a) for a, b in pairwise(past) if a != b]
        past.append(x)
        if n < 16:
            judged.append(SILENT)
            if n == 15:
                mean = median(past)
                var = (1.4826 * median(abs(p - mean) for p in past)) ** 2
            continue
        floor = 0.5 * min(steps) if steps else 0.01 * max(abs(mean), abs(x))
        deviation = max(sqrt(var), floor)
        d = x - mean
        z = abs(d) / deviation if deviation > 0 else 0.0
        judged.append((z, z * z, mean) if n >= method.warm_up else SILENT)
        alpha = max(1.0 - 0.5 ** (1.0 / method.half_life), 1.0 / (n + 1))
        if z > method.limit:
            d *= method.limit / z
        mean, var = mean + alpha * d, (1.0 - alpha) * (var + alpha * d * d)
    return judged


def _range(values: list[float], method: Range) -> Judged:
    judged: Judged = []
    past: list[float] = []
    for x in values:
        low, high = min(past, default=inf), max(past, default=-inf)
        if isfinite(x) and len(past) >= method.warm_up and high > low:
            excess = max(x - high, low - x) / (high - low)
            judged.append((excess, max(excess, 0.0), min(max(x, low), high)))
        else:
            judged.append(SILENT)
        if isfinite(x):
            past.append(x)
    return judged


def _stuck(values: list[float], method: Stuck) -> Judged:
    judged: Judged = []
    runs: list[list[float]] = []
    for x in values:
        if not isfinite(x):
            judged.append(SILENT)
            continue
        needed = _needed(runs[:-1], method)
        if runs and abs(x - runs[-1][0]) <= method.tolerance:
            runs[-1].append(x)
        else:
            runs.append([x])
        ratio = (len(runs[-1]) - 1) / needed
        judged.append((ratio, ratio, nan) if len(runs) > 1 else SILENT)
    return judged


def _needed(ended: list[list[float]], method: Stuck) -> float:
    """Length that the run after these needs to alarm; all but the first count no further than to their own alarm."""
    longest = len(ended[0]) - 1.0 if ended else 0.0
    for run in ended[1:]:
        longest = max(longest, min(len(run) - 1, max(method.readings, method.factor * longest)))
    return max(method.readings, method.factor * longest)


def likelihood(raw: FloatArray, method: Likelihood) -> tuple[list[float], list[bool]]:
    """Score and alarm of one series of fractions of the threshold, with every moment computed from the start."""
    judged: list[tuple[float, bool]] = []
    averages: list[float] = []
    before = 1.0
    for t in range(len(raw)):
        recent = raw[max(0, t + 1 - method.window) : t + 1]
        average = float(sum(recent)) / len(recent)
        if t >= method.learning + method.estimation:
            mean, variance = _faded(averages[method.learning :], method.period)
            z = (average - max(mean, 0.03)) / sqrt(max(variance, 0.0003))
            judged.append(_judge(z, before, method.limit, method.red_filter))
            before = _tail(z)
        else:
            judged.append((nan, False))
        averages.append(average)
    return [score for score, _ in judged], [alarm for _, alarm in judged]


def _faded(values: list[float], period: int) -> tuple[float, float]:
    """Mean and variance under weights that are equal for the first `period` values and fade from then on."""
    weights = np.ones(len(values))
    for k in range(period, len(values)):
        weights[:k] *= 1.0 - 1.0 / period
        weights[k] = weights[:k].sum() / (period - 1.0) if period > 1 else 1.0
    mean = np.average(values, weights=weights)
    return float(mean), float(np.average((np.array(values) - mean) ** 2, weights=weights))


def windowed_likelihood(
    raw: FloatArray, values: FloatArray, method: WindowedLikelihood
) -> tuple[list[float], list[bool]]:
    """Score and alarm of one series of fractions of the threshold and of readings (rows, d)."""
    judged: list[tuple[float, bool]] = []
    first = method.learning + method.estimation
    mean, deviation, before = 0.5, 1000.0, 1.0
    for t in range(len(raw)):
        if t < first:
            judged.append((nan, False))
            continue
        if t == first or t % method.reestimation == 0:
            mean, deviation, newest = _fitted(raw[:t], values[:t], method)
            before = _tail(abs(newest - mean) / deviation)
        recent = raw[max(0, t + 1 - method.window) : t + 1]
        z = abs(sum(recent) / len(recent) - mean) / deviation
        judged.append(_judge(z, before, method.limit, method.red_filter))
        before = _tail(z)
    return [score for score, _ in judged], [alarm for _, alarm in judged]


def _fitted(raw: FloatArray, values: FloatArray, method: WindowedLikelihood) -> tuple[float, float, float]:
    """Mean and deviation of the averages of the history, and the newest average."""
    start = max(0, len(raw) - method.history)
    stored = raw[start:]
    averages = [float(np.mean(stored[max(0, k + 1 - method.window) : k + 1])) for k in range(len(stored))]
    skip = max(0, method.learning - start)
    kept = values[start + skip :]
    variances = [np.var(column[np.isfinite(column)]) for column in kept.T if np.isfinite(column).any()]
    if not averages[skip:] or all(variance < 1.5e-5 for variance in variances):
        return 0.5, 1000.0, averages[-1]
    mean, variance = np.mean(averages[skip:]), np.var(averages[skip:])
    return max(float(mean), 0.03), sqrt(max(float(variance), 0.0003)), averages[-1]


def _tail(z: float) -> float:
    return 0.5 * erfc(z / 1.4142)


def _judge(z: float, before: float, limit: float, red_filter: bool) -> tuple[float, bool]:
    """The published log scale; from a tail of 1e-10 on with the decades beyond it added."""
    tail = _tail(z)
    alarm = tail <= 10 ** (-10 * limit)
    if red_filter and tail <= 1e-5 and before <= 1e-5:
        return _published(0.001), alarm
    decades = -float(log_ndtr(-z / 1.4142 * sqrt(2.0))) / log(10.0)
    return _published(tail) + max(0.0, decades - 10.0) / 10.0, alarm


def _published(tail: float) -> float:
    # ln(1.0000000001 - likelihood), likelihood = 1 - tail, summed exactly
    return log(fsum([1.0000000001, -1.0, tail])) / -23.02585084720009
