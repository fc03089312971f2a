"""Spatial pooler: from active inputs to a fixed number of winning columns."""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from detectors.base import IntArray
from detectors.check import require
from detectors.hashing import drawn, hashed

UNIT = 0.0005
"""Permanences are held as whole multiples of this."""

TOP = 2000
"""Permanence 1, in units."""

ABSENT = -1
"""Stands where a column has no potential synapse on an input."""

WORD = 64
"""Columns whose bits stand in one word."""

Permanences = NDArray[np.int16]
Bits = NDArray[np.uint64]


@dataclass(slots=True)
class PoolerState:
    """What the columns of each series listen to.

    permanence: (n, columns, inputs) in units
    connected:  (n, inputs, words) bit c % 64 of word c // 64: column c has a connected synapse on the input. It follows
                from the permanences, and is kept because counting bits is many times faster than comparing permanences
    """

    permanence: Permanences
    connected: Bits


class PoolerRules(NamedTuple):
    """The parameters as the kernels take them, permanences in units."""

    active: int
    increment: int
    decrement: int
    connected: int


class SpatialPooler(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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

    def init(self, n: int, inputs: int, seed: int) -> PoolerState:
        """State of `n` series that have seen nothing."""
        permanence = np.empty((self.columns, inputs), np.int16)
        connected = np.zeros((inputs, -(-self.columns // WORD)), np.uint64)
        if n:
            _draw(seed, self.potential, self.rules().connected, permanence, connected)
        return PoolerState(np.repeat(permanence[None], n, axis=0), np.repeat(connected[None], n, axis=0))


@njit(cache=True, nogil=True, inline="always")
def _flip(connected: Bits, i: int, c: int) -> None:
    connected[i, c // WORD] ^= np.uint64(1) << np.uint64(c % WORD)


@njit(cache=True, nogil=True)
def _draw(seed: int, potential: float, limit: int, permanence: Permanences, connected: Bits) -> None:
    """Uniform below the limit or uniform from there up, both equally likely."""
    for c in range(permanence.shape[0]):
        for i in range(permanence.shape[1]):
            kind, p = hashed(seed, 2 * i, c), drawn(seed, 2 * i + 1, c, TOP * TOP)
            if float(kind >> np.uint64(32)) >= potential * 2.0**32:
                permanence[c, i] = ABSENT
            elif kind & np.uint64(1):
                permanence[c, i] = limit + p % (TOP + 1 - limit)
                _flip(connected, i, c)
            else:
                permanence[c, i] = p % limit


@njit(cache=True, nogil=True)
def step(rules: PoolerRules, permanence: Permanences, connected: Bits, inputs: IntArray, won: IntArray) -> None:
    """Write the winning columns, rising, and teach them.

    inputs: active inputs, each once
    won:    (active,)
    """
    _compete(_overlaps(connected, inputs, permanence.shape[0]), inputs.size, won)
    _learn(rules, permanence, connected, inputs, won)


@njit(cache=True, nogil=True)
def _overlaps(connected: Bits, inputs: IntArray, columns: int) -> IntArray:
    """How many of the inputs each column is connected to, counted in binary, 64 columns at once."""
    digits = 1
    while inputs.size >> digits:
        digits += 1
    count = np.zeros((digits, connected.shape[1]), np.uint64)
    for i in inputs:
        carry = connected[i].copy()
        for d in range(digits):
            for w in range(carry.size):
                both = count[d, w] & carry[w]
                count[d, w] ^= carry[w]
                carry[w] = both
    overlaps = np.zeros(columns, np.int64)
    for d in range(digits):
        for c in range(columns):
            digit = (count[d, c // WORD] >> np.uint64(c % WORD)) & np.uint64(1)
            overlaps[c] += np.int64(digit) << d
    return overlaps


@njit(cache=True, nogil=True)
def _compete(overlaps: IntArray, most: int, won: IntArray) -> None:
    """The columns with the largest overlaps, by counting how many have each."""
    counts = np.zeros(most + 1, np.int64)
    for o in overlaps:
        counts[o] += 1
    least, above = most, 0
    while above + counts[least] < won.size:
        above += counts[least]
        least -= 1
    ties, k = won.size - above, 0
    for c in range(overlaps.size):
        tied = overlaps[c] == least and ties > 0
        if overlaps[c] > least or tied:
            ties -= tied
            won[k] = c
            k += 1


@njit(cache=True, nogil=True)
def _learn(rules: PoolerRules, permanence: Permanences, connected: Bits, inputs: IntArray, won: IntArray) -> None:
    change = np.full(permanence.shape[1], -rules.decrement)
    change[inputs] = rules.increment
    for c in won:
        row = permanence[c]
        for i in range(row.size):
            if row[i] == ABSENT:
                continue
            p = min(max(row[i] + change[i], 0), TOP)
            if (p >= rules.connected) != (row[i] >= rules.connected):
                _flip(connected, i, c)
            row[i] = p
