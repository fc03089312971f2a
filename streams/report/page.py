"""A report as one HTML page that needs no network, no script and no other file."""

from detectors.watch import Watch
from streams.candidates import BASELINE
from streams.evaluate import summary
from streams.report.contents import Report
from streams.report.html import document, section, text
from streams.report.means import means, nab, notes
from streams.report.plot import DEFINITIONS
from streams.report.recordings import drawn, overview, plots
from streams.report.slices import slices
from streams.report.trust import budgets, proof, rejected

LINKS = {
    "run": "What was run",
    "means": "Means",
    "notes": "Notes",
    "nab": "NAB",
    "slices": "Slices",
    "budgets": "False-alarm budget",
    "rejected": "Rejected rows",
    "causal": "Causality",
    "recordings": "Recordings",
    "plots": "Plots",
}


def page(report: Report) -> str:
    """HTML. Raises ValueError if a recording cannot be read again for its plot."""
    shown_recordings = drawn(report)
    parts = [run(report), means(report), notes(report), nab(report), slices(report), budgets(report)]
    parts += [rejected(report), proof(report), overview(report, shown_recordings), plots(report, shown_recordings)]
    heading = f"Evaluation of {', '.join(_watches(report)) or 'baselines'}"
    return document(heading, _in_short(report), [DEFINITIONS, *parts], LINKS)


def run(report: Report) -> str:
    """The watches with their parameters, the recordings and the machine."""
    lines = [(f"watch {watch.name}", f"<code>{text(_stages(watch))}</code>") for watch in report.watches]
    recordings = {one.recording.name: one.recording for one in report.evaluation.judged}.values()
    rows, assets = sum(len(one.labels) for one in recordings), {one.asset for one in recordings}
    lines.append(("recordings", f"{len(recordings)} with {rows:,} rows, assets: {len(assets)}"))
    machine = report.figures.get("machine", {})
    lines.append(("machine", text(", ".join(f"{name} {value}" for name, value in machine.items()))))
    near = f", or within {report.evaluation.tolerance} rows of it" if report.evaluation.tolerance else ""
    lines.append(("found", f"an event is found by an alert that opens in it{near}"))
    told = "".join(f"<dt>{text(name)}</dt><dd>{value}</dd>" for name, value in lines)
    return section("run", "What was run", f"<dl>{told}</dl>")


def _stages(watch: Watch) -> str:
    """Each with its parameters, in the order in which a reading passes them."""
    return " → ".join(repr(stage) for stage in (watch.detector, watch.calibrator, watch.drift) if stage is not None)


def _watches(report: Report) -> list[str]:
    return [name for name in report.evaluation.watches if not name.startswith(BASELINE)]


def _in_short(report: Report) -> str:
    """The watch that ranks best, and whether it beats the baselines at all."""
    of = {name: told["vus_pr"] for name, told in summary(report.evaluation).items() if "vus_pr" in told}
    watches = [name for name in of if not name.startswith(BASELINE)]
    beside = [name for name in of if name.startswith(BASELINE)]
    if not watches or not beside:
        return "Labelled recordings replayed through the production worker, and judged by their labels."
    first, base = max(watches, key=of.__getitem__), max(beside, key=of.__getitem__)
    ahead = f"{first}{' ranks best' if len(watches) > 1 else ' ranks'} with a mean VUS-PR of {of[first]:.3f}"
    if of[first] > of[base]:
        return f"{ahead}; the best baseline, {base}, has {of[base]:.3f}.{_counts(report, first)}"
    return f"{ahead}, which is no better than a baseline: {base} has {of[base]:.3f}.{_counts(report, first)}"


def _counts(report: Report, watch: str) -> str:
    told = summary(report.evaluation)[watch]
    if "found" not in told:
        return ""
    return f" It found {told['found']:.0f} of {told['events']:.0f} events with {told['false_alerts']:.0f} false alerts."
