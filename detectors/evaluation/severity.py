"""Disturbances of known kind and severity, planted into a recording that nobody has labelled."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

from detectors.base import BoolArray, FloatArray, IntArray

KINDS = ("spike", "level_shift", "drift", "noise", "stuck", "correlation_break")
LEVELS = 5
MAGNITUDES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""by severity, in the unit of the place: the first is hardly to be seen, the last is gross"""
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
"""by severity: how much of a correlation break is another time's order"""

LONGEST = 100
"""readings that a disturbance lasts at most (stuck: 160)"""
SHORTEST = 20
"""least of these in a short recording: below, durations are no longer distinct"""
APART = 7
"""times the longest from one place to the next: four of them stay quiet, for a detector to recover"""
EACH = 3
"""places for each kind and duration"""

LOCAL = 101
"""readings of the running median that is a variable's local level"""
RELATED = 0.3
"""least correlation of local movements between two variables that can be broken"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a disturbance is planted, once for each severity.

    variable: its column
    first:    its first row
    rows:     how many it lasts; stuck: at the lowest severity
    late:     rows after it in which an answer still counts
    unit:     of its magnitude, in the unit of the values
    seed:     of its sign and its noise, which are the same in all severities
    """

    kind: str
    variable: int
    first: int
    rows: int
    late: int
    unit: float
    seed: tuple[int, int]

    def end(self, level: int) -> int:
        """One past its last row; stuck lasts twice as long from each severity to the next."""
        return self.first + _lasts(self.kind, self.rows, level)


@dataclass(frozen=True, slots=True)
class Rung:
    """A place at a severity, 1 to LEVELS."""

    place: Place
    level: int


def ladder(values: FloatArray, *, begin: int, seed: int) -> list[list[Rung]]:
    """What to plant into each copy of a recording (rows, d), so that every place has every severity in some copy.

    Places are drawn by the seed, at or after row `begin`, apart from each other, each in one variable that is known
    and moves there. Copies come in groups of LEVELS with the same places; which place has which severity in which of
    them is drawn too, so that what a disturbance leaves behind in a detector favours no severity.

    Kinds that the recording has no place for are left out: no correlation can break where there is none.
    Raises ValueError if the recording is too short, if nothing in it moves, or if too much is missing.
    """
    longest = _longest(len(values), begin)
    units = deviations(values)
    if not units.any():
        raise ValueError("no variable moves, so there is nothing to measure a disturbance by")
    rng = np.random.default_rng(seed)
    copies: list[list[Rung]] = []
    for places in _rounds(values, units, begin, longest, seed, rng):
        orders = [rng.permutation(LEVELS) + 1 for _ in places]
        copies += [[Rung(p, int(o[k])) for p, o in zip(places, orders, strict=True)] for k in range(LEVELS)]
    if not copies:
        raise ValueError("readings are missing wherever a disturbance would have been planted")
    return copies


def planted(values: FloatArray, rungs: list[Rung]) -> FloatArray:
    """A copy of the recording (rows, d) with these disturbances; all other cells are untouched."""
    copy = values.copy()
    for rung in rungs:
        place = rung.place
        rows = slice(place.first, place.end(rung.level))
        copy[rows, place.variable] = _disturbed(values[rows, place.variable], place, rung.level)
    return copy


def deviations(values: FloatArray) -> FloatArray:
    """(d,) robust standard deviation of each variable from its local level; 0 = it does not move, or is never known.

    1.4826 times the median of the distances from a running median of LOCAL readings; where more than half of them are
    0, 1.2533 times their mean. Both are the standard deviation if the readings are normal.
    """
    return np.array([_deviation(column[np.isfinite(column)]) for column in _movements(values).T])


def related(values: FloatArray, units: FloatArray) -> BoolArray:
    """(d,) whether a variable's local movements go with those of another, by a correlation of at least RELATED."""
    found, moving = np.zeros(len(units), np.bool_), np.flatnonzero(units)
    if len(moving) > 1:
        scaled = np.clip(_movements(values)[:, moving] / units[moving], -5, 5)
        others = np.abs(np.corrcoef(np.nan_to_num(scaled), rowvar=False)) - np.eye(len(moving))
        found[moving] = others.max(axis=1) >= RELATED
    return found


def _longest(rows: int, begin: int) -> int:
    longest = min(LONGEST, (rows - begin) // (2 * APART))
    if longest < SHORTEST:
        needed = 2 * APART * SHORTEST
        raise ValueError(f"{rows - begin} rows count after the first {begin}, and a ladder needs {needed}: too short")
    return longest


def _lasts(kind: str, rows: int, level: int) -> int:
    return rows * 2 ** (level - 1) if kind == "stuck" else rows


def _durations(kind: str, longest: int) -> tuple[int, int, int]:
    """Spikes last a tenth of the others; how long a reading is stuck is its severity, so it begins with the least."""
    if kind == "spike":
        return max(longest // 100, 1), max(3 * longest // 100, 1), longest // 10
    if kind == "stuck":
        return longest // 10, longest // 10, longest // 10
    return longest // 10, 3 * longest // 10, longest


def _rounds(
    values: FloatArray, units: FloatArray, begin: int, longest: int, seed: int, rng: np.random.Generator
) -> list[list[Place]]:
    """The places of each group of copies, from first to last row."""
    scales = dict.fromkeys(KINDS, units) | {"correlation_break": units * related(values, units)}
    wanted = [(kind, n) for kind, of in scales.items() if of.any() for n in _durations(kind, longest)] * EACH
    wanted = [wanted[i] for i in rng.permutation(len(wanted))]
    slots = (len(values) - begin) // (APART * longest)
    rounds: list[list[Place]] = []
    for at in range(0, len(wanted), slots):
        part = wanted[at : at + slots]
        starts = (begin + _starts(len(part), slots, longest, rng)).tolist()
        places = []
        for number, ((kind, rows), first) in enumerate(zip(part, starts, strict=True), start=at):
            block = values[first : first + _lasts(kind, rows, LEVELS)]
            variable = _variable(kind, block, rows, scales[kind], rng)
            if variable is not None:
                unit = float(units[variable])
                places.append(Place(kind, variable, first, rows, longest // 10, unit, (seed, number)))
        rounds += [places] if places else []
    return rounds


def _starts(n: int, slots: int, longest: int, rng: np.random.Generator) -> IntArray:
    """Rows of n places, in different stretches of APART times the longest, near their begin."""
    taken = np.sort(rng.choice(slots, size=n, replace=False))
    starts: IntArray = taken * APART * longest + rng.integers(0, longest + 1, size=n)
    return starts


def _variable(kind: str, block: FloatArray, rows: int, units: FloatArray, rng: np.random.Generator) -> int | None:
    """One that is known throughout, and in which even the lowest severity makes a difference."""
    fits = (units > 0) & np.isfinite(block).all(axis=0)
    if kind in ("stuck", "correlation_break"):
        fits &= (block[:rows] != block[0]).any(axis=0)
    return int(rng.choice(np.flatnonzero(fits))) if fits.any() else None


def _movements(values: FloatArray) -> FloatArray:
    """(rows, d) distances from the local level; NaN where the reading is missing."""
    moved = np.full(values.shape, np.nan)
    for column, of in zip(values.T, moved.T, strict=True):
        known = np.isfinite(column)
        of[known] = column[known] - median_filter(column[known], size=LOCAL, mode="reflect")
    return moved


def _deviation(moved: FloatArray) -> float:
    if not moved.size:
        return 0.0
    return float(1.4826 * np.median(np.abs(moved)) or 1.2533 * np.mean(np.abs(moved)))


def _disturbed(block: FloatArray, place: Place, level: int) -> FloatArray:
    """The readings (rows,) of a variable at its place; spike and level shift differ in how long they last."""
    size = MAGNITUDES[level - 1] * place.unit
    drawn = np.random.default_rng(place.seed)
    match place.kind:
        case "spike" | "level_shift":
            return block + size * float(drawn.choice((-1, 1)))
        case "drift":
            return block + size * float(drawn.choice((-1, 1))) * np.arange(1, len(block) + 1) / len(block)
        case "noise":
            return block + size * drawn.standard_normal(len(block))
        case "stuck":
            return np.full_like(block, block[0])
    return _reordered(block, SHARES[level - 1])


def _reordered(block: FloatArray, share: float) -> FloatArray:
    """The same values, in an order between their own and that of half the block later."""
    blend = (1.0 - share) * _rank(block) + share * _rank(np.roll(block, len(block) // 2))
    ordered: FloatArray = np.sort(block)[_rank(blend)]
    return ordered


def _rank(values: FloatArray) -> IntArray:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable")
