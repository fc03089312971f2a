"""One recording as an SVG: what was read, what is labelled, and below it what each watch made of it."""

from collections.abc import Mapping, Sequence

import numpy as np

from connectors.base import FloatArray, IntArray
from connectors.suites import Labelled
from streams.evaluate import Judged
from streams.report.axis import axis
from streams.report.html import text
from streams.report.panel import Panel, panel_svg
from streams.report.trace import WIDTH, Columns

LEFT, RIGHT, TITLE, AXIS = 92, 14, 23, 40
"""px beside the panels, for the title of each, and below the last"""

SKEWED = 20
"""A score whose top is this many times what 95 % of its rows stay below has an axis that is logarithmic there."""

DEFINITIONS = (
    '<svg class="definitions" width="0" height="0" aria-hidden="true"><defs>'
    '<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<path class="hatch" d="M0 0V6"/></pattern></defs></svg>'
)
"""once in a page"""


def plot(of: Labelled, panels: Sequence[Panel], times: IntArray, *, anchor: str) -> str:
    """Panels one below the other over one axis of rows and times (rows,), ns since 1970, 0 = not known."""
    columns = Columns.of(len(of.labels))
    width, height = LEFT + WIDTH + RIGHT, sum(panel.height + TITLE for panel in panels) + AXIS
    drawn, down = [], 0
    for panel in panels:
        drawn.append(f'<g transform="translate({LEFT} {down + TITLE})">{panel_svg(of, panel, columns)}</g>')
        down += panel.height + TITLE
    drawn.append(f'<g transform="translate({LEFT} {down})">{axis(columns, times)}</g>')
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{anchor}-t {anchor}-d">'
        f'<title id="{anchor}-t">{text(of.name)}</title><desc id="{anchor}-d">{text(_described(of, panels))}</desc>\n'
        + "\n".join(drawn)
        + "</svg>"
    )


def value_panel(name: str, values: FloatArray, *, number: int, told: str = "") -> Panel:
    """A variable (rows,)."""
    return Panel(title=name, values=values, kind=f"value v{number}", height=58, told=told)


def score_panel(one: Judged, *, tolerance: int = 0) -> Panel:
    """The score of a watch, with its alerts."""
    return Panel(
        title=one.watch,
        values=one.score,
        kind="score",
        height=44,
        told=_told(one.figures),
        bend=_bend(one.score),
        ticks=one.opened,
        tolerance=tolerance,
    )


def _told(figures: Mapping[str, float]) -> str:
    told = [f"VUS-PR {figures['vus_pr']:.3f}"] if "vus_pr" in figures else []
    if figures.get("events"):
        told.append(f"found {figures.get('found', 0):.0f} of {figures['events']:.0f}")
    if "false_alerts" in figures:
        told.append(f"false alerts {figures['false_alerts']:.0f}")
    return " · ".join(told)


def _bend(score: FloatArray) -> float:
    """Where one top would flatten all the rest, the size that 95 % of the rows stay below."""
    known = np.abs(score[np.isfinite(score)])
    most = float(np.quantile(known, 0.95)) if len(known) else 0.0
    return most if most > 0 and known.max() > SKEWED * most else np.inf


def _described(of: Labelled, panels: Sequence[Panel]) -> str:
    """What the drawing shows, for who cannot see it."""
    lines = [f"{panel.title}: {panel.told}" if panel.told else panel.title for panel in panels]
    return f"{len(of.labels)} rows, of which the first {of.begin} do not count. From the top: {'; '.join(lines)}."
