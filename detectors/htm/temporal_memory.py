"""Temporal memory: which cells speak for a column tells what came before; their segments foretell what comes."""

from dataclasses import dataclass

import msgspec
import numpy as np
from numba import njit

from detectors.base import IntArray, UInt8Array
from detectors.check import require
from detectors.hashing import drawn
from detectors.htm.dendrites import Columns, Matches, matched, surveyed
from detectors.htm.segments import Past, Rules, Segments, Sizes, Words, create, evict, grow, punish, reinforce

UNIT = 0.001
"""Permanences are held as whole multiples of this."""

TOP = 1000
"""Permanence 1, in units."""

SILENT, ACTIVE, WINNER = 0, 1, 2
"""What a cell is; a winner is active, too."""

LOT = 64
"""A full pool loses at least one segment of so many at once: choosing them costs more than removing them."""

CHOICE = 1 << 48
"""Keeps the draws of a winner among the cells of a column apart from the draws of synapses."""


@dataclass(slots=True)
class MemoryState:
    """Arrays by series (n,), by cell (n, c), by segment (n, s) and by synapse (n, s, m), see `Segments`."""

    step: IntArray
    won: IntArray
    """(n, active) columns that were active, rising"""
    cells: UInt8Array
    owner: Words
    size: Sizes
    used: IntArray
    presynaptic: Words
    permanence: Words


class TemporalMemory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sequences of sets of columns, learned online, each column in the context of what came before it.

    The plain form, without backtracking. Synapses are counted in one pass over the whole pool, which on noisy streams,
    where many segments have some input, is faster than an index. Permanences are rounded to 0.001.

    cells:      per column: contexts in which a column can be told apart.
    activation: connected synapses on active cells that make a segment foretell its cell.
    minimum:    synapses on active cells, connected or not, that make a segment a match, which learns if its column
                comes; one with fewer synapses is removed.
    initial:    permanence of a new synapse.
    connected:  permanence from which a synapse counts.
    increment:  of the permanence of synapses on active cells, when the segment learns.
    decrement:  of those on silent cells.
    punishment: of those on active cells, where the column did not come. 0 never unlearns; 0.01 where it matters.
    sample:     active synapses that a segment which learns grows up to.
    segments:   places in the pool; a full one drops those that learned longest ago.
    per_cell:   segments of one cell at most.
    synapses:   of one segment at most; the weakest make room.

    Source: Hawkins and Ahmad, Frontiers in Neural Circuits 10 (2016), as in NuPIC's plain temporal memory; values of
    its detector for the Numenta Anomaly Benchmark, but for fewer cells and a bounded pool.
    """

    cells: int = 8
    activation: int = 20
    minimum: int = 13
    initial: float = 0.24
    connected: float = 0.5
    increment: float = 0.04
    decrement: float = 0.008
    punishment: float = 0.0
    sample: int = 31
    segments: int = 8192
    per_cell: int = 128
    synapses: int = 64

    def __post_init__(self) -> None:
        require(self, "cells", self.cells >= 1, "be at least 1")
        require(self, "minimum", self.minimum >= 1, "be at least 1 synapse")
        require(self, "activation", self.activation >= self.minimum, "be at least minimum")
        require(self, "sample", self.sample >= self.activation, "be at least activation")
        require(self, "synapses", self.sample <= self.synapses <= 32_767, "lie between sample and 32,767")
        require(self, "segments", 1 <= self.segments <= 2**30, "lie between 1 and 2^30")
        require(self, "per_cell", 1 <= self.per_cell <= 32_767, "lie between 1 and 32,767")
        for name in ("initial", "connected"):
            require(self, name, UNIT <= getattr(self, name) <= 1, f"lie between {UNIT} and 1")
        for name in ("increment", "decrement", "punishment"):
            require(self, name, 0 <= getattr(self, name) <= 1, "lie in [0, 1]")

    def rules(self, seed: int) -> Rules:
        """These parameters for `step`."""
        return Rules(
            cells=self.cells,
            activation=self.activation,
            minimum=self.minimum,
            initial=_units(self.initial),
            connected=_units(self.connected),
            increment=_units(self.increment),
            decrement=_units(self.decrement),
            punishment=_units(self.punishment),
            sample=self.sample,
            per_cell=self.per_cell,
            seed=seed,
        )

    def init(self, n: int, columns: int, active: int) -> MemoryState:
        """State of `n` series that have seen nothing."""
        return MemoryState(
            step=np.zeros(n, np.int64),
            won=np.zeros((n, active), np.int64),
            cells=np.zeros((n, columns * self.cells), np.uint8),
            owner=np.zeros((n, self.segments), np.uint16),
            size=np.zeros((n, self.segments), np.int16),
            used=np.zeros((n, self.segments), np.int64),
            presynaptic=np.zeros((n, self.segments, self.synapses), np.uint16),
            permanence=np.zeros((n, self.segments, self.synapses), np.uint16),
        )


def _units(permanence: float) -> int:
    return round(permanence / UNIT)


@njit(cache=True, nogil=True)
def listed(rules: Rules, cells: UInt8Array, won: IntArray, least: int) -> IntArray:
    """The cells, rising, of these active columns that are at least this, ACTIVE or WINNER."""
    found, n = np.empty(won.size * rules.cells, np.int64), 0
    for c in won:
        for cell in range(c * rules.cells, (c + 1) * rules.cells):
            if cells[cell] >= least:
                found[n] = cell
                n += 1
    return found[:n]


@njit(cache=True, nogil=True)
def step(rules: Rules, segments: Segments, past: Past, cells: UInt8Array, won: IntArray) -> float:
    """One step with these active columns, rising; writes what the cells are now. Returns the graded raw score.

    It is 1 minus the mean over the active columns of min(1, connected synapses on active cells of the column's nearest
    match / activation): 0 where all of them were foretold, 1 where nothing came near.
    """
    matches = matched(rules, segments, past)
    columns = surveyed(rules, segments, matches, cells.size // rules.cells, won)
    cells[:] = SILENT
    score = _activate(rules, segments, past, matches, columns, cells, won)
    _learn(rules, segments, past, matches, columns)
    _begin(rules, segments, past, columns, cells, won)
    return score


@njit(cache=True, nogil=True)
def recall(rules: Rules, number: int, cells: UInt8Array, won: IntArray) -> Past:
    """What step `number` needs to know of the one before: its cells and its active columns."""
    winners = listed(rules, cells, won, WINNER)
    return Past(number, cells > SILENT, winners, np.zeros(cells.size, np.int16), np.zeros(cells.size, np.bool_))


@njit(cache=True, nogil=True)
def _activate(
    rules: Rules,
    segments: Segments,
    past: Past,
    matches: Matches,
    columns: Columns,
    cells: UInt8Array,
    won: IntArray,
) -> float:
    """Foretold cells win; a column without any bursts: all its cells are active, and one of them wins."""
    foretold = 0.0
    for c in won:
        foretold += min(1.0, columns.nearest[c] / rules.activation)
        if columns.nearest[c] < rules.activation:
            first = c * rules.cells
            cells[first : first + rules.cells] = ACTIVE
            best = columns.best[c]
            chosen = segments.owner[matches.segment[best]] if best >= 0 else _idlest(rules, past, first)
            cells[chosen] = WINNER
    for k in range(matches.segment.size):
        cell = segments.owner[matches.segment[k]]
        if columns.came[cell // rules.cells] and matches.connected[k] >= rules.activation:
            cells[cell] = WINNER
    return 1.0 - foretold / won.size


@njit(cache=True, nogil=True)
def _idlest(rules: Rules, past: Past, first: int) -> int:
    """The cell of a column with the fewest segments; of equals, one drawn by hash."""
    counts = past.held[first : first + rules.cells]
    idlest = np.flatnonzero(counts == counts.min())
    return first + int(idlest[drawn(rules.seed, past.step, CHOICE + first, idlest.size)])


@njit(cache=True, nogil=True)
def _learn(rules: Rules, segments: Segments, past: Past, matches: Matches, columns: Columns) -> None:
    """What foretold a column that came, or came nearest to it, is reinforced; what foretold another is punished."""
    for k in range(matches.segment.size):
        g = matches.segment[k]
        c = segments.owner[g] // rules.cells
        if columns.came[c]:
            bursts = columns.nearest[c] < rules.activation
            learns = columns.best[c] == k if bursts else matches.connected[k] >= rules.activation
            if learns and reinforce(rules, segments, past, g, TOP):
                grow(rules, segments, past, g, rules.sample - matches.potential[k])
        elif rules.punishment > 0:
            punish(rules, segments, past, g)


@njit(cache=True, nogil=True)
def _begin(rules: Rules, segments: Segments, past: Past, columns: Columns, cells: UInt8Array, won: IntArray) -> None:
    """Columns that nothing came near to begin a segment on their winner, from the winners before."""
    if past.winners.size == 0:
        return
    unheard = won[columns.best[won] < 0]
    places = segments.size.size
    if np.count_nonzero(segments.size) + unheard.size > places:
        evict(segments, past, max(unheard.size, places // LOT))
    free = 0
    for c in unheard:
        first = c * rules.cells
        winner = first + np.argmax(cells[first : first + rules.cells])
        free = create(rules, segments, past, winner, free)
