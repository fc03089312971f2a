"""/health says whether readings are scored: with InfluxDB away for too long it fails, and tells why."""

import asyncio
import json

import pytest

from connectors.base import Points
from connectors.influxdb import InfluxDB, InfluxDBConnection
from streams import status
from streams.delivery import Only
from streams.metrics import Metrics
from tests.servers.fixtures import Bucket
from tests.servers.process import free_port
from tests.servers.proxy import Proxy
from tests.streams.kafka import broker
from tests.streams.kafka.served import Served
from tests.streams.kafka.test_status import get

pytestmark = pytest.mark.servers


class Health:
    """What /health answers, asked from another thread."""

    def __init__(self, url: str) -> None:
        self._url, self.code, self.told = url, 0, {"status": "", "reasons": [""]}

    async def becomes(self, code: int, state: str) -> None:
        for _ in range(600):
            self.code, text = await asyncio.to_thread(get, self._url)
            self.told = json.loads(text)
            if (self.code, self.told["status"]) == (code, state):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{self.code} {self.told}; {code} {state} was expected")


async def test_a_worker_fails_while_influxdb_is_away_and_recovers(
    bootstrap: str, single: str, influxdb: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "PATIENCE", 0.5)
    proxy, listen, metrics = Proxy(influxdb.url).start(), f"127.0.0.1:{free_port()}", Metrics("desk")
    connection = InfluxDBConnection(url=proxy.url, bucket=influxdb.bucket, org=influxdb.org, token=influxdb.token)
    health = Health(f"{listen}/health")
    sink = InfluxDB(connection)
    served = Served(bootstrap, single, sink=Only(sink, (Points,)))
    async with status.serving(listen, metrics, every=0.1):
        await health.becomes(503, "starting")
        async with served.serve() as serving:
            metrics.steward = serving.steward
            await health.becomes(200, "scoring")
            with proxy.away():
                await broker.send(bootstrap, single, broker.readings(200, partitions=1))
                await health.becomes(503, "failing")
                assert any(reason.startswith("memory has accepted nothing for") for reason in health.told["reasons"])
            await health.becomes(200, "scoring")
            await serving.read_to({0: 200})
    await sink.close()
    proxy.stop()


async def test_a_worker_without_partitions_is_healthy_and_stands_by(bootstrap: str, single: str) -> None:
    served = Served(bootstrap, single)
    async with served.serve() as one, served.serve() as other:
        await one.until(lambda: sorted([one.owned, other.owned]) == [[], [0]], what="one owner")
        states = [status.health(each.steward, every=1.0) for each in (one, other)]
    assert sorted(told["status"] for told in states) == ["scoring", "standby"]
    assert [told["reasons"] for told in states] == [[], []]
