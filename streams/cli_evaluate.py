"""`watchkeeper evaluate`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from streams.terminal import Json, console, show, told, work

Watches = Annotated[
    list[str],
    typer.Option("--watch", "-w", help="A watch, such as gaussian+likelihood, or a table as in watchkeeper.toml."),
]


def evaluate(
    recordings: Annotated[list[Path], typer.Argument(help="Labelled files, or folders of suites (nab, skab, smd, …).")],
    watch: Watches,
    prove_causal: Annotated[
        bool, typer.Option("--prove-causal", help="Also change later readings, and see that no earlier score changes.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Replay labelled recordings through the production worker, and say how good each watch is.

    Scores are causal: each reading is scored by its past, then learned. The first 15 % of a recording (750 rows at
    most), or what its suite says, do not count. Beside the watches stand baselines that know nothing.
    """
    out = console(quiet=as_json)
    with told():
        evaluation, tables = work("evaluate"), work("evaluation_table")
        watches = [work("watch_text").watch_of(text) for text in watch]
        found = evaluation.recordings(recordings)
        policy = work("policy").AlertPolicy()
        with out.status("") as status:
            judged = evaluation.evaluate(found, watches, policy, lambda one: status.update(one.name))
            proved = _proved(evaluation, found, watches, policy, status) if prove_causal else {}
    means = evaluation.summary(judged)
    nab = evaluation.nab_scores(judged) if any(path.name == "nab" for path in recordings) else {}
    by_slice = evaluation.by_slice(judged, "vus_pr")
    if as_json:
        report = {"machine": work("bench.detectors").machine(), "figures": tables.figures(means, nab, by_slice)}
        show({**report, "rejected": judged.rejected, "causal": proved})
        return
    out.print(tables.table(means), tables.NOTE, sep="\n")
    if nab:
        out.print(tables.nab_table(nab))
    if len(by_slice) > 1:
        out.print(tables.slices(by_slice, "vus_pr"))
    for name, reasons in judged.rejected.items():
        out.print(f"{name}: rejected {', '.join(f'{rows} rows: {reason}' for reason, rows in reasons.items())}")
    for name, causal in proved.items():
        out.print(f"{name}: {'no later reading changes an earlier score' if causal else 'NOT CAUSAL'}")
    if not all(proved.values()):
        raise typer.Exit(1)


def _proved(evaluation: Any, found: Any, watches: Any, policy: Any, status: Any) -> dict[str, bool]:
    proved = {}
    for watch in watches:
        status.update(f"{watch.name}: other readings from some rows on")
        proved[watch.name] = all(evaluation.is_causal(one, watch, policy) for one in found)
    return proved
