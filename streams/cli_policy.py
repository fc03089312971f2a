"""`watchkeeper policy`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from streams.terminal import Json, console, show, told, work

NOT_PROVEN = "  the 95 % reach above the budget: likely kept, and proven only by a longer recording"


def policy(
    recording: Annotated[Path, typer.Option("--recording", help="Normal operation of one series: CSV or Parquet.")],
    watch: Annotated[str, typer.Option("--watch", "-w", help="A watch, or a table as in watchkeeper.toml.")],
    budget: Annotated[
        str, typer.Option(help="False alerts allowed: '1 per week' (hour, day, month), '1 per 1000 readings'.")
    ] = "1 per week",
    close_after: Annotated[int, typer.Option(help="Quiet readings that close an alert.")] = 30,
    as_json: Json = False,
) -> None:
    """Which thresholds and holds keep the false alerts of a watch within a budget.

    The recording is replayed through the production worker. For each hold (consecutive alarms that open an alert) the
    lowest threshold is told at which both keep to the budget: the alerts that a replay with these settings opens, and
    the excursions that the score's distribution and autocorrelation let expect. Rows labelled anomalous do not count.
    """
    out = console(quiet=as_json)
    with told():
        calculator = work("policy_calculator")
        wanted, made = calculator.budget_of(budget), work("watch_text").watch_of(watch)
        alerts = work("policy").AlertPolicy(close_after=close_after)
        with out.status("") as status:
            found = calculator.policy(recording, made, wanted, alerts, status.update)
    if as_json:
        report = {"machine": work("machine").machine(), "figures": figures(found)}
        show({**report, "assumptions": assumptions(found)})
    else:
        for line in recommendation(found):
            out.print(line, markup=False, highlight=False, soft_wrap=True)
        out.print(_table(found), "", "What this rests on:", sep="\n")
        for line in assumptions(found):
            out.print(f"- {line}", markup=False, highlight=False, soft_wrap=True)
    if found.plain is None:
        raise typer.Exit(1)


def recommendation(found: Any) -> list[str]:
    """What to write into the configuration, and what comes of it."""
    trial, allowed = found.trial, f"{found.budget.alerts:g} per {found.budget.unit}"
    lines = [f"{trial.watch.name} on {trial.path.name}, false alerts at most {allowed}", ""]
    if found.plain is None:
        return [*lines, "No threshold without a hold keeps to this budget on this recording.", ""]
    lines += [f"Recommended: {trial.parameter} {found.plain.threshold:g}, no hold", *_written(found, found.plain), ""]
    if pair := found.patient:
        sooner, later = _time(found, found.pays_after(pair)), _time(found, pair.hold - 1)
        lines += [
            f"Or, for anomalies that build up: {trial.parameter} {pair.threshold:g}, held for {pair.hold} readings",
            *_written(found, pair),
            f"  earlier where an anomaly takes more than {sooner} to build up; otherwise up to {later} later",
            "",
        ]
    else:
        lines += ["A hold buys nothing here: no threshold is lower with one.", ""]
    says = "within the budget" if found.within(found.now) else "OVER the budget"
    return [*lines, f"Now ({says}): {trial.parameter} {trial.now:g}, no hold", f"  {_rate(found, found.now)}", ""]


def _written(found: Any, pair: Any) -> list[str]:
    """The lines of watchkeeper.toml, and what they lead to."""
    stage, parameter = found.trial.stage, found.trial.parameter
    tag = getattr(found.trial.watch, stage).__struct_config__.tag
    return [
        f'  in its watch:                 {stage} = {{ type = "{tag}", {parameter} = {pair.threshold:g} }}',
        f"  in [pipelines.NAME.alerts]:   open_after = {{ alarms = {pair.hold}, of = {pair.hold} }}",
        f"  {_rate(found, pair)}",
        *([NOT_PROVEN] if found.interval(pair)[1] > found.budget.alerts else []),
    ]


def _rate(found: Any, pair: Any) -> str:
    low, high = found.interval(pair)
    counted = f"{pair.counted} alerts counted in the recording, {pair.counted / found.units:.2g}"
    predicted = "by its excursions" if found.excursions.unfit else "predicted"
    return f"{counted} per {found.budget.unit} (95 %: {low:.2g} to {high:.2g}); {predicted} {pair.predicted:.2g}"


def _time(found: Any, readings: float) -> str:
    """Readings, and how long they take.

    >>> from types import SimpleNamespace
    >>> _time(SimpleNamespace(step=300.0), 24.0)
    '24 readings (2 h)'
    """
    told = f"{readings:.0f} reading{'s' * (round(readings) != 1)}"
    seconds = readings * found.step
    if seconds != seconds:
        return told
    size, unit = next(((s, u) for s, u in ((86_400, "d"), (3600, "h"), (60, "min")) if seconds >= 2 * s), (1, "s"))
    return f"{told} ({seconds / size:.3g} {unit})"


def _table(found: Any) -> Table:
    unit = f"per {found.budget.unit}"
    predicted = "excursions" if found.excursions.unfit else "predicted"
    made = Table(found.trial.parameter, "of now", "hold", f"{predicted} {unit}", "counted", unit, "95 %", "", box=None)
    for column in made.columns[:-1]:
        column.justify = "right"
    for pair in (found.now, *found.pairs):
        low, high = found.interval(pair)
        beyond = "*" if pair.threshold > found.excursions.highest else ""
        made.add_row(
            f"{pair.threshold:g}{beyond}", f"{pair.threshold / found.now.threshold:.0%}", _time(found, pair.hold),
            f"{pair.predicted:.2g}", f"{pair.counted}", f"{pair.counted / found.units:.2g}", f"{low:.2g} to {high:.2g}",
            ("within" if found.within(pair) else "over") + (", now" if pair is found.now else ""),
        )  # fmt: skip
    return made


def assumptions(found: Any) -> list[str]:
    """What the figures rest on, and how far they were checked."""
    return [_normal(found), *_formula(found), *_beyond(found), *_counting(found)]


def _normal(found: Any) -> str:
    spans = (
        f"{found.units:.3g} times a {found.budget.unit}" if found.budget.seconds else f"{found.units:.3g} times that"
    )
    told = f"{found.readings} readings count, {spans}; {found.unscored} had no score (warm-up, missing)"
    if (found.trial.labels != -1).any():
        return f"{told}, {found.anomalous} are left out because they are labelled anomalous."
    return f"{told}. There are no labels: all of it is taken for normal, and an anomaly in it raises the thresholds."


def _formula(found: Any) -> list[str]:
    fit = found.excursions
    if fit.unfit:
        return [
            f"The excursion formula does not apply: {fit.unfit}. In its place stand the excursions of the recording "
            "by their lengths, so that nothing is known of what is rarer than it is long.",
        ]
    lines = [
        f"Predicted: excursions of a stationary Gaussian sequence (Gaussian copula: the score by its ranks) whose "
        f"neighbours correlate with {fit.r1:.3f}; how many outlast a hold by an autoregression of {len(fit.fits) - 1} "
        "lags. The autocorrelation decays and does not rise again, as the formula wants.",
    ]
    if not (checked := _checked(fit)):
        return [*lines, "Too few excursions at any threshold to hold the formula against."]
    said, seen = (
        f"{checked[f'policy.check.excursions_{who}']:.0f} excursions of "
        f"{checked[f'policy.check.mean_length_{who}']:.1f} readings in the mean, "
        f"{checked[f'policy.check.longer_than_5_{who}']:.0%} longer than 5"
        for who in ("predicted", "observed")
    )
    return [*lines, f"Checked above {fit.tested:.4g}: predicted {said}; there were {seen}."]


def _beyond(found: Any) -> list[str]:
    if all(pair.threshold <= found.excursions.highest for pair in found.pairs):
        return []
    return [
        f"* above {found.excursions.highest:.4g}, the highest score of the recording: no reading ever came so far. The "
        "tail is taken as exponential; if it is heavier, more alerts come. A longer recording tells."
    ]


def _counting(found: Any) -> list[str]:
    policy = found.trial.alerts
    return [
        "The future is like the recording (stationary). A change of level, season or load is not in these figures.",
        f"An alert closes after {policy.close_after} quiet readings (below {policy.quiet_below:g} of the threshold): "
        "excursions closer together are one alert, so the alerts counted are fewer than the excursions.",
        "Counted: the recording replayed through the production worker with these very settings, since a limit can "
        "change what a detector learns. The 95 % are Poisson's, too narrow where alerts come in groups.",
        "The thresholds were sought on this very recording, which flatters their counts: where the 95 % reach above "
        "the budget, only a longer recording can prove that it is kept.",
        "The budget is for one series: k series have k times as many. `open_after` is for all watches of a pipeline.",
    ]


def figures(found: Any) -> dict[str, float]:
    """Dotted names to numbers; rates are in the time of the budget."""
    fit = found.excursions
    told = {
        "policy.budget": found.budget.alerts,
        "policy.budget_per_reading": found.budget.alerts / found.unit,
        "policy.readings": found.readings,
        "policy.lag1": fit.r1,
        "policy.formula_applies": float(not fit.unfit),
    }
    told |= _checked(fit)
    pairs = {"now": found.now, **{f"hold_{pair.hold}": pair for pair in found.pairs}}
    pairs |= {name: pair for name, pair in (("recommended", found.plain), ("patient", found.patient)) if pair}
    for name, pair in pairs.items():
        low, high = found.interval(pair)
        told |= {
            f"policy.{name}.threshold": pair.threshold,
            f"policy.{name}.hold": pair.hold,
            f"policy.{name}.predicted": pair.predicted,
            f"policy.{name}.counted": pair.counted,
            f"policy.{name}.rate": pair.counted / found.units,
            f"policy.{name}.rate_low": low,
            f"policy.{name}.rate_high": high,
            f"policy.{name}.within": float(found.within(pair)),
        }
    return told


def _checked(fit: Any) -> dict[str, float]:
    """The formula against the data, whether it applies or not; nothing where there were too few excursions."""
    if fit.tested != fit.tested:
        return {}
    n, seen, said = len(fit.ranked), fit.observed(fit.tested).tolist(), fit.predicted(fit.tested).tolist()
    return {
        "policy.check.threshold": fit.tested,
        "policy.check.excursions_predicted": said[0] * n,
        "policy.check.excursions_observed": seen[0] * n,
        "policy.check.mean_length_predicted": fit.mean_length(fit.tested),
        "policy.check.mean_length_observed": fit.share(fit.tested) / seen[0],
        "policy.check.longer_than_5_predicted": said[5] / said[0],
        "policy.check.longer_than_5_observed": seen[5] / seen[0],
    }
