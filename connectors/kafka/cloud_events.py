"""An alert as a CloudEvent 1.0 in a Kafka record."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from math import isfinite
from typing import Any, Literal
from urllib.parse import quote

import msgspec
from cloudevents.core.bindings.kafka import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from connectors.base import Alert
from connectors.kafka.producing import Message

Form = Literal["structured", "binary"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def message(alert: Alert, *, form: Form) -> Message:
    """Key = the alert's id; placed by its asset, or by its series where there is none.

    Raises ValueError or TypeError if the alert cannot be JSON.
    """
    to = to_structured_event if form == "structured" else to_binary_event
    written = to(event(alert), key_mapper=lambda _: alert.id)
    place = (alert.asset or alert.series).encode()
    return Message(place, alert.id.encode(), written.value, list(written.headers.items()))


def event(alert: Alert) -> CloudEvent:
    """The id is the alert's and a hash of its content: an event that is sent again is known by it.

    `time` is exact to the microsecond; the times in `data`, which is the alert, are ns.
    """
    data = msgspec.json.encode(_finite(alert), order="sorted")
    attributes: dict[str, Any] = {
        "id": f"{alert.id}-{blake2b(data, digest_size=8).hexdigest()}",
        "type": f"watchkeeper.alert.{stage(alert)}",
        "source": f"/watchkeeper/{quote(alert.pipeline, safe='')}",
        "time": _EPOCH + timedelta(microseconds=(alert.opened if alert.closed is None else alert.closed) // 1000),
        "datacontenttype": "application/json",
    }
    if alert.series:
        attributes["subject"] = alert.series
    return CloudEvent(attributes, msgspec.json.decode(data))


def stage(alert: Alert) -> Literal["opened", "changed", "closed"]:
    """An open alert is told again only when its score is higher than ever since: its peak is then after its opening."""
    if alert.state == "closed":
        return "closed"
    return "changed" if alert.peak_time is not None and alert.peak_time > alert.opened else "opened"


def _finite(alert: Alert) -> Alert:
    """JSON has no NaN: such a value is absent."""
    named = {name: _numbers(getattr(alert, name)) for name in ("actual", "expected", "contributions")}
    return msgspec.structs.replace(alert, **named)


def _numbers(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if isfinite(value)}
