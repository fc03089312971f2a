"""The axis below the panels: row numbers, and when those rows were measured."""

import numpy as np

from connectors.base import IntArray
from streams.report.trace import WIDTH, Columns

TICKS = 6
"""most of them, so that their times have room"""

HOUR = 3600 * 10**9
DATE, MINUTE, SECOND = (len(text) for text in ("2024-01-01", "2024-01-01 00:00", "2024-01-01 00:00:00"))


def axis(columns: Columns, times: IntArray, *, rows: bool = True) -> str:
    """Ticks at round rows, with their numbers or, for rows that mean nothing, without.

    times: (rows,) ns since 1970, UTC; left out if none is known
    """
    numbers = ticks(len(times))
    drawn = []
    for row, when in zip(numbers, _written(times[numbers], fine=bool(np.ptp(times) < 2 * HOUR)), strict=True):
        at = int(columns.middles[np.searchsorted(columns.starts, row, side="right") - 1])
        anchor = ' class="last"' if at > WIDTH - 60 else ' class="first"' if at < 40 else ""
        told = "".join(
            f'<text{anchor} y="{18 + 14 * line}">{label}</text>'
            for line, label in enumerate([f"{row:,}", when] if rows else [when])
        )
        drawn.append(f'<g transform="translate({at} 0)"><path class="frame" d="M0 0v5"/>{told}</g>')
    label = ", ".join(["row"] * rows + ["UTC"] * bool(times.any()))
    return f'<g class="axis">{"".join(drawn)}<text class="scale" x="-6" y="18">{label}</text></g>'


def _written(times: IntArray, *, fine: bool) -> list[str]:
    """To the minute or, if fine, the second; the date only where it changes; empty where nothing is known."""
    told, day = [], ""
    for time in times.tolist():
        whole = str(np.datetime64(time, "ns")).replace("T", " ")[: SECOND if fine else MINUTE] if time else ""
        told.append(whole if whole[:DATE] != day else whole[DATE + 1 :])
        day = whole[:DATE]
    return told


def ticks(rows: int) -> list[int]:
    """Rows at multiples of 1, 2 or 5 times a power of ten, the first row among them."""
    step = next(step for power in range(20) for m in (1, 2, 5) if (step := m * 10**power) * TICKS >= rows)
    return list(range(0, rows, step))
