"""The SPRT's loops: every test of every series over the rows of a batch, and the votes of a series' variables."""

from math import exp

import numpy as np
from numba import njit

from detectors.base import BoolArray, FloatArray, IntArray
from detectors.statistic import statistic_of


@njit(cache=True, nogil=True)
def _hold(largest: FloatArray, x: float) -> None:
    """Keep the score among the largest, in falling order, if it belongs there."""
    k = largest.size - 1
    if x <= largest[k]:
        return
    while k > 0 and largest[k - 1] < x:
        largest[k] = largest[k - 1]
        k -= 1
    largest[k] = x


@njit(cache=True, nogil=True)
def _quantile(largest: FloatArray, between: float) -> float:
    """Between the smallest that is held and the next, by interpolation."""
    held = largest.size
    low, high = float(largest[held - 1]), float(largest[max(held - 2, 0)])
    return (1.0 - between) * low + between * high


@njit(cache=True, nogil=True)
def walk(
    slots: IntArray,
    times: IntArray,
    counted: FloatArray,
    largest: FloatArray,
    seen: IntArray,
    threshold: FloatArray,
    readings: IntArray,
    count: IntArray,
    started: IntArray,
    widened: FloatArray,
    warm_up: int,
    given: float,
    between: float,
    upper: float,
    lower: float,
    fall: float,
    gain: float,
    widen: float,
    narrow: float,
    restart_on_accept: bool,
    statistic: FloatArray,
    accepted: BoolArray,
    row_started: IntArray,
    row_readings: IntArray,
    row_count: IntArray,
    row_limit: FloatArray,
) -> None:
    """Feed `counted` (n, d) to the tests, of which variable j of series s has number s * d + j.

    Writes (n, d) each: statistic, whether the test found no drift, and the test's start, readings, count and A.
    """
    d = counted.shape[1]
    for i in range(slots.size):
        for j in range(d):
            s, x = slots[i] * d + j, counted[i, j]
            statistic[i, j], accepted[i, j] = np.nan, False
            if not np.isfinite(x):
                continue
            if seen[s] < warm_up:
                _hold(largest[s], x)
                seen[s] += 1
                if seen[s] == warm_up:
                    threshold[s] = _quantile(largest[s], between)
                continue
            if readings[s] == 0:
                started[s] = times[i]
            readings[s] += 1
            count[s] += x > (threshold[s] if np.isnan(given) else given)
            fallen, limit = readings[s] * fall, upper
            if widened.size > 0:
                widened[s] = max(widened[s] - narrow, 0.0)
                limit = upper * exp(widened[s])
            drift = count[s] > (limit + fallen) / gain
            accepted[i, j] = count[s] < (lower + fallen) / gain
            ratio = max(count[s] * gain - fallen, 0.0) / limit
            statistic[i, j] = statistic_of(ratio, drift)
            row_started[i, j], row_readings[i, j], row_count[i, j] = started[s], readings[s], count[s]
            row_limit[i, j] = limit
            if drift and widened.size > 0:
                widened[s] += widen
            if drift or (accepted[i, j] and restart_on_accept):
                readings[s], count[s], started[s] = 0, 0, 0


@njit(cache=True, nogil=True)
def vote(
    slots: IntArray,
    each: FloatArray,
    accepted: BoolArray,
    row_started: IntArray,
    row_readings: IntArray,
    row_count: IntArray,
    row_limit: FloatArray,
    started: IntArray,
    readings: IntArray,
    count: IntArray,
    limit: FloatArray,
    need: int,
    statistic: FloatArray,
    voted: BoolArray,
) -> None:
    """The statistic (n,) that `need` variables reach, from that of each (n, d); a standing vote counts as 1.

    At a drift the rows of the tests become those of the votes, which end with it.
    """
    d = each.shape[1]
    reached = np.empty(d)
    for i in range(slots.size):
        s, tested = slots[i], False
        for j in range(d):
            x = each[i, j]
            tested |= not np.isnan(x)
            if x >= 1.0:
                started[s, j], readings[s, j], count[s, j] = row_started[i, j], row_readings[i, j], row_count[i, j]
                limit[s, j] = row_limit[i, j]
            elif accepted[i, j]:
                readings[s, j] = 0
            voted[i, j] = readings[s, j] > 0
            reached[j] = max(0.0 if np.isnan(x) else x, 1.0 if voted[i, j] else 0.0)
        statistic[i] = np.nan
        if not tested:
            continue
        reached.sort()
        statistic[i] = reached[d - need]
        if statistic[i] < 1.0:
            continue
        for j in range(d):
            if voted[i, j]:
                row_started[i, j], row_readings[i, j], row_count[i, j] = started[s, j], readings[s, j], count[s, j]
                row_limit[i, j] = limit[s, j]
                started[s, j], readings[s, j], count[s, j] = 0, 0, 0
