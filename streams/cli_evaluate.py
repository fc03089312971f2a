"""`watchkeeper evaluate`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from streams import config as configuration
from streams.terminal import DEFAULT, ConfigPath, Json, console, show, told, work


def evaluate(
    recordings: Annotated[list[Path], typer.Argument(help="Labelled files, or folders of suites (nab, skab, smd, …).")],
    watch: Annotated[
        list[str] | None,
        typer.Option("--watch", "-w", help="Such as gaussian+likelihood, or a table as in watchkeeper.toml."),
    ] = None,
    pipeline: Annotated[str, typer.Option("--pipeline", "-p", help="The watches of a configured pipeline.")] = "",
    config: ConfigPath = DEFAULT,
    report: Annotated[
        Path | None, typer.Option(file_okay=False, help="A folder for report.html, figures.json and figures.csv.")
    ] = None,
    tolerance: Annotated[int, typer.Option(min=0, help="Rows around an event in which an alert finds it.")] = 0,
    prove_causal: Annotated[
        bool, typer.Option("--prove-causal", help="Also change later readings, and see that no earlier score changes.")
    ] = False,
    point_adjusted: Annotated[
        bool, typer.Option("--point-adjusted", help="Also the point-adjusted F1 of the literature, with its warning.")
    ] = False,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Only the two shortest recordings of each suite, for an answer within a minute."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Replay labelled recordings through the production worker, and say how good each watch is.

    Scores are causal: each reading is scored by its past, then learned. The first 15 % of a recording (750 rows at
    most), or what its suite says, do not count. Beside the watches stand baselines that know little or nothing.
    """
    out = console(quiet=as_json)
    with told():
        module, candidates = work("evaluate"), _candidates(watch or [], pipeline, config)
        found = module.recordings(recordings)
        found = module.quick(found) if quick else found
        with out.status("") as status:
            judged = module.evaluate(
                found, [*candidates.values(), *work("candidates").baseline_watches()], tolerance=tolerance,
                tell=lambda one: status.update(one.name),
            )  # fmt: skip
            proved = _proved(module, found, candidates, status) if prove_causal else {}
            status.update("budgets")
            watches = [
                watch for candidate in candidates.values() for watch in work("candidates").watches(candidate, found)
            ]
            findings = work("findings").report(judged, watches=watches, folders=recordings, proved=proved)
        written = [] if report is None else work("report.files").write(report, findings)
    if as_json:
        show({**findings.figures, "rejected": judged.rejected, "causal": proved})
    else:
        _print(out, findings, point_adjusted=point_adjusted)
        for path in written:
            out.print(f"written: {path}")
    if not all(proved.values()):
        raise typer.Exit(1)


def _candidates(texts: list[str], pipeline: str, config: Path) -> dict[str, Any]:
    """By the names under which their causality is told."""
    if bool(texts) == bool(pipeline):
        raise ValueError("say what to evaluate: --watch (again for each more), or --pipeline of the configuration")
    candidates = work("candidates")
    if texts:
        return {watch.name: candidates.of_watch(watch) for watch in map(work("watch_text").watch_of, texts)}
    build, loaded = work("build"), configuration.load(config)
    section = build.section(loaded, config, pipeline)
    return {pipeline: candidates.of_pipeline(build.pipeline(pipeline, section))}


def _proved(module: Any, found: Any, candidates: dict[str, Any], status: Any) -> dict[str, bool]:
    proved = {}
    for name, candidate in candidates.items():
        status.update(f"{name}: other readings from some rows on")
        proved[name] = all(module.is_causal(one, candidate) for one in found)
    return proved


def _print(out: Any, findings: Any, *, point_adjusted: bool) -> None:
    module, tables, judged = work("evaluate"), work("evaluation_table"), findings.evaluation
    means, slices = module.summary(judged), module.by_slice(judged, "vus_pr")
    out.print(tables.table(means), tables.NOTE, sep="\n")
    if point_adjusted:
        out.print(tables.table(means, tables.POINT_ADJUSTED), tables.WARNING, "", sep="\n")
    if findings.nab:
        out.print(tables.nab_table({**findings.nab, **findings.published}))
    if len(slices) > 1:
        out.print(tables.slices(slices, "VUS-PR"))
    if kinds := module.by_kind(judged):
        out.print(tables.slices(kinds, "found", ".0%"))
    for kept in findings.budgets:
        out.print(
            f"{kept.name}: {kept.observed} false-alarm episodes, {kept.promised:.1f} promised: "
            f"ratio {kept.ratio:.2f} ({kept.low:.2f} to {kept.high:.2f})"
        )
    for name, reasons in judged.rejected.items():
        out.print(f"{name}: rejected {', '.join(f'{rows} rows: {reason}' for reason, rows in reasons.items())}")
    for name, causal in findings.proved.items():
        out.print(f"{name}: {'no later reading changes an earlier score' if causal else 'NOT CAUSAL'}")
