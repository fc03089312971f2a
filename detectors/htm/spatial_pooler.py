"""Spatial pooler: from active inputs to a fixed number of winning columns."""

from typing import NamedTuple

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.base import IntArray
from detectors.check import require
from detectors.htm.hashing import S33, hashed

UNIT = 0.0005
"""Permanences are held as whole multiples of this."""

TOP = 2000
"""Permanence 1, in units."""

ABSENT = -1
"""Stands where a column has no potential synapse on an input."""

Permanences = NDArray[np.int16]
"""(inputs, columns) of one series, in units"""


class PoolerRules(NamedTuple):
    """The parameters as the kernels take them, permanences in units."""

    active: int
    increment: int
    decrement: int
    connected: int


class SpatialPooler(msgspec.Struct, frozen=True, kw_only=True):
    """Columns that compete for the input; those with the most connected synapses on active inputs win.

    Inhibition is global, and there is no boosting. Permanences are rounded to 0.0005.

    columns:   how many there are.
    active:    how many win, at each reading; ties go to the lower column.
    potential: share of the inputs that a column can connect to, chosen by a hash of the seed.
    increment: of the permanence of a winner's synapses on active inputs.
    decrement: of those on silent inputs.
    connected: permanence from which a synapse counts. At first half of them are connected.

    Source: Cui, Ahmad and Hawkins, Frontiers in Computational Neuroscience 11 (2017); values of NuPIC's detector for
    the Numenta Anomaly Benchmark.
    """

    columns: int = 2048
    active: int = 40
    potential: float = 0.8
    increment: float = 0.003
    decrement: float = 0.0005
    connected: float = 0.2

    def __post_init__(self) -> None:
        require(self, "columns", 1 <= self.columns <= 65_536, "lie between 1 and 65,536")
        require(self, "active", 1 <= self.active <= self.columns, "lie between 1 and the number of columns")
        require(self, "potential", 0 < self.potential <= 1, "lie in (0, 1]")
        require(self, "increment", 0 <= self.increment <= 1, "lie in [0, 1]")
        require(self, "decrement", 0 <= self.decrement <= 1, "lie in [0, 1]")
        require(self, "connected", UNIT <= self.connected <= 1, f"lie between {UNIT} and 1")

    def rules(self) -> PoolerRules:
        """These parameters for `step`."""
        return PoolerRules(self.active, *(round(v / UNIT) for v in (self.increment, self.decrement, self.connected)))

    def permanences(self, inputs: int, seed: int) -> Permanences:
        """Those of one series that has seen nothing."""
        fresh = np.empty((inputs, self.columns), np.int16)
        _draw(seed, self.potential, self.rules().connected, fresh)
        return fresh


@njit(cache=True, nogil=True)
def _draw(seed: int, potential: float, connected: int, permanences: Permanences) -> None:
    """Uniform below `connected` or uniform from there up, both equally likely."""
    low, high = np.uint64(0xFFFFFFFF), np.uint64(32)
    for i in range(permanences.shape[0]):
        for c in range(permanences.shape[1]):
            h = hashed(seed, i, c)
            if float(h >> high) >= potential * 2.0**32:
                permanences[i, c] = ABSENT
                continue
            p = np.int64(hashed(seed + 1, i, c) >> S33)
            if h & low & np.uint64(1):
                permanences[i, c] = connected + p % (TOP + 1 - connected)
            else:
                permanences[i, c] = p % connected


@njit(cache=True, nogil=True)
def step(rules: PoolerRules, permanences: Permanences, inputs: IntArray, overlap: Permanences, won: IntArray) -> None:
    """Write the winning columns, rising, and teach them.

    inputs:  active inputs, each once
    overlap: (columns,) working space
    won:     (active,)
    """
    overlap[:] = 0
    for i in inputs:
        _add_connected(permanences[i], rules.connected, overlap)
    _compete(overlap, inputs.size, won)
    _learn(rules, permanences, inputs, won)


@njit(cache=True, nogil=True)
def _add_connected(permanence: Permanences, connected: int, overlap: Permanences) -> None:
    limit = np.int16(connected)
    for c in range(overlap.size):
        overlap[c] += np.int16(permanence[c] >= limit)


@njit(cache=True, nogil=True)
def _compete(overlap: Permanences, most: int, won: IntArray) -> None:
    """The columns with the largest overlaps, by counting how many have each."""
    counts = np.zeros(most + 1, np.int64)
    for o in overlap:
        counts[o] += 1
    least, above = most, 0
    while above + counts[least] < won.size:
        above += counts[least]
        least -= 1
    ties, k = won.size - above, 0
    for c in range(overlap.size):
        tied = overlap[c] == least and ties > 0
        if overlap[c] > least or tied:
            ties -= tied
            won[k] = c
            k += 1


@njit(cache=True, nogil=True)
def _learn(rules: PoolerRules, permanences: Permanences, inputs: IntArray, won: IntArray) -> None:
    active = np.zeros(permanences.shape[0], np.bool_)
    active[inputs] = True
    for i in range(active.size):
        change = rules.increment if active[i] else -rules.decrement
        row = permanences[i]
        for c in won:
            p = row[c]
            if p != ABSENT:
                row[c] = min(max(p + change, 0), TOP)
