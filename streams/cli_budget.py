"""`watchkeeper budget`."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.table import Table

from streams.terminal import Json, console, show, told, work

NOTE = """
Promised: the budget, in alarm episodes per reading, times the readings that are labelled normal, count and have a
verdict. Observed: the episodes that began on them. Ratio: observed over promised, with an interval of 95 %, the wider
of Poisson's and of a bootstrap over recordings. Clear: the ratio without the readings that follow a labelled event
within the window of the calibrator. Events: episodes that began on rows labelled anomalous; the budget pays for them.
"""

Line = dict[str, Any]
"""suite, watch; budgets: promised, needed for enough episodes, highest possible; what came on all and on clear rows"""


def budget(
    recordings: Annotated[list[Path], typer.Argument(help="Labelled files, or folders of suites (smd, asd, …).")],
    watch: Annotated[list[str], typer.Option("--watch", "-w", help="A watch, such as gaussian+conformal.")],
    episodes: Annotated[
        float | None, typer.Option("--budget", help="Episodes per reading, in place of its own.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Hold the alarm episodes that a watch promises against those that come on rows labelled normal.

    Each path makes a line, and noise with an autocorrelation of 0.9 the last one. The watch promises what `--budget`
    says, or what it is configured to; where that is too little for 100 episodes to be expected, of which alone the
    ratio says much, a line tells what is needed.
    """
    out = console(quiet=as_json)
    with told():
        watches = [work("watch_text").watch_of(text) for text in watch]
        found = {path.resolve().name: work("evaluate").recordings([path]) for path in recordings}
        with out.status("") as status:
            lines = [line for one in watches for line in _lines(found, one, episodes, status)]
    if as_json:
        show({"machine": work("machine").machine(), "figures": _figures(lines)})
        return
    out.print(_table(lines), NOTE, sep="\n")
    for text in dict.fromkeys(_too_little(line) for line in lines if line["all"].promised < work("budget").ENOUGH):
        out.print(text)


def _too_little(line: Line) -> str:
    enough = work("budget").ENOUGH
    if line["needed"] >= line["highest"]:
        return f"{line['suite']}: too few readings are labelled normal for {enough} episodes to be expected"
    return f"{line['suite']}: {enough} episodes are to be expected of --budget {line['needed']:g}, not of fewer"


def _lines(found: Any, watch: Any, episodes: float | None, status: Any) -> list[Line]:
    kept = work("budget")
    promised = kept.conformal_of(watch).budget if episodes is None else episodes
    watch = kept.promising(watch, promised)
    with TemporaryDirectory() as folder:
        suites = {**found, "AR(1) 0.9": kept.simulated(Path(folder), promised)}
        return [_line(kept, suite, ones, watch, status) for suite, ones in suites.items()]


def _line(kept: Any, suite: str, ones: Any, watch: Any, status: Any) -> Line:
    method, policy = kept.conformal_of(watch), work("policy").AlertPolicy()
    told = [
        kept.episodes(one, watch, policy, lambda one: status.update(f"{watch.name}: {suite}/{one.name}"))
        for one in ones
    ]
    return {
        "suite": suite,
        "watch": watch.name,
        "budget": method.budget,
        "needed": kept.needed(ones),
        "highest": 1 / (method.quiet + 1),
        "all": kept.pooled(suite, told, method.budget),
        "clear": kept.pooled(suite, told, method.budget, shadow=method.window),
    }


def _table(lines: list[Line]) -> Table:
    headings = ("watch", "suite", "budget", "promised", "observed", "ratio", "95 %", "promised/day", "observed/day")
    made = Table(*headings, "clear", "events", box=None)
    for column in made.columns[2:]:
        column.justify = "right"
    for line in lines:
        whole, clear = line["all"], line["clear"]
        per_day = [f"{n / whole.days:.3g}" if whole.days else "–" for n in (whole.promised, whole.observed)]
        made.add_row(
            line["watch"],
            line["suite"],
            f"{line['budget']:g}",
            f"{whole.promised:.0f}",
            f"{whole.observed}",
            f"{whole.ratio:.2f}",
            f"{whole.low:.2f} to {whole.high:.2f}",
            *per_day,
            f"{clear.ratio:.2f}",
            f"{whole.on_events}",
        )
    return made


def _figures(lines: list[Line]) -> dict[str, float]:
    """Dotted names to numbers; what is not defined is absent."""
    figures: dict[str, float] = {}
    for line in lines:
        name, whole = f"{line['suite']}.{line['watch']}.budget", line["all"]
        told = {
            key: getattr(whole, key) for key in ("promised", "observed", "ratio", "low", "high", "days", "on_events")
        }
        told |= {"per_reading": line["budget"], "ratio_clear": line["clear"].ratio}
        figures |= {f"{name}.{key}": value for key, value in told.items() if value is not None and value == value}
    return figures
