"""The alerts topic read back: the last version of every alert."""

import asyncio

import msgspec

from connectors.base import Alert
from connectors.kafka.connection import Connection
from connectors.kafka.reading import read


class _Event(msgspec.Struct):
    """A structured CloudEvent, of which the data matters."""

    data: Alert


def alerts(connection: Connection, topic: str, *, state: str | None = None, limit: int | None = None) -> list[Alert]:
    """Alerts, the last opened first; only open or closed ones if `state` says so. The whole topic is read; it blocks.

    Records that are no alerts are passed over. Raises MissingTopic, Unreachable.
    """
    found = asyncio.run(_last(connection, topic)).values()
    chosen = [alert for alert in found if state in (None, alert.state)]
    return sorted(chosen, key=lambda alert: (-alert.opened, alert.id))[:limit]


def alert(connection: Connection, topic: str, beginning: str) -> Alert:
    """The alert whose id begins so. LookupError if there is none, or more than one."""
    found = [each for each in alerts(connection, topic) if each.id.startswith(beginning)]
    if not found:
        raise LookupError(
            f"no alert whose id begins with {beginning!r} in {topic}; `watchkeeper alerts list` shows them"
        )
    if len(found) > 1:
        ids = ", ".join(sorted(each.id for each in found)[:10])
        raise LookupError(f"{len(found)} alerts have an id that begins with {beginning!r}: {ids}; give more of it")
    return found[0]


async def _last(connection: Connection, topic: str) -> dict[bytes, Alert]:
    found: dict[bytes, Alert] = {}
    async for records in read(connection, topic):
        for record in records:
            found.pop(record.key, None)
            if (told := _alert(record.value, dict(record.headers))) is not None:
                found[record.key] = told
    return found


def _alert(value: bytes | None, headers: dict[str, bytes]) -> Alert | None:
    try:
        if "ce_id" in headers:
            return msgspec.json.decode(value or b"", type=Alert)
        return msgspec.json.decode(value or b"", type=_Event).data
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None
