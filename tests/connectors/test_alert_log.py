"""What the Kafka sink wrote of alerts is read back, in its last version."""

import asyncio

import pytest

from connectors.base import Alert, Alerts
from connectors.kafka import topics
from connectors.kafka.alert_log import alert, alerts
from connectors.kafka.cloud_events import Form
from connectors.kafka.connection import Connection
from connectors.kafka.sink import KafkaSink

pytestmark = pytest.mark.servers


def made(number: int, state: str = "open") -> Alert:
    return Alert(
        id=f"{number:016x}", pipeline="pumps", series=f"pump-{number}", watch="level", kind="anomaly", state=state,
        opened=1_700_000_000_000_000_000 + number, started=5, topic="sensors", partition=0, first_offset=1,
        last_offset=2, actual={"flow": 1.5}, closed=None if state == "open" else 1_700_000_001_000_000_000,
    )  # fmt: skip


@pytest.mark.parametrize("form", ["structured", "binary"])
def test_the_last_version_of_every_alert_is_read_back(bootstrap: str, topic: str, form: Form) -> None:
    connection = Connection(bootstrap=(bootstrap,))
    topics.create(connection, topic, partitions=2, compact=True)

    async def write() -> None:
        sink = KafkaSink(connection, alerts=topic, dead=topic, form=form)
        await sink.write(Alerts([made(1), made(2), made(3)]))
        await sink.write(Alerts([made(2, "closed")]))
        await sink.close()

    asyncio.run(write())
    assert alerts(connection, topic) == [made(3), made(2, "closed"), made(1)]
    assert alerts(connection, topic, state="open", limit=1) == [made(3)]
    assert alert(connection, topic, made(2).id) == made(2, "closed")
    with pytest.raises(LookupError, match="3 alerts have an id that begins with '0000'"):
        alert(connection, topic, "0000")
    with pytest.raises(LookupError, match="no alert whose id begins with 'ffff'"):
        alert(connection, topic, "ffff")
