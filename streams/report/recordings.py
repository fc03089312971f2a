"""The recordings of a report: a table of contents, and a plot of each."""

import numpy as np

from connectors.base import FloatArray, IntArray
from connectors.recording_files import open_file
from connectors.recordings import numbers
from connectors.suites import Labelled
from streams.candidates import BASELINE
from streams.evaluate import Judged
from streams.report.contents import Report
from streams.report.html import cell, head, name, paragraph, section, table, text
from streams.report.panel import Panel
from streams.report.plot import plot, score_panel, value_panel
from streams.say import number

MOST = 60
"""plots in a page"""

ALL_DRAWN = 4
"""variables up to which each has a panel"""

KEY = (
    ('<path class="event" d="M0 0H26V14H0z"/>', "labelled event"),
    ('<path class="unjudged" d="M0 0H26V14H0z"/>', "does not count"),
    ('<path class="alert found" d="M13 0V14M13 0l-4 8h8z"/>', "alert that found an event"),
    ('<path class="alert false" d="M13 0V14M13 8l-4-8h8z"/>', "false alert"),
)


def drawn(report: Report) -> dict[str, str]:
    """Recording -> the anchor of its plot, in order; of more than 60, those with the lowest mean VUS-PR."""
    names = list(dict.fromkeys(one.recording.name for one in report.evaluation.judged))
    if len(names) > MOST:
        worst = set(sorted(names, key=lambda of: _mean(_scored(report, of)))[:MOST])
        names = [of for of in names if of in worst]
    return {of: f"r{number}" for number, of in enumerate(names, 1)}


def _scored(report: Report, recording: str) -> list[Judged]:
    """What the watches made of a recording; baselines if there is no watch."""
    of = [one for one in report.evaluation.judged if one.recording.name == recording]
    return [one for one in of if not one.watch.startswith(BASELINE)] or of


def _mean(of: list[Judged]) -> float:
    """VUS-PR; what has none comes last."""
    known = [one.figures["vus_pr"] for one in of if "vus_pr" in one.figures]
    return float(np.mean(known)) if known else np.inf


def overview(report: Report, anchors: dict[str, str]) -> str:
    """A line for each recording, which leads to its plot."""
    watches = list(dict.fromkeys(one.watch for one in _all_scored(report)))
    of: dict[str, list[Judged]] = {}
    for one in _all_scored(report):
        of.setdefault(one.recording.name, []).append(one)
    rows = []
    for recording, judged in of.items():
        by_watch = {one.watch: one for one in judged}
        cells = [_cells(by_watch.get(watch)) for watch in watches]
        rows.append(name(recording, link=anchors.get(recording, "")) + _size(judged[0]) + "".join(cells))
    top = ['<td colspan="3"></td>', *(head(watch, scope="colgroup", span=3) for watch in watches)]
    heads = [*map(head, ("recording", "rows", "events")), *map(head, ("VUS-PR", "found", "false") * len(watches))]
    left = len(of) - len(anchors)
    note = f" The {len(anchors)} with the lowest mean VUS-PR are drawn, {left} are not." if left else ""
    caption = "Each name leads to its plot; figures.csv holds every figure." + note
    return section("recordings", "Recordings", table(caption, [top, heads], rows))


def _all_scored(report: Report) -> list[Judged]:
    judged = report.evaluation.judged
    return [one for one in judged if not one.watch.startswith(BASELINE)] or judged


def _size(one: Judged) -> str:
    of, known = one.recording, one.figures.get("events")
    return cell(f"{len(of.labels):,}") + cell(number(known, ".0f"))


def _cells(one: Judged | None) -> str:
    of = one.figures if one else {}
    return "".join(
        cell(number(of.get(figure), form))
        for figure, form in (("vus_pr", ".3f"), ("found", ".0f"), ("false_alerts", ".0f"))
    )


def plots(report: Report, anchors: dict[str, str]) -> str:
    """Values, labels, scores and alerts of each recording that is drawn."""
    keys = "".join(f'<li><svg viewBox="0 0 26 14" aria-hidden="true">{sign}</svg>{told}</li>' for sign, told in KEY)
    figures = [_figure(_scored(report, of), anchor, report.evaluation.tolerance) for of, anchor in anchors.items()]
    told = paragraph(
        "No extreme is lost: each column of pixels reaches from its lowest to its highest value.", kind="small"
    )
    return section("plots", "Plots", f'<ul class="key">{keys}</ul>', told, *figures)


def _figure(judged: list[Judged], anchor: str, tolerance: int) -> str:
    of = judged[0].recording
    panels = [*_values(of), *(score_panel(one, tolerance=tolerance) for one in judged)]
    kinds = f" · {', '.join(of.kinds)}" if of.kinds else ""
    variables = "1 variable" if len(of.variables) == 1 else f"{len(of.variables)} variables"
    about = f"{len(of.labels):,} rows · {variables} · asset {of.asset}{kinds}"
    return (
        f'<figure id="{anchor}"><figcaption><a class="up" href="#recordings">all recordings</a>'
        f'<h3>{text(of.name)}</h3><span class="small">{text(about)}</span></figcaption>\n'
        f"{plot(of, panels, _times(of), anchor=anchor)}</figure>"
    )


def _values(of: Labelled) -> list[Panel]:
    """All variables if they are few, else the one that moves most."""
    names, values = numbers(of.path)
    if len(names) <= ALL_DRAWN:
        return [value_panel(each, values[:, at], number=at) for at, each in enumerate(names)]
    at = moves_most(values, of.labels)
    return [value_panel(names[at], values[:, at], number=0, told=f"moves most of {len(names)} variables")]


def moves_most(values: FloatArray, labels: IntArray) -> int:
    """The variable whose mean in the events is farthest from that of the other rows, in its own deviations.

    Without an event, the one with the highest reading, in deviations from its mean. Chosen for the eye, not judged.
    """
    finite = np.where(np.isfinite(values), values, np.nan)
    inside, outside = finite[labels == 1], finite[labels != 1]
    moves = [_moved(inside[:, at], outside[:, at]) for at in range(values.shape[1])]
    return int(np.argmax(moves))


def _moved(inside: FloatArray, outside: FloatArray) -> float:
    inside, outside = inside[~np.isnan(inside)], outside[~np.isnan(outside)]
    if not len(outside) or not (spread := float(np.std(outside))):
        return 0.0
    middle = float(np.mean(outside))
    return abs(float(np.mean(inside)) - middle) / spread if len(inside) else float(np.ptp(outside)) / spread


def _times(of: Labelled) -> IntArray:
    return open_file(of.path, time="timestamp", series="series").times
