"""Pool of dendrite segments of one series: a fixed number of places, each with room for a fixed number of synapses."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.base import BoolArray, IntArray
from detectors.hashing import drawn

Words = NDArray[np.uint16]
Sizes = NDArray[np.int16]


class Rules(NamedTuple):
    """The parameters of the memory as the kernels take them, permanences in units."""

    cells: int
    activation: int
    minimum: int
    initial: int
    connected: int
    increment: int
    decrement: int
    punishment: int
    sample: int
    per_cell: int
    seed: int


class Segments(NamedTuple):
    """The pool; the synapses of segment g are [g, :size[g]].

    owner:       (s,) cell that the segment belongs to
    size:        (s,) synapses; 0 = the place is free
    used:        (s,) step at which it last learned
    presynaptic: (s, m) cells that its synapses listen to, each once
    permanence:  (s, m) in units, above 0
    """

    owner: Words
    size: Sizes
    used: IntArray
    presynaptic: Words
    permanence: Words


class Past(NamedTuple):
    """What was active at the step before, and where the step now stands.

    step:    number of the step, the first is 1
    on:      (cells,) active
    winners: (w,) winner cells, rising
    held:    (cells,) segments of each cell now
    heard:   (cells,) working space, False between uses
    """

    step: int
    on: BoolArray
    winners: IntArray
    held: Sizes
    heard: BoolArray


@njit(cache=True, nogil=True)
def disconnect(segments: Segments, g: int, j: int) -> None:
    """Remove synapse j; the last one takes its place."""
    last = segments.size[g] - 1
    segments.presynaptic[g, j] = segments.presynaptic[g, last]
    segments.permanence[g, j] = segments.permanence[g, last]
    segments.size[g] = last


@njit(cache=True, nogil=True)
def remove(segments: Segments, past: Past, g: int) -> None:
    """Free the place of segment g."""
    segments.size[g] = 0
    past.held[segments.owner[g]] -= 1


@njit(cache=True, nogil=True)
def reinforce(rules: Rules, segments: Segments, past: Past, g: int, top: int) -> bool:
    """Strengthen synapses on cells that were active, weaken the others; False if too few are left and g is gone."""
    for j in range(int(segments.size[g]) - 1, -1, -1):
        p = int(np.int64(segments.permanence[g, j]))
        if past.on[segments.presynaptic[g, j]]:
            segments.permanence[g, j] = min(p + rules.increment, top)
        elif p > rules.decrement:
            segments.permanence[g, j] = p - rules.decrement
        else:
            disconnect(segments, g, j)
    segments.used[g] = past.step
    return _keep(rules, segments, past, g)


@njit(cache=True, nogil=True)
def punish(rules: Rules, segments: Segments, past: Past, g: int) -> None:
    """Weaken the synapses on cells that were active: they foretold what did not come."""
    for j in range(int(segments.size[g]) - 1, -1, -1):
        if past.on[segments.presynaptic[g, j]]:
            p = int(np.int64(segments.permanence[g, j]))
            if p > rules.punishment:
                segments.permanence[g, j] = p - rules.punishment
            else:
                disconnect(segments, g, j)
    _keep(rules, segments, past, g)


@njit(cache=True, nogil=True)
def _keep(rules: Rules, segments: Segments, past: Past, g: int) -> bool:
    if segments.size[g] >= rules.minimum:
        return True
    remove(segments, past, g)
    return False


@njit(cache=True, nogil=True)
def grow(rules: Rules, segments: Segments, past: Past, g: int, wanted: int) -> None:
    """Connect segment g to so many winners it does not listen to yet, drawn by hash; the weakest synapses make room."""
    if wanted <= 0:
        return
    strangers = _strangers(segments, past, g)
    wanted = min(wanted, strangers.size, segments.presynaptic.shape[1])
    while segments.size[g] + wanted > segments.presynaptic.shape[1]:
        disconnect(segments, g, _weakest(segments, g))
    for i in range(wanted):
        j = i + drawn(rules.seed, past.step, (g << 16) + i, strangers.size - i)
        strangers[i], strangers[j] = strangers[j], strangers[i]
        k = segments.size[g]
        segments.presynaptic[g, k] = strangers[i]
        segments.permanence[g, k] = rules.initial
        segments.size[g] = k + 1


@njit(cache=True, nogil=True)
def _strangers(segments: Segments, past: Past, g: int) -> IntArray:
    """The winners that segment g does not listen to, rising."""
    heard = segments.presynaptic[g, : segments.size[g]]
    for cell in heard:
        past.heard[cell] = True
    strangers, n = np.empty(past.winners.size, np.int64), 0
    for cell in past.winners:
        # no branch: half of them would be mispredicted
        strangers[n] = cell
        n += not past.heard[cell]
    for cell in heard:
        past.heard[cell] = False
    return strangers[:n]


@njit(cache=True, nogil=True)
def _weakest(segments: Segments, g: int) -> int:
    """The synapse with the lowest permanence; of equals, the one on the lowest cell."""
    weakest, least = 0, np.int64(1) << 40
    for j in range(segments.size[g]):
        rank = (np.int64(segments.permanence[g, j]) << 16) + np.int64(segments.presynaptic[g, j])
        if rank < least:
            weakest, least = j, rank
    return weakest


@njit(cache=True, nogil=True)
def evict(segments: Segments, past: Past, n: int) -> None:
    """Remove the n segments that learned longest ago; of equals, the lowest."""
    live = np.flatnonzero(segments.size)
    oldest = np.argsort(segments.used[live], kind="mergesort")
    for g in live[oldest[:n]]:
        remove(segments, past, g)


@njit(cache=True, nogil=True)
def create(rules: Rules, segments: Segments, past: Past, cell: int, free: int) -> int:
    """A new segment on the cell, at the first free place from `free` on; returns that place.

    A cell that is full drops the segment that learned longest ago; of equals, the lowest.
    """
    if past.held[cell] >= rules.per_cell:
        free = min(free, _drop(segments, past, cell))
    while segments.size[free] > 0:
        free += 1
    segments.owner[free] = cell
    segments.used[free] = past.step
    past.held[cell] += 1
    grow(rules, segments, past, free, rules.sample)
    return free


@njit(cache=True, nogil=True)
def _drop(segments: Segments, past: Past, cell: int) -> int:
    oldest = -1
    for g in range(segments.size.size):
        mine = segments.size[g] > 0 and segments.owner[g] == cell
        if mine and (oldest < 0 or segments.used[g] < segments.used[oldest]):
            oldest = g
    remove(segments, past, oldest)
    return oldest
