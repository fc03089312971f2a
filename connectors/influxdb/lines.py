"""What InfluxDB keeps of rows: scores, drift beside them, alerts."""

import re
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

import msgspec
import numpy as np

from connectors.base import Alert, Alerts, DeadLetters, Points, Refused, Rows
from connectors.line_protocol import NO_FIELD, Lines, encode, escaped, tag_problem

_WHOLE = ("started", "closed", "alarms", "peak_time", "partition", "first_offset", "last_offset")
_REAL = ("opening_score", "peak_score", "threshold")
_TEXT = ("id", "state", "topic", "reason")
_NUMBERS = ("actual", "expected", "contributions")
_VALUES = ("parameters", "evidence")


def lines(rows: Rows) -> Lines:
    """Lines of every row that is fit for it; none of dead letters.

    The field `drift` of the measurement `scores` is a measurement of its own, with the field `statistic`.
    """
    match rows:
        case Points(measurement="scores") if "drift" in rows.fields:
            return _scores_and_drift(rows)
        case Points():
            return encode(rows)
        case Alerts():
            return _alerts(rows)
        case DeadLetters():
            return _joined([], Refused())


def _scores_and_drift(points: Points) -> Lines:
    fields = dict(points.fields)
    statistic = fields.pop("drift")
    scores = encode(replace(points, fields=fields))
    drift = encode(replace(points, measurement="drift", fields={"statistic": statistic}))
    return Lines(
        memoryview(b"".join([scores.data, drift.data])),
        np.concatenate([scores.ends, drift.ends + len(scores.data)]),
        np.concatenate([scores.rows, drift.rows]),
        _without(scores.refused, set(drift.rows.tolist())),
    )


def _without(refused: Refused, drifting: set[int]) -> Refused:
    """The refused rows, but for those that had no field besides their drift."""
    whole = zip(refused.rows, refused.reasons, refused.values, strict=True)
    kept = [(row, reason, value) for row, reason, value in whole if reason != NO_FIELD or row not in drifting]
    return Refused(tuple(row for row, _, _ in kept), tuple(why for _, why, _ in kept), tuple(v for _, _, v in kept))


def _alerts(alerts: Alerts) -> Lines:
    written: dict[int, bytes] = {}
    refused: dict[int, str] = {}
    for row, alert in enumerate(alerts.rows):
        try:
            written[row] = _alert(alert)
        except (TypeError, ValueError) as error:  # text that is not UTF-8, values that are no JSON, a tag
            refused[row] = str(error)
    ids = (alerts.rows[row].id.encode(errors="replace") for row in refused)
    return _joined(list(written.items()), Refused(tuple(refused), tuple(refused.values()), tuple(ids)))


def _joined(written: list[tuple[int, bytes]], refused: Refused) -> Lines:
    rows = np.array([row for row, _ in written], np.int64)
    ends = np.cumsum(np.array([len(line) for _, line in written], np.int64))
    return Lines(memoryview(b"".join(line for _, line in written)), ends, rows, refused)


def _alert(alert: Alert) -> bytes:
    """One line. Texts are never left out: a later version of the alert overwrites each field of the earlier.

    An alert of no series, such as a gap, is told apart by the partition that it stands for.
    """
    tags = {"asset": alert.asset, "kind": alert.kind, "pipeline": alert.pipeline}
    place = {"series": alert.series} if alert.series else {"place": f"{alert.topic}/{alert.partition}"}
    head = [b"alerts", *_tags({**tags, **place, "watch": alert.watch})]
    fields = {name: b"%di" % value for name in _WHOLE if (value := getattr(alert, name)) is not None}
    fields |= {name: repr(float(value)).encode() for name in _REAL if _is_finite(value := getattr(alert, name))}
    fields |= {name: _quoted(getattr(alert, name)) for name in _TEXT}
    fields |= {name: _json(dict(filter(_finite_item, getattr(alert, name).items()))) for name in _NUMBERS}
    fields |= {name: _json(getattr(alert, name)) for name in _VALUES}
    named = b",".join(name.encode() + b"=" + value for name, value in fields.items())
    return b"%b %b %d\n" % (b",".join(head), named, alert.opened)


def _tags(tags: Mapping[str, str]) -> list[bytes]:
    for name, value in tags.items():
        if problem := tag_problem(value):
            raise ValueError(f"the {name} {problem}")
    return [escaped(name) + b"=" + escaped(value) for name, value in sorted(tags.items()) if value]


def _is_finite(value: float | None) -> bool:
    return value is not None and isfinite(value)


def _finite_item(item: tuple[str, float]) -> bool:
    return isfinite(item[1])


def _json(value: Any) -> bytes:
    return _quoted(msgspec.json.encode(value).decode())


def _quoted(text: str) -> bytes:
    return b'"%b"' % re.sub(rb'(["\\])', rb"\\\1", text.encode())
