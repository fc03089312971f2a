"""Figures of one watch on one recording: of its scores at all thresholds, and of the alerts that it opened."""

from collections.abc import Mapping, Sequence

import numpy as np

from connectors.base import BoolArray, FloatArray, IntArray
from connectors.suites import Labelled
from detectors.evaluation.adjusted import point_adjusted_f1
from detectors.evaluation.detection import by_event, by_point, delays
from detectors.evaluation.events import judged
from detectors.evaluation.pate import Buffers, pate, pate_f1, pate_step
from detectors.evaluation.ranking import average_precision, roc_auc
from detectors.evaluation.vus import vus

Figures = Mapping[str, float]
"""name -> figure; one that is not defined is absent"""

SUMS = ("judged_rows", "events", "found", "alerts", "false_alerts", "normal_days")
"""Figures that add up over recordings; of the others the mean is told."""


def ranked(score: FloatArray, known: IntArray, *, window: int) -> Figures:
    """By the score alone. known: labels (rows,), -1 = does not count; window: most tolerance in rows."""
    buffers, volumes = Buffers(early=window, late=window), vus(score, known, window=window)
    figures = {
        "judged_rows": float(len(judged(score, known)[0])),
        "vus_pr": volumes.pr,
        "vus_roc": volumes.roc,
        "pate": pate(score, known, buffers=buffers),
        "pate_step": pate_step(score, known, buffers=buffers),
        "roc": roc_auc(score, known),
        "average_precision": average_precision(score, known),
        "point_adjusted_f1": point_adjusted_f1(score, known).f1,
    }
    return {name: value for name, value in figures.items() if not np.isnan(value)}


def alarmed(alarm: BoolArray, known: IntArray, *, window: int, tolerance: int) -> Figures:
    """By every row that alarmed (rows,), before the alert policy; window and tolerance as in `ranked` and `alerted`."""
    met = by_point(alarm & (known != -1), known, tolerance=tolerance)
    figures = {
        "pate_f1": pate_f1(alarm, known, buffers=Buffers(early=window, late=window)),
        "point_precision": met.precision,
        "point_recall": met.recall,
        "point_f1": met.f1,
    }
    return {name: value for name, value in figures.items() if not np.isnan(value)}


def alerted(opened: Sequence[int], one: Labelled, known: IntArray, *, tolerance: int) -> Figures:
    """By the alerts that a person would have had, opened at these rows.

    An event is found by an alert within `tolerance` rows of it; an alert elsewhere, on a row labelled normal, is false.
    """
    alarms = np.zeros(len(known), np.bool_)
    alarms[list(opened)] = True
    met = by_event(alarms, known, tolerance=tolerance)
    figures = {
        "events": float(met.found + met.missed),
        "found": float(met.found),
        "alerts": float(met.right + met.wrong),
        "false_alerts": float(met.wrong),
    }
    waits = delays(alarms, known, tolerance=tolerance)
    if met.found:
        figures["delay_rows"] = float(np.nanmedian(waits))
    if one.rows_per_day and (normal := int((known == 0).sum())):
        figures["normal_days"] = normal / one.rows_per_day
        figures["false_alerts_per_day"] = met.wrong / figures["normal_days"]
    return figures


def means(judged: Sequence[Figures]) -> dict[str, float]:
    """Sums of what adds up, means of the rest over where they are defined, and what follows from the sums.

    That is precision, recall and F1 of events, and false alerts per day where the sampling is known.
    """
    names = dict.fromkeys(name for figures in judged for name in figures)
    values = {name: [figures[name] for figures in judged if name in figures] for name in names}
    told = {name: float(np.sum(v) if name in SUMS else np.mean(v)) for name, v in values.items()}
    if timed := [figures for figures in judged if "normal_days" in figures]:
        told["false_alerts_per_day"] = sum(f["false_alerts"] for f in timed) / sum(f["normal_days"] for f in timed)
    return told | _by_event(told)


def _by_event(told: Figures) -> dict[str, float]:
    """Over all events and alerts together: a recording with one event does not weigh as much as one with twenty."""
    if not told.get("events"):
        return {}
    recall, alerts = told["found"] / told["events"], told["alerts"]
    if not alerts:
        return {"event_recall": recall, "event_f1": 0.0}
    precision = (alerts - told["false_alerts"]) / alerts
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"event_recall": recall, "event_precision": precision, "event_f1": f1}
