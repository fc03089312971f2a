"""A backtest as one HTML page that needs no network: what would have been raised, when, and on which series."""

from collections.abc import Sequence

import numpy as np

from connectors.base import Alert
from streams.backtest import Backtest, Span
from streams.report.axis import axis
from streams.report.html import document, head, name, section, table, text, words
from streams.report.trace import WIDTH, Columns
from streams.say import moment, why

MOST = 40
"""series drawn, those with most alerts first"""

LISTED = 500
"""alerts in the table"""

LEFT, LINE, THIN = 240, 18, 3
"""px beside the drawing, of a series' line, and of an alert that closed at once"""


def page(found: Backtest, span: Span, *, pipeline: str) -> str:
    """HTML."""
    told = f"{len(found.alerts)} alerts on {len({a.series for a in found.alerts})} series in {found.days:.1f} days"
    body = [_figures(found), _drawing(found.alerts, span), _listing(found.alerts)]
    when = f"{moment(span.begin)} to {moment(span.end)} UTC"
    return document(f"Backtest of {pipeline}, {when}", f"{told}.", body)


def _figures(found: Backtest) -> str:
    rows = [f"{name(what)}{words(f'{value:,.6g}')}" for what, value in found.figures().items()]
    rows += [f"{name(f'rejected: {reason}')}{words(f'{count:,}')}" for reason, count in found.rejected.items()]
    return section(
        "figures",
        "In figures",
        table("What would have been raised", [[head("figure"), head("value", kind="words")]], rows),
    )


def _drawing(alerts: Sequence[Alert], span: Span) -> str:
    """A line for each series, a bar for each alert."""
    series = sorted({alert.series for alert in alerts}, key=lambda of: (-sum(a.series == of for a in alerts), of))
    if not series:
        return ""
    shown = series[:MOST]
    lines = [_line(of, [a for a in alerts if a.series == of], span, top=LINE * at) for at, of in enumerate(shown)]
    height = LINE * len(shown)
    times = np.linspace(span.begin, span.end - 1, WIDTH).astype(np.int64)
    below = f'<g transform="translate({LEFT} {height})">{axis(Columns.of(WIDTH), times, rows=False)}</g>'
    drawn = (
        f'<svg viewBox="0 0 {LEFT + WIDTH + 14} {height + 40}" role="img" aria-label="alerts of each series over time">'
        f"{''.join(lines)}{below}</svg>"
    )
    left = f"<p>{len(series) - MOST} more series with fewer alerts are not drawn.</p>" if len(series) > MOST else ""
    return section("times", "When", drawn, left)


def _line(series: str, alerts: Sequence[Alert], span: Span, *, top: int) -> str:
    bars = "".join(f"M{left} 3H{right}V{LINE - 3}H{left}z" for left, right in (_bar(a, span) for a in alerts))
    return (
        f'<g transform="translate({LEFT} {top})"><title>{text(series)}: {len(alerts)} alerts</title>'
        f'<text class="scale" x="-6" y="{LINE - 5}">{text(series[-38:])}</text>'
        f'<path class="frame" d="M0 {LINE}H{WIDTH}"/><path class="false" d="{bars}"/></g>'
    )


def _bar(alert: Alert, span: Span) -> tuple[int, int]:
    """From its opening to its end, which may lie beyond the page."""
    scale = WIDTH / (span.end - span.begin)
    left = int((alert.opened - span.begin) * scale)
    right = WIDTH if alert.closed is None else int((min(alert.closed, span.end) - span.begin) * scale)
    return left, max(right, left + THIN)


def _listing(alerts: Sequence[Alert]) -> str:
    heads = [
        [head(label, kind="words") for label in ("id", "opened (UTC)", "closed", "series", "watch", "kind", "why")]
    ]
    rows = [
        name(a.id[:8])
        + "".join(words(each) for each in (moment(a.opened), moment(a.closed), a.series, a.watch, a.kind, why(a)))
        for a in alerts[:LISTED]
    ]
    left = f"The first {LISTED} of {len(alerts)}; alerts.csv holds all." if len(alerts) > LISTED else "By time."
    return section("alerts", "Which", table(left, heads, rows)) if alerts else ""
