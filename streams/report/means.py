"""The means of a report: each watch beside the baselines, what to know before believing them, and NAB's scores."""

from collections.abc import Mapping, Sequence
from math import nan

from detectors.evaluation.adjusted import WARNING
from streams.candidates import BASELINE
from streams.evaluate import summary
from streams.report.contents import Report
from streams.report.html import cell, head, name, paragraph, section, table, text
from streams.report.metrics import best, columns, metric, title
from streams.say import number

ADJUSTED = "point_adjusted_f1"
RANDOM = BASELINE + "random"

NOTES = (
    "Baselines know nothing, or little: a watch that does not clearly beat all of them has shown nothing.",
    "PATE joins the points of its curve by straight lines, which flatters scores of few distinct values: look at what "
    "baseline.constant gets. PATE-step does not.",
    "VUS, PATE and ROC judge the ranking of the scores at all thresholds; found, delay and false alerts judge the "
    "alerts that a person would have had at the thresholds of the watch, which are taken from the past only.",
    "Every reading is scored before it is learned. The begin of each recording (hatched in the plots) does not count.",
    "A figure that is not defined on a recording, for there is no event for one, is left out of the mean.",
)

PROFILES = {"standard": "standard", "reward_low_FP_rate": "low FP", "reward_low_FN_rate": "low FN"}


def means(report: Report) -> str:
    """One line for each watch and baseline; the best of each column is marked."""
    of = summary(report.evaluation)
    figures = columns({figure for told in of.values() for figure in told})
    rows = _compared(of, figures)
    heads = [head("watch"), *(head(metric(figure).heading, title=title(metric(figure))) for figure in figures)]
    told = "Means over the recordings; counts are sums. Best of each column marked. Point at a heading for its meaning."
    return section("means", "How good each watch is", table(told, [heads], rows), _meanings(figures))


def _compared(of: Mapping[str, Mapping[str, float]], figures: Sequence[str]) -> list[str]:
    """Lines of watches, then of baselines."""
    rows, was = [], False
    tops = {f: best([told.get(f) for told in of.values() if _may_be_best(f, told)], metric(f).better) for f in figures}
    for watch, told in of.items():
        marks = ["best" if _may_be_best(f, told) and told.get(f, nan) == tops[f] else "" for f in figures]
        cells = [cell(number(told.get(f), metric(f).form), mark=mark) for f, mark in zip(figures, marks, strict=True)]
        is_baseline = watch.startswith(BASELINE)
        kind = "baseline rule" if is_baseline > was else "baseline" if is_baseline else ""
        rows.append(f'<tr class="{kind}">{name(watch)}{"".join(cells)}</tr>')
        was = is_baseline
    return rows


def _may_be_best(figure: str, told: Mapping[str, float]) -> bool:
    """Who found nothing is not praised for raising no false alert."""
    return not figure.startswith("false_alerts") or bool(told.get("found"))


def _meanings(figures: Sequence[str]) -> str:
    """For who cannot point at a heading."""
    told = "".join(f"<dt>{text(metric(f).heading)}</dt><dd>{text(title(metric(f)))}</dd>" for f in figures)
    return f"<details><summary>What the columns mean</summary><dl>{told}</dl></details>"


def notes(report: Report) -> str:
    """What to know before one believes the figures."""
    items = "".join(f"<li>{text(note)}</li>" for note in NOTES)
    return section("notes", "Before you believe these figures", f"<ul>{items}</ul>", _adjusted(report))


def _adjusted(report: Report) -> str:
    """Never without its warning, and not without the random score's beside it."""
    of = {watch: told[ADJUSTED] for watch, told in summary(report.evaluation).items() if ADJUSTED in told}
    if RANDOM not in of:
        return ""
    rows = [
        name(watch) + cell(number(value, ".3f")) + cell(number(of[RANDOM], ".3f"))
        for watch, value in of.items()
        if not watch.startswith(BASELINE)
    ]
    heads = [head("watch"), head("point-adjusted F1"), head("a random score's")]
    return paragraph(WARNING, kind="warning") + table("Point-adjusted F1, mean over the recordings.", [heads], rows)


def nab(report: Report) -> str:
    """NAB's profiles, with published detectors below."""
    if not report.nab:
        return ""
    profiles = [p for p in PROFILES if any(p in told for told in report.nab.values())]
    both = [*report.nab.values(), *report.published.values()]
    tops = {p: best([told.get(p) for told in both], 1) for p in profiles}
    rows = []
    for kind, scores in (("", report.nab), ("published", report.published)):
        for at, (watch, told) in enumerate(scores.items()):
            cells = [cell(number(told.get(p), ".1f"), mark="best" if told.get(p) == tops[p] else "") for p in profiles]
            line = "baseline" if watch.startswith(BASELINE) else f"{kind} rule" if kind and not at else kind
            rows.append(f'<tr class="{line}">{name(watch + (" (published)" if kind else ""))}{"".join(cells)}</tr>')
    caption = (
        "0 = no alarm at all, 100 = perfect. The threshold is the one that the labels like best, as the benchmark does "
        "it: nobody who runs a detector has it. Comparable with published scores only over all of its series."
    )
    heads = [head("watch"), *(head(PROFILES[p]) for p in profiles)]
    return section("nab", "Numenta Anomaly Benchmark", table(caption, [heads], rows))
