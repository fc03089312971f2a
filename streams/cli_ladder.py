"""`watchkeeper ladder`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from streams.terminal import Json, console, show, told, work

Watches = Annotated[
    list[str],
    typer.Option("--watch", "-w", help="A watch, such as gaussian+likelihood, or a table as in watchkeeper.toml."),
]

SHOWN = 1
"""The budget whose severities are printed one by one: false alert episodes per 1,000 readings."""

NOTE = (
    "\n1 to 5: severity, which is 1, 2, 4, 8, 16 robust standard deviations of the variable from its local level; "
    "stuck lasts twice as long from each to the next; a correlation break takes 20 to 100 % of its order from another "
    "time. Found: the share of places with an alarm, at a threshold at which the recording as it is has that many "
    "alarm episodes; chance: in the same rows of the recording as it is; all: of all severities. C-index (0.5 = "
    "chance) and tau-b: whether the score rises with severity at the same place. Delay: median readings to the "
    "first alarm. The recording is taken to be normal: anomalies in it raise the thresholds.\n"
)


def ladder(
    recordings: Annotated[list[Path], typer.Argument(help="CSV or Parquet files; labels are not needed.")],
    watch: Watches,
    seed: Annotated[int, typer.Option(min=0, help="Draws where what is planted.")] = 0,
    as_json: Json = False,
) -> None:
    """Plant disturbances of five severities into recordings, and see which of them each watch finds.

    Spikes, level shifts, drifts, noise, stuck readings and broken correlations, of three durations, each in copies of
    the recording and through the production worker. The first 15 % of a recording (750 rows at most) stay as they are.
    """
    out = console(quiet=as_json)
    with told():
        climbing = work("ladder")
        watches = [work("watch_text").watch_of(text) for text in watch]
        with out.status("") as status:
            climbed = climbing.climb(recordings, watches, seed=seed, tell=status.update)
    abilities = climbing.summary(climbed)
    if as_json:
        show({"machine": work("machine").machine(), "figures": climbing.figures(abilities)})
        return
    for name, kinds in abilities.items():
        out.print(_table(name, kinds, climbing.BUDGETS))
    out.print(NOTE, highlight=False)
    for name, (places, copies) in climbed.planted.items():
        out.print(f"{name}: {places} places in 5 severities, in {copies} copies of the recording", highlight=False)


def _table(watch: str, kinds: Any, budgets: tuple[int, ...]) -> Table:
    """A line for each kind."""
    number = work("say").number
    at, others = budgets.index(SHOWN), [k for k, budget in enumerate(budgets) if budget != SHOWN]
    wider = [f"all@{budgets[k]}" for k in others]
    made = Table("", "places", "chance", *"12345", *wider, "C-index", "tau-b", "delay", box=None)
    made.title, made.title_justify = f"{watch}: found @{SHOWN} false alert episode per 1,000 readings", "left"
    made.columns[0].no_wrap = True
    for column in made.columns[1:]:
        column.justify = "right"
    for kind, ability in kinds.items():
        shares = [*ability.found[at], *(ability.found[k, 1:].mean() for k in others)]
        ranked = [number(value, ".2f") for value in (*shares, ability.concordance, ability.tau_b)]
        made.add_row(kind.replace("_", " "), str(ability.places), *ranked, number(ability.delays[at], ".0f"))
    return made
