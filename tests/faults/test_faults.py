"""Kill anywhere: whatever happens, points and alerts are those of the run in which nothing happened, bit for bit."""

import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from connectors.kafka import topics
from connectors.kafka.connection import Connection
from streams import build
from streams.config import load
from streams.warm import warm
from tests.faults.plant import CONFIG, Contents, Run
from tests.faults.stream import PARTITIONS, Stream
from tests.servers.fixtures import need
from tests.servers.influxdb import BINARY, InfluxDB
from tests.servers.kafka import LIB, Kafka
from tests.servers.process import wait_until
from tests.servers.proxy import Proxy

pytestmark = pytest.mark.servers
RATE = 400.0
"""records a second"""


@dataclass
class Servers:
    """A broker and a database that may be restarted without harm to other tests."""

    kafka: Kafka
    influxdb: InfluxDB
    folder: Path
    runs: list[Run]


def compile_kernels(path: Path) -> None:
    """Once, so that the workers of the tests find them: they are to be killed while they score."""
    path.write_text(CONFIG.format_map(defaultdict(lambda: "1")))
    (pipeline,) = build.pipelines(load(path), path).values()
    warm(pipeline)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    need(LIB, "Kafka")
    need(BINARY, "InfluxDB")
    folder = tmp_path_factory.mktemp("faults")
    (folder / "kafka").mkdir()
    (folder / "influxdb").mkdir()
    compile_kernels(folder / "w.toml")
    kafka, influxdb = Kafka(folder / "kafka"), InfluxDB(folder / "influxdb")
    yield Servers(kafka, influxdb, folder, [])
    kafka.stop()
    influxdb.stop()


@pytest.fixture(autouse=True)
def nothing_runs_on(servers: Servers) -> Iterator[None]:
    yield
    while servers.runs:
        servers.runs.pop().end()


class Story:
    """A stream that runs while things go wrong, and what the undisturbed run makes of the same topic afterwards."""

    def __init__(
        self, servers: Servers, seed: int, seconds: float, *, proxy: Proxy | None = None, silence: int = 8
    ) -> None:
        self.servers, self.rng, self.silence = servers, np.random.default_rng(seed), silence
        self.topic = f"story-{uuid4().hex[:8]}"
        topics.create(Connection(bootstrap=(servers.kafka.bootstrap,)), self.topic, partitions=PARTITIONS)
        n = int(seconds * RATE)
        pause = (n // 4, n // 4 + int((silence + 7) * RATE))
        self.stream = Stream(servers.kafka.bootstrap, self.topic, seed=seed, n=n, rate=RATE, pause=pause)
        self.run = self._new("disturbed", url="" if proxy is None else proxy.url)
        self.stream.start()

    def _new(self, name: str, url: str = "") -> Run:
        folder = self.servers.folder / f"{self.topic}-{name}"
        run = Run(folder, self.servers.kafka.bootstrap, self.servers.influxdb, self.topic, url, self.silence)
        self.servers.runs.append(run)
        return run

    def wait(self, low: float, high: float) -> None:
        """A random moment."""
        time.sleep(float(self.rng.uniform(low, high)))

    def undisturbed(self) -> Contents:
        calm = self._new("undisturbed")
        calm.start()
        return calm.finish()

    def ends_well(self, what: str) -> None:
        """The end of the story: compare."""
        self.stream.join(300)
        assert not self.stream.is_alive()
        found, expected = self.run.finish(), self.undisturbed()
        print(f"\n{what}: {self.stream.sent} records, {self.run.started} workers started, {self.run.killed} killed; "
              f"{found.counts()}; undisturbed: {expected.counts()}")  # fmt: skip
        assert set(found.alerts) == set(expected.alerts)
        assert found.alerts == expected.alerts
        assert found.dead == expected.dead
        assert found.points.keys() == expected.points.keys()
        assert found.points == expected.points
        kinds = {alert["kind"] for alert in expected.alerts.values()}
        assert kinds >= {"anomaly", "drift", "silence"}
        assert len(expected.points) > self.stream.sent
        assert {letter[7] for letter in expected.dead} >= {"invalid_json", "empty"}


def disturb(story: Story, *, workers: int, kills: int) -> None:
    """kill -9 at random moments, each time with a new worker in place of the dead one."""
    for _ in range(workers):
        story.run.start()
    for _ in range(kills):
        story.wait(1.0, 8.0)
        victim = story.run.workers[int(story.rng.integers(len(story.run.workers)))]
        story.run.kill(victim)
        story.run.start()


@pytest.mark.parametrize(
    ("workers", "kills", "seed"),
    [
        (2, 3, 1),
        pytest.param(1, 12, 2, marks=pytest.mark.slow),
        pytest.param(2, 12, 3, marks=pytest.mark.slow),
        pytest.param(4, 12, 4, marks=pytest.mark.slow),
    ],
)
def test_kill_9_at_random_moments_changes_nothing(servers: Servers, workers: int, kills: int, seed: int) -> None:
    story = Story(servers, seed, 25.0 + 5.0 * kills)
    disturb(story, workers=workers, kills=kills)
    assert story.run.killed == kills
    story.ends_well(f"{kills} kills among {workers} workers")


def test_an_influxdb_that_is_busy_or_down_loses_nothing(servers: Servers) -> None:
    proxy = Proxy(servers.influxdb.url).start()
    story = Story(servers, 5, 30.0, proxy=proxy)
    story.run.start()
    wait_until(lambda: story.run.saved() > 0, seconds=60, what="the first checkpoint")
    proxy.answer(429, 3, Retry_After="1")
    wait_until(lambda: proxy.counts["429"] == 3, seconds=60, what="three times 429")
    proxy.answer(503, 3)
    wait_until(lambda: proxy.counts["503"] == 3, seconds=60, what="three times 503")
    proxy.lose(2)
    wait_until(lambda: proxy.counts["lost"] == 2, seconds=60, what="two answers that are lost")
    with proxy.away():
        time.sleep(5.0)
        story.run.kill(story.run.workers[0])
    story.run.start()
    story.ends_well(f"InfluxDB busy, down and forgetful, and a kill meanwhile {dict(proxy.counts)}")
    proxy.stop()


@pytest.mark.slow
def test_an_influxdb_that_is_down_for_half_a_minute_loses_nothing(servers: Servers) -> None:
    story = Story(servers, 6, 60.0)
    story.run.start()
    wait_until(lambda: story.run.saved() > 0, seconds=60, what="the first checkpoint")
    servers.influxdb.kill()
    story.wait(30.0, 31.0)
    servers.influxdb.start()
    story.ends_well("InfluxDB killed, and down for 30 s")


@pytest.mark.slow
def test_a_broker_that_is_killed_and_comes_back_loses_nothing(servers: Servers) -> None:
    # the second time it is away for longer than a series may be silent: that is the broker's silence, not theirs
    story = Story(servers, 7, 80.0)
    for _ in range(2):
        story.run.start()
    wait_until(lambda: story.run.saved() > 0, seconds=60, what="the first checkpoint")
    for kill, away in ((servers.kafka.stop, 1.0), (servers.kafka.kill, 12.0)):
        story.wait(3.0, 6.0)
        kill()
        story.wait(away, away + 1.0)
        servers.kafka.start()
    story.ends_well("the broker stopped once, and killed once")


@pytest.mark.slow
def test_a_full_snapshot_folder_only_delays(servers: Servers) -> None:
    story = Story(servers, 8, 45.0)
    disk = story.run.folder / "snapshots"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode()}")
    try:
        story.run.start()
        wait_until(lambda: story.run.saved() > 0, seconds=60, what="the first checkpoint")
        full = disk / "full"
        with full.open("wb") as out:
            subprocess.run(["dd", "if=/dev/zero", "bs=64k"], stdout=out, stderr=subprocess.DEVNULL)
        story.wait(4.0, 8.0)
        story.run.kill(story.run.workers[0])
        full.unlink()
        story.run.start()
        story.ends_well("a snapshot folder that was full, and a kill meanwhile")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_a_paused_worker_that_wakes_without_its_partitions_writes_nothing_stale(servers: Servers) -> None:
    story = Story(servers, 9, 70.0)
    first, second = story.run.start(), story.run.start()
    wait_until(lambda: story.run.saved() > 0, seconds=60, what="the first checkpoint")
    for worker in (first, second):
        story.wait(3.0, 5.0)
        worker.send(signal.SIGSTOP)
        story.wait(12.0, 14.0)
        worker.send(signal.SIGCONT)
    story.ends_well("workers that slept past their session, one after the other")
