"""A plant of the tests: a topic, and runs of `watchkeeper work` over it, each with everything of its own."""

import http.client
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
from influxdb_client.client.influxdb_client import InfluxDBClient
from kafka import KafkaConsumer, TopicPartition

from connectors.base import Alert
from connectors.kafka import letters, topics
from connectors.kafka.connection import Connection
from tests.faults.stream import PARTITIONS, SERIES
from tests.servers.influxdb import InfluxDB
from tests.servers.process import Process, wait_until

ROOT = Path(__file__).parents[2]

CONFIG = """
[kafka]
bootstrap = "{bootstrap}"
alerts = "{alerts}"
dead = "{dead}"
session_timeout = "6s"
rebalance_timeout = "20s"

[influxdb]
url = "{url}"
org = "plant"
bucket = "{bucket}"
token = {{ env = "INFLUXDB_TOKEN" }}
timeout = "3s"

[snapshots]
url = "file://{folder}/snapshots"
every = "300ms"

[pipelines.plant]
topic = "{topic}"
group = "{group}"
decode = {{ format = "json", series = "series", time = "time", values = ["value", "load"] }}
silence_after = "{silence}s"
scores = "all"

[[pipelines.plant.watches]]
name = "level"
detector = {{ type = "gaussian", warm_up = 30 }}
calibrator = {{ type = "likelihood" }}
drift = {{ type = "page_hinkley" }}

[[pipelines.plant.watches]]
name = "range"
detector = {{ type = "range", warm_up = 50 }}

[pipelines.plant.alerts]
close_after = 10
"""


@dataclass(frozen=True)
class Contents:
    """What is left at the end: every point with all its fields, the last version of every alert, the dead letters."""

    points: Mapping[tuple[str, ...], Mapping[str, str]]
    alerts: Mapping[str, Any]
    dead: frozenset[tuple[Any, ...]]

    def counts(self) -> str:
        return f"{len(self.points)} points, {len(self.alerts)} alerts, {len(self.dead)} dead letters"


@dataclass
class Run:
    """Workers over a topic, with a bucket, topics, a consumer group and snapshots of their own."""

    folder: Path
    bootstrap: str
    database: InfluxDB
    topic: str
    url: str = ""
    """of InfluxDB as the workers see it; empty = as it is"""
    silence: int = 8
    """s without a reading, after which a series is silent"""
    workers: list[Process] = field(default_factory=list)
    started: int = 0
    killed: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir()
        (self.folder / "snapshots").mkdir()
        name = uuid4().hex[:8]
        self.bucket, self.group = f"run-{name}", f"group-{name}"
        self.alerts, self.dead = f"alerts-{name}", f"dead-{name}"
        self._create_bucket()
        for topic, settings in topics.own_topics(self.alerts, self.dead).items():
            topics.create(self.connection, topic, partitions=2, **settings)
        text = CONFIG.format(
            bootstrap=self.bootstrap, alerts=self.alerts, dead=self.dead, url=self.url or self.database.url,
            bucket=self.bucket, folder=self.folder, topic=self.topic, group=self.group, silence=self.silence,
        )  # fmt: skip
        (self.folder / "w.toml").write_text(text)

    @property
    def connection(self) -> Connection:
        return Connection(bootstrap=(self.bootstrap,))

    def _create_bucket(self) -> None:
        client = http.client.HTTPConnection(urlsplit(self.database.url).netloc, timeout=30)
        headers = {"Authorization": f"Token {self.database.token}"}
        client.request("GET", "/api/v2/orgs?org=plant", headers=headers)
        org = json.loads(client.getresponse().read())["orgs"][0]["id"]
        client.request("POST", "/api/v2/buckets", json.dumps({"orgID": org, "name": self.bucket}), headers)
        assert client.getresponse().status == 201
        client.close()

    def start(self) -> Process:
        """One more worker."""
        command = [sys.executable, "-c", "from streams.cli import main; main()", "work", "plant", "-c", "w.toml"]
        environment = {"INFLUXDB_TOKEN": self.database.token, "PYTHONPATH": str(ROOT)}
        worker = Process(command, self.folder / f"worker-{self.started}.log", {**os.environ, **environment})
        self.started += 1
        self.workers.append(worker)
        return worker

    def kill(self, worker: Process) -> None:
        """kill -9."""
        worker.kill()
        self.workers.remove(worker)
        self.killed += 1

    def end(self) -> None:
        """Let nothing run on."""
        for worker in self.workers:
            worker.kill()

    def lag(self) -> int:
        """Records that no snapshot contains yet, by the committed offsets."""
        sent, saved = self._offsets()
        return sent - saved

    def saved(self) -> int:
        """Records that a snapshot contains, by the committed offsets."""
        return self._offsets()[1]

    def _offsets(self) -> tuple[int, int]:
        client = KafkaConsumer(bootstrap_servers=self.bootstrap, group_id=self.group, enable_auto_commit=False)
        places = [TopicPartition(self.topic, p) for p in range(PARTITIONS)]
        try:
            ends = client.end_offsets(places)
            return sum(ends.values()), sum(client.committed(place) or 0 for place in places)
        finally:
            client.close(autocommit=False)

    def finish(self, *, seconds: float = 120.0) -> Contents:
        """Wait until everything is scored, saved and silent at the end, stop the workers in order, and look."""
        wait_until(lambda: self.lag() == 0, seconds=seconds, what="the end of the topic")
        wait_until(self._silent, seconds=60 + self.silence, what="silence of every series at the end")
        for worker in self.workers:
            assert worker.stop(seconds=60) == 0, worker.log.read_text()[-3000:]
        self.workers = []
        assert self.lag() == 0
        return self.contents()

    def _silent(self) -> bool:
        """Every series has fallen silent once more, since nothing is sent any more."""
        still = [a for a in self._alerts().values() if a["kind"] == "silence" and "closed" not in a]
        return len(still) == SERIES

    def _alerts(self) -> dict[str, Any]:
        client = KafkaConsumer(bootstrap_servers=self.bootstrap, group_id=None, enable_auto_commit=False)
        places = [TopicPartition(self.alerts, p) for p in range(2)]
        found: dict[str, Any] = {}
        try:
            client.assign(places)
            client.seek_to_beginning(*places)
            ends = client.end_offsets(places)
            while any(client.position(place) < ends[place] for place in places):
                for records in client.poll(timeout_ms=200).values():
                    for record in records:
                        event = json.loads(record.value)
                        assert record.key.decode() == event["data"]["id"]
                        found[event["data"]["id"]] = event["data"]
        finally:
            client.close(autocommit=False)
        for alert in found.values():
            msgspec.convert(alert, Alert)
        return found

    def contents(self) -> Contents:
        dead = frozenset(
            (d.pipeline, d.topic, d.partition, d.offset, d.index, d.key, d.value, d.reason, d.detail)
            for d in letters.dead_letters(self.connection, self.dead)
        )
        return Contents(self._points(), self._alerts(), dead)

    def _points(self) -> dict[tuple[str, ...], dict[str, str]]:
        """By measurement, time and tags; the values as InfluxDB writes them. `worker` is about the workers."""
        found: dict[tuple[str, ...], dict[str, str]] = {}
        query = f'from(bucket: "{self.bucket}") |> range(start: 0, stop: 2100-01-01T00:00:00Z) \
            |> filter(fn: (r) => r._measurement != "worker")'
        with InfluxDBClient(self.database.url, self.database.token, org="plant", timeout=120_000) as client:
            for row in client.query_api().query_csv(query):
                if len(row) > 8 and row[1] == "result":
                    header = row
                elif len(row) > 8 and row[0] == "":
                    named = dict(zip(header[3:], row[3:], strict=True))
                    name, value = named.pop("_field"), named.pop("_value")
                    for gone in ("_start", "_stop"):
                        named.pop(gone)
                    found.setdefault(tuple(f"{k}={v}" for k, v in sorted(named.items())), {})[name] = value
        return found
