"""Alerts and tables in words, for the terminal."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from connectors.base import Alert, DeadLetter


def moment(ns: int | None) -> str:
    """A time in UTC to the second.

    >>> moment(1386983100_000000000)
    '2013-12-14 01:05:00'
    """
    return "" if ns is None else datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")


def number(value: float | None, form: str) -> str:
    """A figure; a dash where it is not defined.

    >>> number(0.1234, ".2f"), number(None, ".2f")
    ('0.12', '–')
    """
    return "–" if value is None or not isfinite(value) else format(value, form)


def _span(ns: int) -> str:
    seconds = ns // 1_000_000_000
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds} s"


def leading(alert: Alert) -> str:
    """The variable that contributed most, else the first; empty if there is none."""
    ranked = sorted(alert.contributions.items(), key=lambda item: -item[1])
    return ranked[0][0] if ranked else next(iter(alert.actual), "")


def why(alert: Alert) -> str:
    """What was read and what was expected, in a line."""
    if alert.reason:
        return alert.reason
    if alert.kind == "silence":
        return f"not heard since {moment(alert.started)}"
    name = leading(alert)
    told = f"{name} {alert.actual.get(name, float('nan')):.4g}" if name else ""
    if name in alert.expected:
        told += f", expected {alert.expected[name]:.4g}"
    others = len(alert.actual) - 1
    return told + (f" (of {others + 1} variables)" if others > 0 else "")


def line(alert: Alert) -> Text:
    """One alert as it opens or closes."""
    opened = alert.state == "open"
    at = alert.opened if opened or alert.closed is None else alert.closed
    verb = "OPEN  " if opened else "closed"
    text = Text.assemble(
        (moment(at), "dim"), " ", (verb, "bold red" if opened else "green"), f" {alert.pipeline}/{alert.series} ",
        (alert.kind, "bold"), f" {alert.watch} ",
    )  # fmt: skip
    if alert.peak_score is not None:
        text.append(f"score {alert.peak_score:.3g} (limit {alert.threshold:.3g}) ")
    text.append(why(alert) if opened else f"after {_span(at - alert.opened)}")
    text.append(f" [{alert.id[:8]}]", "dim")
    return text


def _rows(*columns: str) -> Table:
    """A table of one line a row, in which the last column gives way."""
    table = Table(box=None)
    for name in columns:
        table.add_column(name, no_wrap=True, min_width=None if name == columns[-1] else len(name))
    return table


def reading(value: bytes | None) -> str:
    """A record of host telemetry in a line.

    >>> reading(b'{"host": "a", "time": 1.0, "cpu": 12.34, "disk_read": null, "net_sent": 1536000.0}')
    'cpu 12.3   net_sent 1.54e+06'
    """
    fields: dict[str, Any] = msgspec.json.decode(value or b"{}")
    shown = {name: v for name, v in fields.items() if name != "time" and isinstance(v, float)}
    return "   ".join(f"{name} {v:.3g}" for name, v in shown.items())


def alerts_table(alerts: Sequence[Alert]) -> Table:
    """Alerts, one a row."""
    table = _rows("id", "opened (UTC)", "lasted", "pipeline", "series", "watch", "kind", "peak", "why")
    for alert in alerts:
        lasted = "open" if alert.closed is None else _span(alert.closed - alert.opened)
        peak = "" if alert.peak_score is None else f"{alert.peak_score:.3g}"
        cells = (moment(alert.opened), lasted, alert.pipeline, alert.series, alert.watch, alert.kind, peak, why(alert))
        table.add_row(alert.id[:8], *cells)
    return table


def topics_table(topics: Sequence[Any]) -> Table:
    """Topics of a cluster, one a row."""
    table = _rows("topic", "partitions", "replication", "cleanup", "retention", "records")
    for topic in topics:
        kept = "" if topic.retention is None else _span(topic.retention * 1_000_000)
        cells = (str(topic.partitions), str(topic.replication), topic.cleanup, kept, str(topic.records))
        table.add_row(topic.name, *cells)
    return table


def dead_table(letters: Sequence[DeadLetter]) -> Table:
    """Dead letters, one a row; the value is cut."""
    table = _rows("place", "time (UTC)", "reason", "tries", "detail", "value")
    for letter in letters:
        value = "" if letter.value is None else repr(letter.value[:40])[2:-1] + ("…" if len(letter.value) > 40 else "")
        table.add_row(place(letter), moment(letter.time), letter.reason, str(letter.attempt), letter.detail, value)
    return table


def place(letter: DeadLetter) -> str:
    """Where the record stood."""
    index = "" if letter.index < 0 else f"/{letter.index}"
    return f"{letter.pipeline}/{letter.topic}/{letter.partition}/{letter.offset}{index}"


def facts(title: str, told: Mapping[str, Any]) -> Table:
    """Names and values below each other."""
    table = Table("", "", title=title, title_justify="left", box=None, show_header=False)
    for name, value in told.items():
        table.add_row(Text(name, "bold"), str(value))
    return table


def alert_facts(alert: Alert) -> dict[str, Any]:
    """Everything that an alert tells, in the order in which one asks."""
    told: dict[str, Any] = {
        "what": f"{alert.kind} on {alert.series} ({alert.pipeline}), {alert.state}",
        "why": why(alert),
        "first alarm": f"{moment(alert.started)} UTC",
        "opened": f"{moment(alert.opened)} UTC",
        "closed": f"{moment(alert.closed)} UTC" if alert.closed is not None else "still open",
        "alarms": alert.alarms,
    }
    if alert.peak_score is not None:
        told["score"] = (
            f"{alert.opening_score:.4g} at the opening, {alert.peak_score:.4g} at the peak, limit {alert.threshold:.4g}"
        )
        told["peak"] = f"{moment(alert.peak_time)} UTC"
    ranked = sorted(alert.actual, key=lambda name: -alert.contributions.get(name, 0.0))
    for name in ranked:
        parts = [f"{alert.actual[name]:.6g}"]
        if name in alert.expected:
            parts.append(f"expected {alert.expected[name]:.6g}")
        if name in alert.contributions:
            parts.append(f"{100 * alert.contributions[name]:.0f} % of it")
        told[f"  {name}"] = ", ".join(parts)
    if alert.evidence:
        told["evidence"] = alert.evidence
    told["raised by"] = f"{alert.watch} {alert.parameters}" if alert.watch else "the alert policy"
    told["replay"] = f"{alert.topic}/{alert.partition}, offsets {alert.first_offset} to {alert.last_offset}"
    told["id"] = alert.id
    return told


def demo_table(lines: Sequence[Any]) -> Table:
    """The demo's table: what was found of what the publishers labelled."""
    table = Table("pipeline", "readings", "readings/s", "alerts", "events", "found", "missed", "false alerts", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for line in lines:
        verdict = line.verdict
        judged = ("–", "–", "–", "–")
        if verdict is not None:
            judged = (str(verdict.events), str(verdict.found), str(verdict.missed), str(verdict.false))
        table.add_row(line.pipeline, f"{line.readings:,}", f"{line.readings_per_s:,.0f}", str(line.alerts), *judged)
    return table


def letter_facts(letter: DeadLetter) -> dict[str, Any]:
    """Everything about a dead letter, the original bytes included."""
    return {
        "reason": letter.reason,
        "detail": letter.detail,
        "record time": f"{moment(letter.time)} UTC",
        "attempt": letter.attempt,
        "key": letter.key,
        "value": letter.value,
    }
