"""Temporal memory for reading: one cell and one segment at a time, in dictionaries and sets."""

from dataclasses import dataclass, field

from detectors.hashing import drawn
from detectors.htm.segments import Rules
from detectors.htm.temporal_memory import CHOICE, LOT, TOP


@dataclass
class Segment:
    """Belongs to a cell, and listens to others with a permanence each."""

    owner: int
    used: int
    synapses: dict[int, int] = field(default_factory=dict)


@dataclass
class NaiveMemory:
    """What `temporal_memory.step` does, written as the specification says it."""

    rules: Rules
    places: int
    room: int
    """synapses in a segment at most"""
    number: int = 0
    active: set[int] = field(default_factory=set)
    winners: set[int] = field(default_factory=set)
    segments: dict[int, Segment] = field(default_factory=dict)
    """place in the pool -> segment"""

    def step(self, columns: list[int]) -> float:
        self.number += 1
        potential = {g: sum(c in self.active for c in s.synapses) for g, s in self.segments.items()}
        matches = [g for g in sorted(self.segments) if potential[g] >= self.rules.minimum]
        connected = {g: self.count_connected(g) for g in matches}
        of_column: dict[int, list[int]] = {column: [] for column in columns}
        for g in matches:
            of_column.setdefault(self.column(g), []).append(g)

        active, winners, learners, unheard, foretold = set[int](), set[int](), set[int](), list[int](), 0.0
        for column in columns:
            mine = of_column[column]
            near = max((connected[g] for g in mine), default=0)
            foretold += min(1.0, near / self.rules.activation)
            if near >= self.rules.activation:
                firing = [g for g in mine if connected[g] >= self.rules.activation]
                learners |= set(firing)
                chosen = {self.segments[g].owner for g in firing}
                active |= chosen
            else:
                active |= set(self.cells(column))
                best = max(mine, key=lambda g: (potential[g], -g), default=None)
                learners |= {best} - {None}  # type: ignore[arg-type]
                chosen = {self.idlest(column) if best is None else self.segments[best].owner}
            if not mine:
                unheard += chosen
            winners |= chosen

        for g in matches:
            if g in learners:
                self.reinforce(g, self.rules.sample - potential[g])
            elif self.column(g) not in columns:
                self.punish(g)
        if self.winners:
            self.begin(unheard)
        self.active, self.winners = active, winners
        return 1.0 - foretold / len(columns)

    def cells(self, column: int) -> range:
        return range(column * self.rules.cells, (column + 1) * self.rules.cells)

    def column(self, g: int) -> int:
        return self.segments[g].owner // self.rules.cells

    def count_connected(self, g: int) -> int:
        synapses = self.segments[g].synapses
        return sum(p >= self.rules.connected and cell in self.active for cell, p in synapses.items())

    def idlest(self, column: int) -> int:
        owned = {cell: sum(s.owner == cell for s in self.segments.values()) for cell in self.cells(column)}
        idle = [cell for cell in self.cells(column) if owned[cell] == min(owned.values())]
        return idle[drawn(self.rules.seed, self.number, CHOICE + self.cells(column)[0], len(idle))]

    def reinforce(self, g: int, wanted: int) -> None:
        synapses = self.segments[g].synapses
        for cell, p in list(synapses.items()):
            synapses[cell] = min(p + self.rules.increment, TOP) if cell in self.active else p - self.rules.decrement
        self.segments[g].used = self.number
        if self.survives(g):
            self.grow(g, wanted)

    def punish(self, g: int) -> None:
        if self.rules.punishment == 0:
            return
        synapses = self.segments[g].synapses
        for cell in synapses:
            synapses[cell] -= self.rules.punishment * (cell in self.active)
        self.survives(g)

    def survives(self, g: int) -> bool:
        segment = self.segments[g]
        segment.synapses = {cell: p for cell, p in segment.synapses.items() if p > 0}
        if len(segment.synapses) < self.rules.minimum:
            del self.segments[g]
        return g in self.segments

    def grow(self, g: int, wanted: int) -> None:
        synapses = self.segments[g].synapses
        strangers = [cell for cell in sorted(self.winners) if cell not in synapses]
        wanted = max(0, min(wanted, len(strangers), self.room))
        while len(synapses) + wanted > self.room:
            del synapses[min(synapses, key=lambda cell: (synapses[cell], cell))]
        for i in range(wanted):
            j = i + drawn(self.rules.seed, self.number, (g << 16) + i, len(strangers) - i)
            strangers[i], strangers[j] = strangers[j], strangers[i]
            synapses[strangers[i]] = self.rules.initial

    def begin(self, unheard: list[int]) -> None:
        def oldest_first(g: int) -> tuple[int, int]:
            return self.segments[g].used, g

        if len(self.segments) + len(unheard) > self.places:
            for g in sorted(self.segments, key=oldest_first)[: max(len(unheard), self.places // LOT)]:
                del self.segments[g]
        for cell in unheard:
            mine = [g for g in self.segments if self.segments[g].owner == cell]
            if len(mine) >= self.rules.per_cell:
                del self.segments[min(mine, key=oldest_first)]
            g = min(set(range(self.places)) - self.segments.keys())
            self.segments[g] = Segment(cell, self.number)
            self.grow(g, self.rules.sample)
