"""What an evaluation found, as tables for the terminal and figures for programs."""

from collections.abc import Mapping

from rich.table import Table

from detectors.evaluation.adjusted import WARNING
from streams.evaluate import Evaluation, by_kind, by_slice, summary
from streams.say import number

__all__ = ["COLUMNS", "NOTE", "POINT_ADJUSTED", "WARNING", "figures", "nab_table", "slices", "table"]

Means = Mapping[str, Mapping[str, float]]

COLUMNS = {
    "vus_pr": ("VUS-PR", ".3f"),
    "vus_roc": ("VUS-ROC", ".3f"),
    "roc": ("ROC", ".3f"),
    "pate": ("PATE", ".3f"),
    "pate_step": ("PATE-step", ".3f"),
    "events": ("events", ".0f"),
    "found": ("found", ".0f"),
    "false_alerts": ("false", ".0f"),
    "event_f1": ("event F1", ".2f"),
    "delay_rows": ("delay", ".0f"),
    "false_alerts_per_day": ("false/day", ".2f"),
    "us_per_reading": ("us/reading", ".1f"),
}
"""figure -> heading and format"""

POINT_ADJUSTED = {"point_adjusted_f1": ("PA-F1", ".3f")}
"""shown only with its warning, beside the random score's"""

NOTE = """
Means over the recordings; events, found and false alerts are sums, event F1 is over all of them, delay is in rows. An
event is found by an alert that opens in it. PATE flatters scores of few distinct values, as baseline.constant shows;
PATE-step does not. VUS-PR, PATE and ROC judge the score at all thresholds, the rest the alerts at the watch's own.
"""


def table(means: Means, columns: Mapping[str, tuple[str, str]] = COLUMNS) -> Table:
    """A line for each watch and baseline."""
    made = Table("watch", *(heading for heading, _ in columns.values()), box=None)
    for column in made.columns[1:]:
        column.justify = "right"
    for watch, figures in means.items():
        made.add_row(watch, *(number(figures.get(name), form) for name, (_, form) in columns.items()))
    return made


def slices(by_slice: Means, heading: str, form: str = ".3f") -> Table:
    """A line for each slice."""
    watches = list(dict.fromkeys(watch for means in by_slice.values() for watch in means))
    made = Table(heading, *watches, box=None)
    for column in made.columns[1:]:
        column.justify = "right"
    for name, means in by_slice.items():
        made.add_row(name, *(number(means.get(watch), form) for watch in watches))
    return made


def nab_table(scores: Means) -> Table:
    """NAB's three profiles."""
    made = Table("NAB", "standard", "low FP", "low FN", box=None)
    for column in made.columns[1:]:
        column.justify = "right"
    for watch, profiles in scores.items():
        made.add_row(watch, *(number(value, ".1f") for value in profiles.values()))
    return made


def figures(evaluation: Evaluation, nab: Means) -> dict[str, float]:
    """Dotted names to numbers."""
    means = summary(evaluation)
    found = {f"{watch}.{name}": value for watch, told in means.items() for name, value in told.items()}
    found |= {f"{watch}.nab.{name}": value for watch, told in nab.items() for name, value in told.items()}
    kinds = by_kind(evaluation)
    found |= {f"{watch}.kind.{name}.recall": v for name, told in kinds.items() for watch, v in told.items()}
    slices = by_slice(evaluation, "vus_pr")
    return found | {f"{w}.slice.{name}.vus_pr": v for name, told in slices.items() for w, v in told.items()}
