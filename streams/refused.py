"""Rows that a sink will never accept, as dead letters."""

from connectors.base import Alert, Alerts, DeadLetter, DeadLetters, Points, Refused, Rows

REASON = "refused"
OF_AN_ALERT = -2
"""index of the dead letter of an alert, which began at the record"""


def as_dead(rows: Rows, refused: Refused) -> DeadLetters:
    """A dead letter for each refused row: what was refused, in the sink's own form, and the server's reason.

    Dead letters that are refused themselves, and rows that were not made of readings, become none.
    """
    values: list[bytes | None] = [*refused.values, *[None] * (len(refused) - len(refused.values))]
    told = zip(refused.rows, refused.reasons, values, strict=True)
    match rows:
        case Points(origin=origin) if origin is not None:
            return DeadLetters([_of_point(rows, row, reason, value) for row, reason, value in told])
        case Alerts():
            return DeadLetters([_of_alert(rows.rows[row], reason, value) for row, reason, value in told])
    return DeadLetters([])


def _of_point(points: Points, row: int, reason: str, value: bytes | None) -> DeadLetter:
    origin = points.origin
    assert origin is not None
    return DeadLetter(
        pipeline=points.tags["pipeline"], topic=origin.topic, partition=origin.partition,
        offset=int(origin.offsets[row]), index=int(origin.index[row]), time=int(points.times[row]),
        key=points.series[row], value=value, reason=REASON, detail=f"{points.tags.get('watch', '')}: {reason}",
    )  # fmt: skip


def _of_alert(alert: Alert, reason: str, value: bytes | None) -> DeadLetter:
    return DeadLetter(
        pipeline=alert.pipeline, topic=alert.topic, partition=alert.partition, offset=alert.first_offset,
        index=OF_AN_ALERT, time=alert.opened, key=alert.series.encode(), value=value, reason=REASON,
        detail=f"alert {alert.id}: {reason}",
    )  # fmt: skip
