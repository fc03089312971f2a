"""What the figures of an evaluation are called and mean, and in which direction they are better."""

from collections.abc import Collection
from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True, slots=True)
class Metric:
    """better: 1 higher, -1 lower, 0 neither."""

    heading: str
    form: str
    better: int
    meaning: str


_METRICS = {
    "vus_pr": Metric(
        "VUS-PR",
        ".3f",
        1,
        "volume under the precision-recall surface: how well scores rank anomalous rows above others, "
        "averaged over tolerances around the events; a random score gets about the share of anomalous rows",
    ),
    "vus_roc": Metric(
        "VUS-ROC",
        ".3f",
        1,
        "volume under the ROC surface; a random score gets about 0.5, and rare events make it look good",
    ),
    "roc": Metric("ROC", ".3f", 1, "area under the ROC curve, row by row; a random score gets 0.5"),
    "pate": Metric(
        "PATE",
        ".3f",
        1,
        "precision and recall weighted by how near to an event a row stands; flatters scores of few distinct "
        "values, see the constant",
    ),
    "pate_step": Metric(
        "PATE-step",
        ".3f",
        1,
        "PATE with its curve in steps: does not flatter scores of few distinct values",
    ),
    "events": Metric("events", ".0f", 0, "runs of rows labelled anomalous, summed over the recordings"),
    "found": Metric("found", ".0f", 1, "events in which an alert opened, summed over the recordings"),
    "false_alerts": Metric(
        "false",
        ".0f",
        -1,
        "alerts that opened on a row labelled normal, summed over the recordings; a watch that never alerts has none",
    ),
    "event_f1": Metric(
        "event F1",
        ".2f",
        1,
        "harmonic mean of the share of alerts that fall into an event and the share of events found, over all "
        "recordings together",
    ),
    "delay_rows": Metric(
        "delay",
        ".0f",
        -1,
        "rows from the begin of a found event to its first alert; events that were not found have none",
    ),
    "false_alerts_per_day": Metric(
        "false/day",
        ".2f",
        -1,
        "false alerts per day of normal rows, where the sampling is known",
    ),
    "us_per_reading": Metric(
        "µs/row",
        ".1f",
        -1,
        "microseconds of this machine for a row: reading, decoding, scoring and the alert policy",
    ),
}
"""in the order of the columns; figures.csv and figures.json hold the others too"""

DIRECTIONS = {1: "Higher is better.", -1: "Lower is better.", 0: ""}


def metric(name: str) -> Metric:
    """Raises KeyError for one that no page shows."""
    return _METRICS[name]


def columns(found: Collection[str]) -> list[str]:
    """The figures that a page shows, in its order, of those that were found."""
    return [name for name in _METRICS if name in found]


def title(of: Metric) -> str:
    """What it means, in a sentence, and its direction."""
    return f"{of.meaning[:1].upper()}{of.meaning[1:]}. {DIRECTIONS[of.better]}".strip()


def best(values: list[float | None], better: int) -> float | None:
    """The best of those that are defined; None if no direction is better, or none is worse."""
    known = [value for value in values if value is not None and isfinite(value)]
    if not better or len(set(known)) < 2:
        return None
    return max(known) if better > 0 else min(known)
