"""One line over the rows of a recording, over what is labelled and what does not count, with its alerts."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d

from connectors.base import BoolArray, FloatArray, IntArray
from connectors.suites import Labelled
from streams.report.html import text
from streams.report.trace import WIDTH, Columns, path, placed

FINE = 2
"""steps in a px of height"""

HEADS = {"unknown": "0l-4 8h8z", "false": "8l-4-8h8z", "found": "0l-4 8h8z"}
"""triangles at the top of a tick, up for what found an event"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One line over the rows.

    kind:      a class of the style sheet
    height:    px
    bend:      from this size on the axis is logarithmic, below about linear; inf = nowhere
    ticks:     rows of alerts
    tolerance: rows around an event within which an alert found it
    """

    title: str
    values: FloatArray
    kind: str
    height: int
    told: str = ""
    bend: float = np.inf
    ticks: tuple[int, ...] = ()
    tolerance: int = 0


def panel_svg(of: Labelled, panel: Panel, columns: Columns) -> str:
    """Its drawing, the top left corner at 0, 0."""
    low, high = columns.extremes(panel.values)
    return (
        _shaded(of, columns, panel.height)
        + f'<path class="frame" d="M0 0H{WIDTH}V{panel.height}H0z"/>'
        + f'<text class="title" y="-6">{text(panel.title)}</text>'
        + f'<text class="told" x="{WIDTH}" y="-6">{text(panel.told)}</text>'
        + _trace(columns, low, high, panel)
        + _alerts(of, panel, columns)
    )


def _trace(columns: Columns, low: FloatArray, high: FloatArray, panel: Panel) -> str:
    known = ~np.isnan(low)
    if not known.any():
        return f'<text class="none" x="{WIDTH // 2}" y="{panel.height // 2 + 4}">nothing to draw</text>'
    bottom, top = float(low[known].min()), float(high[known].max())
    scale = _scale(bottom, top, panel)
    ends = np.array([bottom, top])
    if np.isfinite(panel.bend):
        low, high, ends = (np.arcsinh(values / panel.bend) for values in (low, high, ends))
    steps = panel.height * FINE
    above, below = (placed(values, bottom=ends[0], top=ends[1], height=steps) for values in (high, low))
    line = path(columns, above, below)
    return scale + f'<path class="{panel.kind}" transform="scale(1 {1 / FINE:g})" d="{line}"/>'


def _scale(bottom: float, top: float, panel: Panel) -> str:
    """Lowest and highest value, and whether the axis bends in between."""
    ends = (
        [(6, f"{top:.3g}"), (panel.height, f"{bottom:.3g}")]
        if top > bottom
        else [(panel.height // 2 + 4, f"{top:.3g}")]
    )
    if np.isfinite(panel.bend):
        ends.append((panel.height // 2 + 3, f"log > {panel.bend:.2g}"))
    return "".join(f'<text class="scale" x="-6" y="{y}">{told}</text>' for y, told in ends)


def _shaded(of: Labelled, columns: Columns, height: int) -> str:
    """Labelled events; over them, hatched, what does not count."""
    unjudged = of.labels < 0
    unjudged[: of.begin] = True
    return _blocks(columns, of.labels == 1, height, "event") + _blocks(columns, unjudged, height, "unjudged")


def _blocks(columns: Columns, rows: BoolArray, height: int, kind: str) -> str:
    drawn = "".join(f"M{left} 0H{right}V{height}H{left}z" for left, right in columns.spans(rows))
    return f'<path class="{kind}" d="{drawn}"/>' if drawn else ""


def _alerts(of: Labelled, panel: Panel, columns: Columns) -> str:
    """A tick with a head for each column in which alerts opened: up where they found an event, down where false."""
    drawn = []
    for kind, of_kind in _kinds(of, panel).items():
        rows = np.zeros(len(of.labels), np.bool_)
        rows[of_kind] = True
        at = columns.middles[columns.any(rows)].tolist()
        if at:
            ticks = "".join(f"M{x} 0V{panel.height}M{x} {HEADS[kind]}" for x in at)
            told = f"{len(of_kind)} alerts: {kind}"
            drawn.append(f'<path class="alert {kind}" d="{ticks}"><title>{told}</title></path>')
    return "".join(drawn)


def _kinds(of: Labelled, panel: Panel) -> dict[str, IntArray]:
    """Rows of the alerts that found an event, that are false, and that nobody can judge."""
    opened = np.array(panel.ticks, np.int64)
    counts = np.where(np.arange(len(of.labels)) < of.begin, -1, of.labels)
    near = maximum_filter1d((counts == 1).astype(np.uint8), 2 * panel.tolerance + 1)[opened] > 0
    judged = counts[opened] >= 0
    return {"unknown": opened[~judged], "false": opened[judged & ~near], "found": opened[judged & near]}
