"""A place for `watchkeeper` as a user runs it: a configuration, topics, snapshots, and processes of the command."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from connectors.kafka import topics
from tests.servers.process import Process
from tests.streams.kafka import broker
from tests.streams.kafka.commands import Done, run

ROOT = Path(__file__).parents[3]

COMMAND = [sys.executable, "-c", "from streams.cli import main; main()"]

CONFIG = """
[kafka]
bootstrap = "{bootstrap}"
alerts = "{topic}.alerts"
dead = "{topic}.dead"
session_timeout = "6s"
rebalance_timeout = "10s"

[snapshots]
url = "file://{folder}/snapshots"
every = "200ms"

[pipelines.desk]
topic = "{topic}"
group = "group.{topic}"
decode = {{ format = "json", series = "series", time = "time", values = "value", max_bytes = 200, max_name = 19 }}
scores = "all"

[[pipelines.desk.watches]]
name = "level"
detector = {{ type = "gaussian", warm_up = 16 }}
"""


@dataclass
class Site:
    """A folder with a configuration, and a topic with those for alerts and dead letters beside it."""

    folder: Path
    bootstrap: str
    topic: str
    partitions: int = 1
    environment: dict[str, str] = field(default_factory=dict)
    workers: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.text = CONFIG.format(bootstrap=self.bootstrap, topic=self.topic, folder=self.folder)

    def create_topics(self) -> None:
        broker.create(self.bootstrap, self.topic, self.partitions)
        for name, settings in topics.own_topics(f"{self.topic}.alerts", f"{self.topic}.dead").items():
            topics.create(broker.at(self.bootstrap), name, partitions=1, **settings)

    def change(self, old: str, new: str) -> None:
        """Another text in the configuration."""
        assert old in self.text
        self.text = self.text.replace(old, new)

    @property
    def group(self) -> str:
        return f"group.{self.topic}"

    def _write(self) -> dict[str, str]:
        (self.folder / "watchkeeper.toml").write_text(self.text)
        return {**os.environ, "PYTHONPATH": str(ROOT), **self.environment}

    def run(self, *arguments: str, seconds: float = 60.0) -> Done:
        """A command that ends by itself."""
        self._write()
        return run(arguments, folder=self.folder, environment=self.environment, seconds=seconds)

    def json(self, *arguments: str) -> Any:
        """What a command prints with --json."""
        done = self.run(*arguments, "--json")
        assert done.status == 0, done.error
        return json.loads(done.out)

    @contextmanager
    def work(self, *options: str, stops: bool = True) -> Iterator[Process]:
        """`watchkeeper work` meanwhile. stops: by SIGTERM, with exit status 0."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        worker = Process([*COMMAND, "work", "desk", *options], log, self._write())
        self.workers.append(worker)
        try:
            yield worker
            status = worker.stop()
            assert not stops or status == 0, log.read_text()[-3000:]
        finally:
            worker.kill()

    def lag(self) -> int:
        """Records that no snapshot contains yet, by the committed offsets."""
        with self._consumer(self.group) as client:
            places = [TopicPartition(self.topic, number) for number in range(self.partitions)]
            ends = client.end_offsets(places)
            return sum(ends[place] - (client.committed(place) or 0) for place in places)

    def until_read(self, worker: Process, seconds: float = 60.0) -> None:
        """Wait until everything is scored, saved and committed."""
        worker.wait_for(lambda: self.lag() == 0, seconds=seconds, what="the end of the topic")

    def alerts(self) -> list[Mapping[str, Any]]:
        """Every version of every alert, in order."""
        with self._consumer(None) as client:
            place = TopicPartition(f"{self.topic}.alerts", 0)
            client.assign([place])
            client.seek_to_beginning(place)
            end, found = client.end_offsets([place])[place], []
            while client.position(place) < end:
                for records in client.poll(timeout_ms=200).values():
                    found += [json.loads(record.value)["data"] for record in records]
        return found

    @contextmanager
    def _consumer(self, group: str | None) -> Iterator[KafkaConsumer]:
        client = KafkaConsumer(bootstrap_servers=self.bootstrap, group_id=group, enable_auto_commit=False)
        try:
            yield client
        finally:
            client.close(autocommit=False)
