"""Any number of rows as a line of at most a thousand columns that loses no extreme."""

from dataclasses import dataclass

import numpy as np

from connectors.base import BoolArray, FloatArray, IntArray

WIDTH = 1000
"""px, and most columns"""


@dataclass(frozen=True, slots=True)
class Columns:
    """Consecutive rows that share a column of pixels.

    starts: (c,) first row of each
    edges:  (c + 1,) px, from the left edge of the first to the right edge of the last
    """

    starts: IntArray
    edges: IntArray

    @classmethod
    def of(cls, rows: int) -> "Columns":
        """As many as there are pixels, or rows. Raises ValueError without a row."""
        if rows < 1:
            raise ValueError("a plot needs at least one row; got none")
        count = min(rows, WIDTH)
        starts = np.arange(count) * rows // count
        return cls(starts, np.round(np.arange(count + 1) * (WIDTH / count)).astype(np.int64))

    @property
    def middles(self) -> IntArray:
        """Of each, px (c,)."""
        middles: IntArray = (self.edges[:-1] + self.edges[1:]) // 2
        return middles

    def extremes(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest finite value (c,) of each column; NaN where there is none."""
        finite = np.where(np.isfinite(values), values, np.nan)
        return np.fmin.reduceat(finite, self.starts), np.fmax.reduceat(finite, self.starts)

    def any(self, rows: BoolArray) -> BoolArray:
        """(c,) whether it is so in any row of the column."""
        found: BoolArray = np.logical_or.reduceat(rows, self.starts)
        return found

    def spans(self, rows: BoolArray) -> list[tuple[int, int]]:
        """Left and right edge, px, of every run of columns in which it is so in any row."""
        steps = np.diff(self.any(rows).astype(np.int8), prepend=0, append=0)
        left, right = self.edges[np.flatnonzero(steps > 0)], self.edges[np.flatnonzero(steps < 0)]
        return list(zip(left.tolist(), right.tolist(), strict=True))


def placed(values: FloatArray, *, bottom: float, top: float, height: int) -> FloatArray:
    """Values as whole steps (c,) down from the top; the middle if top and bottom are one. NaN stays."""
    # halves, so that the distance of two finite numbers is finite
    room = top / 2 - bottom / 2
    share = (values / 2 - bottom / 2) / room if room > 0 else np.where(np.isnan(values), np.nan, 0.5)
    return np.round((1.0 - share) * height)


def path(columns: Columns, above: FloatArray, below: FloatArray) -> str:
    """An SVG path that sweeps each column from `above` to `below` (c,), whole steps; a column of NaN is a gap.

    It enters a column at the end that is nearer to where it left the last, and moves by differences: five
    characters or so for each column.
    """
    drawn, middles, last = [], columns.middles, -2
    x = y = 0
    for column in np.flatnonzero(~np.isnan(above)).tolist():
        ends = int(above[column]), int(below[column])
        enter, leave = ends if abs(ends[0] - y) <= abs(ends[1] - y) else ends[::-1]
        at = int(middles[column])
        drawn.append(_line(at - x, enter - y) if column == last + 1 else f"M{at} {enter}h0")
        drawn.append(f"v{leave - enter}" if leave != enter else "")
        x, y, last = at, leave, column
    return "".join(drawn)


def _line(right: int, down: int) -> str:
    return f"l{right}{' ' if down >= 0 else ''}{down}" if down else f"h{right}"
