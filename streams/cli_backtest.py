"""`watchkeeper backtest`."""

from pathlib import Path
from typing import Annotated

import typer

from streams import config as configuration
from streams.terminal import DEFAULT, ConfigPath, Json, console, show, told, work

SHOWN = 50
"""alerts in the table; all of them are in --json and in the file"""


def backtest(
    pipeline: Annotated[str, typer.Option("--pipeline", "-p", help="The pipeline, as it is configured now.")],
    begin: Annotated[str, typer.Option("--from", help="Such as 2026-11-01T00:00:00Z; alerts count from here on.")],
    end: Annotated[str, typer.Option("--to", help="Such as 2026-11-08T00:00:00Z; the first moment that is left out.")],
    recording: Annotated[
        list[Path] | None,
        typer.Option("--recording", "-r", help="A file of the past; absent: its source, or its topic."),
    ] = None,
    warm_up: Annotated[str, typer.Option(help="How long before --from the watches begin to learn.")] = "7d",
    report: Annotated[
        Path | None, typer.Option(file_okay=False, help="A folder for report.html, alerts.csv and figures.json.")
    ] = None,
    config: ConfigPath = DEFAULT,
    as_json: Json = False,
) -> None:
    """Tell which alerts a pipeline would have raised on your own history: how many, when, and which.

    The production worker runs over the past as fast as it can, from nothing; the live state, its snapshots and its
    alerts are left alone. The past is what --recording names, else the recordings of the pipeline's `source`, else what
    its topic still holds in Kafka.
    """
    out = console(quiet=as_json)
    with told(), out.status("reading the past"):
        module, sections, say = work("backtest"), work("sections"), work("say")
        span = module.Span(sections.instant(begin), sections.instant(end), sections.nanoseconds(warm_up))
        ready, source = module.history(configuration.load(config), config, pipeline, span, recording or [])
        found = module.backtest(ready, source, span)
        machine = work("machine").machine()
        files = work("report.backtest_files")
        written = [] if report is None else files.write(report, found, span, pipeline=pipeline, machine=machine)
    if as_json:
        show({"machine": machine, "figures": found.figures(), "alerts": found.alerts, "rejected": found.rejected})
        return
    if found.alerts:
        out.print(say.alerts_table(found.alerts[:SHOWN]))
    if len(found.alerts) > SHOWN:
        out.print(f"… and {len(found.alerts) - SHOWN} more: --report FOLDER or --json tells all")
    out.print(say.facts(f"{pipeline} from {begin} to {end}", found.figures() | dict(found.rejected)))
    for path in written:
        out.print(f"written: {path}")
