"""Streams in which only the order of readings goes wrong: every value is known, none is rare."""

from dataclasses import dataclass

import numpy as np

from detectors.base import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequences:
    """A machine that runs through a few programs, again and again, in random order.

    A program is a fixed sequence of levels. Programs share levels, so that what comes next depends on more than the
    last reading. In a broken run two levels of a program are exchanged: the same values, with the same noise, in the
    wrong order. A score of single readings, or of their distribution, cannot know.

    programs: how many there are
    length:   readings of a program
    levels:   different values; fewer make programs share more of them
    noise:    standard deviation of a reading around its level; levels are 1 apart
    broken:   share of the runs that are broken, after the first `learned` readings
    """

    programs: int = 4
    length: int = 8
    levels: int = 6
    noise: float = 0.05
    broken: float = 0.03
    learned: int = 3000

    def __post_init__(self) -> None:
        if self.programs < 1 or self.length < 3 or self.levels < 3:
            raise ValueError("programs must be at least 1, length and levels at least 3")
        if not 0 <= self.broken <= 1:
            raise ValueError(f"broken must lie in [0, 1]; got {self.broken}")

    def draw(self, rows: int, *, seed: int) -> tuple[FloatArray, IntArray]:
        """Readings (rows, 1) and labels (rows,), 1 from the first exchanged reading of a broken run to the second."""
        rng = np.random.default_rng(seed)
        programs = self._programs(rng)
        runs = -(-rows // self.length)
        order = programs[rng.integers(0, self.programs, runs)]
        labels = np.zeros((runs, self.length), np.int64)
        first = -(-self.learned // self.length)
        for run in np.flatnonzero(rng.random(runs) < self.broken):
            if run >= first:
                labels[run] = _exchange(order[run], rng)
        values = order.ravel() + rng.normal(0.0, self.noise, runs * self.length)
        return values[:rows, None], labels.ravel()[:rows]

    def _programs(self, rng: np.random.Generator) -> FloatArray:
        """(programs, length) levels; no reading repeats the one before it."""
        found = np.empty((self.programs, self.length))
        for program in found:
            program[0] = rng.integers(self.levels)
            for at in range(1, self.length):
                program[at] = (program[at - 1] + rng.integers(1, self.levels)) % self.levels
        return found


def _exchange(run: FloatArray, rng: np.random.Generator) -> IntArray:
    """Exchange two different readings of a run, in place, and label (length,) what lies between."""
    first, second = sorted(rng.choice(len(run), 2, replace=False).tolist())
    while run[first] == run[second]:
        first, second = sorted(rng.choice(len(run), 2, replace=False).tolist())
    run[[first, second]] = run[[second, first]]
    labels = np.zeros(len(run), np.int64)
    labels[first : second + 1] = 1
    return labels
