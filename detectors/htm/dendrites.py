"""Which segments the last step gave input to, and what they say of each column."""

from typing import NamedTuple

import numpy as np
from numba import njit

from detectors.base import BoolArray, IntArray, UInt8Array
from detectors.htm.segments import Past, Rules, Segments, Words


class Matches(NamedTuple):
    """The segments (k,), rising, that had enough input at the step before.

    segment:   places in the pool
    potential: synapses on active cells
    connected: those of them that count
    """

    segment: IntArray
    potential: IntArray
    connected: IntArray


class Columns(NamedTuple):
    """What the matches (by index, -1 = none) say of each column.

    came:    (columns,) it is active now
    nearest: (columns,) largest number of connected synapses on active cells of a match
    best:    (columns,) match with the most synapses on active cells; of equals, the lowest
    """

    came: BoolArray
    nearest: IntArray
    best: IntArray


@njit(cache=True, nogil=True)
def matched(rules: Rules, segments: Segments, past: Past) -> Matches:
    """One pass over all synapses; counts the segments of each cell on the way."""
    on = past.on.view(np.uint8)
    places, potentials = np.empty(segments.size.size, np.int64), np.empty(segments.size.size, np.int64)
    n = 0
    for g in range(segments.size.size):
        size = int(segments.size[g])
        if size == 0:
            continue
        past.held[segments.owner[g]] += 1
        potential = _heard(on, segments.presynaptic[g], size)
        if potential >= rules.minimum:
            places[n], potentials[n] = g, potential
            n += 1
    connected = np.empty(n, np.int64)
    for k in range(n):
        connected[k] = _connected(on, segments, places[k], rules.connected)
    return Matches(places[:n], potentials[:n], connected)


@njit(cache=True, nogil=True)
def _heard(on: UInt8Array, presynaptic: Words, size: int) -> int:
    total = 0
    for j in range(size):
        total += on[presynaptic[j]]
    return total


@njit(cache=True, nogil=True)
def _connected(on: UInt8Array, segments: Segments, g: int, limit: int) -> int:
    total, presynaptic, permanence = 0, segments.presynaptic[g], segments.permanence[g]
    for j in range(segments.size[g]):
        # no branch: half of them would be mispredicted
        total += on[presynaptic[j]] * (permanence[j] >= limit)
    return total


@njit(cache=True, nogil=True)
def surveyed(rules: Rules, segments: Segments, matches: Matches, columns: int, won: IntArray) -> Columns:
    """What the matches say of each of so many columns, of which `won` are active now."""
    came = np.zeros(columns, np.bool_)
    came[won] = True
    nearest, best = np.zeros(columns, np.int64), np.full(columns, -1)
    for k in range(matches.segment.size):
        c = segments.owner[matches.segment[k]] // rules.cells
        nearest[c] = max(nearest[c], matches.connected[k])
        if best[c] < 0 or matches.potential[k] > matches.potential[best[c]]:
            best[c] = k
    return Columns(came, nearest, best)
