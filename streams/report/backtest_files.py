"""A backtest as files to keep and to show: a page, a table of the alerts, and the figures."""

import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import orjson

from connectors.base import Alert
from streams.backtest import Backtest, Span
from streams.report.backtest import page
from streams.report.files import keep
from streams.say import moment

COLUMNS = (
    "id", "opened", "closed", "state", "series", "asset", "watch", "kind", "alarms", "peak_score", "threshold", "topic",
    "partition", "first_offset", "last_offset",
)  # fmt: skip


def write(folder: Path, found: Backtest, span: Span, *, pipeline: str, machine: dict[str, Any]) -> list[Path]:
    """Write `figures.json`, `alerts.csv` and `report.html`. Raises ValueError if the folder cannot be written."""
    figures = {"machine": machine, "figures": found.figures()}
    contents = {
        "figures.json": orjson.dumps(figures, option=orjson.OPT_INDENT_2) + b"\n",
        "alerts.csv": table(found.alerts).encode(errors="backslashreplace"),
        "report.html": page(found, span, pipeline=pipeline).encode(),
    }
    return keep(folder, contents)


def table(alerts: Sequence[Alert]) -> str:
    """CSV (RFC 4180) with a line for each alert; times in UTC."""
    text = StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(COLUMNS)
    lines.writerows([_cell(name, getattr(alert, name)) for name in COLUMNS] for alert in alerts)
    return text.getvalue()


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    return moment(value) if name in ("opened", "closed") else str(value)
