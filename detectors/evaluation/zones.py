"""What PATE gives for a predicted row and takes for a missed one, at every threshold at once."""

import numpy as np
from numba import njit

from detectors.base import BoolArray, FloatArray, IntArray


@njit(cache=True, nogil=True)
def zones(n: int, spans: IntArray, early: int, late: int) -> tuple[FloatArray, IntArray]:
    """Share of a true positive of every row (n,), and the event (n,) that must be hit before it counts, -1 = none.

    1 inside an event; in its buffers it falls in a straight line to 0 at the far end; 0 elsewhere. A buffer behind an
    event comes before the buffer in front of the next one. `spans` (k, 2) first and last row of the events.
    """
    weight, owner = np.zeros(n), np.full(n, -1)
    behind = -1
    for k in range(len(spans)):
        first, last = spans[k]
        centre = 0.5 * (first + last)
        start = max(0, first - early, behind + 1)
        behind = min(last + late, (spans[k + 1, 0] if k + 1 < len(spans) else n) - 1)
        for x in range(start, first):
            weight[x], owner[x] = (x - start) / (centre - start), k
        weight[first : last + 1] = 1.0
        for x in range(last + 1, behind + 1):
            weight[x] = (behind - x) / (behind - centre)
    return weight, owner


@njit(cache=True, nogil=True)
def misses(rank: IntArray, spans: IntArray, steps: int) -> FloatArray:
    """Sum of the false negatives (steps,) over all events; `rank` (n,) is the first step that predicts a row."""
    change = np.zeros(steps + 1)
    for k in range(len(spans)):
        first, last = spans[k]
        _event(rank[first : last + 1], change)
    return np.cumsum(change[:steps])


@njit(cache=True, nogil=True)
def _event(rank: IntArray, change: FloatArray) -> None:
    """Add to `change` by how much each step changes the false negatives of one event of L rows."""
    L, steps = len(rank), len(change) - 1
    begin, end, predicted = np.zeros(L, np.int64), np.zeros(L, np.int64), np.zeros(L, np.bool_)
    counts, places = np.zeros(L + 1, np.int64), np.zeros(L + 1, np.int64)
    change[0] += L
    before, head, i = float(L), L, 0
    order = np.argsort(rank, kind="mergesort")
    while i < L and rank[order[i]] < steps:
        step = rank[order[i]]
        while i < L and rank[order[i]] == step:
            row = order[i]
            _join(row, predicted, begin, end)
            _add(counts, row, 1)
            _add(places, row, row)
            head, i = min(head, row), i + 1
        now = _missed(L, i, end[head] - head + 1, counts, places)
        change[step] += now - before
        before = now


@njit(cache=True, nogil=True)
def _missed(L: int, found: int, run: int, counts: IntArray, places: IntArray) -> float:
    """False negatives of an event whose first predicted run has `run` rows: 1 up to row u = run, softer behind."""
    u = min(run, L - 1)
    missed = L - found
    late = (L - 1 - u) - (found - _total(counts, u))
    if late == 0:
        return float(missed)
    place = (L * (L - 1) - u * (u + 1)) // 2 - (_total(places, L - 1) - _total(places, u))
    return missed - (run + 1) * (place - late * 0.5 * u) / (0.5 * L * (L - 1))


@njit(cache=True, nogil=True)
def _join(row: int, predicted: BoolArray, begin: IntArray, end: IntArray) -> None:
    """Predict a row: runs of predicted rows know their end at their first row and their begin at their last."""
    predicted[row] = True
    low = begin[row - 1] if row > 0 and predicted[row - 1] else row
    high = end[row + 1] if row + 1 < len(predicted) and predicted[row + 1] else row
    end[low], begin[high] = high, low


@njit(cache=True, nogil=True)
def _add(tree: IntArray, row: int, value: int) -> None:
    """Add to one place of a Fenwick tree."""
    at = row + 1
    while at < len(tree):
        tree[at] += value
        at += at & -at


@njit(cache=True, nogil=True)
def _total(tree: IntArray, row: int) -> int:
    """Sum of the places up to and with this one."""
    total, at = 0, row + 1
    while at > 0:
        total += tree[at]
        at -= at & -at
    return total
