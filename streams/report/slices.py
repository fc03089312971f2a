"""Where each watch is weak: by asset, and by kind of anomaly."""

from collections.abc import Mapping

from streams.candidates import BASELINE
from streams.evaluate import by_kind, by_slice
from streams.report.contents import Report
from streams.report.html import cell, head, name, section, table, words
from streams.report.metrics import best, metric
from streams.say import number


def slices(report: Report, figure: str = "vus_pr") -> str:
    """A better mean may hide a worse slice: the worst of each watch is marked."""
    return section("slices", "Where each watch is weak", _by_slice(report, figure), _by_kind(report))


def _by_slice(report: Report, figure: str) -> str:
    of = by_slice(report.evaluation, figure)
    if len(of) < 2:
        return ""
    watches, names = _watches(of), report.evaluation.slices()
    rows = [
        name(slice_) + cell(str(len(names[slice_]))) + cells + _best_baseline(of[slice_], metric(figure).form)
        for slice_, cells in _marked(of, watches, metric(figure).form).items()
    ]
    heads = [*map(head, ("slice", "recordings", *watches, "best baseline")), head("which", kind="words")]
    caption = f"{metric(figure).heading} by asset and by kind of anomaly. The worst slice of each watch is marked."
    return table(caption, [heads], rows)


def _by_kind(report: Report) -> str:
    of = by_kind(report.evaluation)
    watches = _watches(of)
    if not watches:
        return ""
    rows = [name(kind) + cells for kind, cells in _marked(of, watches, ".0%").items()]
    caption = "Share of the events of each kind that an alert found. The worst kind of each watch is marked."
    return table(caption, [[head("kind of anomaly"), *map(head, watches)]], rows)


def _watches(of: Mapping[str, Mapping[str, float]]) -> list[str]:
    names = dict.fromkeys(watch for told in of.values() for watch in told)
    return [watch for watch in names if not watch.startswith(BASELINE)]


def _marked(of: Mapping[str, Mapping[str, float]], watches: list[str], form: str) -> dict[str, str]:
    """Slice -> a cell for each watch."""
    lows = {watch: best([told.get(watch) for told in of.values()], -1) for watch in watches}
    rows = {}
    for slice_, told in of.items():
        marks = ["worst" if lows[w] is not None and told.get(w) == lows[w] else "" for w in watches]
        rows[slice_] = "".join(cell(number(told.get(w), form), mark=m) for w, m in zip(watches, marks, strict=True))
    return rows


def _best_baseline(told: Mapping[str, float], form: str) -> str:
    beside = {watch: value for watch, value in told.items() if watch.startswith(BASELINE)}
    if not beside:
        return cell("–") + words("")
    first = max(beside, key=beside.__getitem__)
    return cell(number(beside[first], form)) + words(first.removeprefix(BASELINE))
