"""The way of a reading through encoders, spatial pooler, prediction and temporal memory, for a batch in its order."""

from math import isfinite
from typing import NamedTuple

import numpy as np
from numba import njit

from detectors.base import FloatArray, IntArray, UInt8Array
from detectors.htm import date, prediction, random_distributed, spatial_pooler, temporal_memory
from detectors.htm.prediction import Weights
from detectors.htm.segments import Rules, Segments
from detectors.htm.spatial_pooler import Bits, Permanences, PoolerRules

VALUE_BITS, ON = 400, 21
"""Bits of the encoder of values, and how many of it are active; the time of day has as many active."""

PADDED = 1.4
"""The buckets cover the range of the warm-up and a fifth of it on either side."""

UNVARIED = 0.01
"""A warm-up that never varies has no range: this share of its size stands in for it."""

TINY, HUGE = 1e-300, 1e300
"""Half a range at least and at most: what is made of it neither vanishes nor overflows."""


class Form(NamedTuple):
    """The parameters as the kernels take them; `date_bits` is 0 where the time of day is not encoded."""

    seed: int
    warm_up: int
    buckets: int
    date_bits: int
    pooler: PoolerRules
    memory: Rules


class Rows(NamedTuple):
    """The state as the kernels take it; see `HTMState`."""

    seen: IntArray
    low: FloatArray
    high: FloatArray
    permanence: Permanences
    connected: Bits
    step: IntArray
    won: IntArray
    cells: UInt8Array
    segments: Segments
    weights: Weights
    means: FloatArray


@njit(cache=True, nogil=True)
def walk(
    form: Form,
    rows: Rows,
    slots: IntArray,
    times: IntArray,
    values: FloatArray,
    score: FloatArray,
    expected: FloatArray,
) -> None:
    """Write score and expected value (n,) of each reading (n,); NaN during the warm-up, which fixes the encoder."""
    for i in range(slots.size):
        s, x = slots[i], values[i]
        score[i], expected[i] = np.nan, np.nan
        if not isfinite(x):
            continue
        c = rows.seen[s]
        rows.seen[s] = c + 1
        if c == form.warm_up:
            _begin(rows, s)
        if c >= form.warm_up:
            score[i], expected[i] = _read(form, rows, s, times[i], x)
        else:
            rows.low[s], rows.high[s] = min(rows.low[s], x), max(rows.high[s], x)


@njit(cache=True, nogil=True)
def _middle(low: float, high: float) -> tuple[float, float]:
    """Middle and half width of the values that the buckets cover."""
    # halves: the difference of two floats can be more than a float holds
    middle, half = 0.5 * low + 0.5 * high, min(0.5 * high - 0.5 * low, HUGE)
    if not half > 0.0:
        half = 0.5 * UNVARIED * abs(middle) if middle != 0.0 else 0.5
    return middle, PADDED * max(half, TINY)


@njit(cache=True, nogil=True)
def _begin(rows: Rows, s: int) -> None:
    """Each class of values expects its own middle at first."""
    middle, half = _middle(rows.low[s], rows.high[s])
    classes = rows.means.shape[1]
    for k in range(classes):
        rows.means[s, k] = middle + half * ((2 * k + 1) / classes - 1.0)


@njit(cache=True, nogil=True)
def _read(form: Form, rows: Rows, s: int, time: int, x: float) -> tuple[float, float]:
    """Score and expected value of one reading, which is learned."""
    middle, half = _middle(rows.low[s], rows.high[s])
    number = random_distributed.bucket(x, middle, 2.0 / form.buckets * half)
    expected = _expect(form, rows, s, number, x)
    won = np.empty(form.pooler.active, np.int64)
    inputs = _encoded(form, number, time)
    spatial_pooler.step(form.pooler, rows.permanence[s], rows.connected[s], inputs, won)

    rows.step[s] += 1
    past = temporal_memory.recall(form.memory, rows.step[s], rows.cells[s], rows.won[s])
    score = temporal_memory.step(form.memory, _of(rows.segments, s), past, rows.cells[s], won)
    rows.won[s] = won
    return score, expected


@njit(cache=True, nogil=True)
def _encoded(form: Form, number: int, time: int) -> IntArray:
    """The active bits of a bucket and of the time of day."""
    if form.date_bits == 0:
        inputs = np.empty(ON, np.int64)
        random_distributed.encode(number, VALUE_BITS, form.seed, inputs)
        return inputs
    inputs = np.empty(2 * ON, np.int64)
    random_distributed.encode(number, VALUE_BITS, form.seed, inputs[:ON])
    date.encode(time, form.date_bits, VALUE_BITS, inputs[ON:])
    return inputs


@njit(cache=True, nogil=True)
def _expect(form: Form, rows: Rows, s: int, number: int, x: float) -> float:
    """The value that the cells foretold before the reading came; then they learn the reading."""
    active = temporal_memory.listed(form.memory, rows.cells[s], rows.won[s], temporal_memory.ACTIVE)
    p = prediction.probabilities(rows.weights[s], active)
    expected = np.sum(p * rows.means[s]) if active.size else np.nan
    classes = p.size
    came = min(max((number + form.buckets // 2) * classes // form.buckets, 0), classes - 1)
    prediction.learn(rows.weights[s], rows.means[s], active, p, came, x)
    return expected


@njit(cache=True, nogil=True)
def _of(all_: Segments, s: int) -> Segments:
    """The pool of one series."""
    return Segments(all_.owner[s], all_.size[s], all_.used[s], all_.presynaptic[s], all_.permanence[s])
