"""Processes of `bench pipeline`: workers, the scripts they are compared with, and the bare transport."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from connectors.kafka.connection import Connection

CONFIG = """
[kafka]
bootstrap = "{bootstrap}"
session_timeout = "{session}"
{influxdb}
[snapshots]
url = "file://{folder}/snapshots"
every = "1s"

[pipelines.bench]
topic = "{topic}"
group = "bench.{run}"
decode = {{ format = "json", series = ["series"], time = "time", values = ["value"] }}
future = "36500d"
silence_after = "1h"
max_series = 200000
scores = "{scores}"

[[pipelines.bench.watches]]
name = "spikes"
detector = {{ type = "gaussian" }}
"""

INFLUXDB = """
[influxdb]
url = "{url}"
org = "{org}"
bucket = "{bucket}"
token = {{ file = "{token}" }}
"""

PATIENCE = 180.0
"""s"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where and with what. core: the one for what is measured, apart from the broker's; -1 = any.

    peers:    folder of the scripts to compare with
    influxdb: url, org, bucket and the file of the token; empty = without
    """

    bootstrap: str
    core: int
    peers: Path
    influxdb: Mapping[str, str] = field(default_factory=dict)

    @property
    def connection(self) -> Connection:
        """To the broker."""
        return Connection(bootstrap=(self.bootstrap,))

    @contextmanager
    def start(self, command: Sequence[str], folder: Path, **environment: str) -> Iterator["subprocess.Popen[str]"]:
        """A Python process on the core; it does not outlive the block."""
        pinned = ["taskset", "-c", str(self.core)] if self.core >= 0 else []
        variables = [f"{name}={value}" for name, value in environment.items()]
        whole = [*pinned, "env", *variables, sys.executable, *command]
        with subprocess.Popen(
            whole, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder
        ) as process:
            try:
                yield process
            finally:
                process.kill()


@contextmanager
def apart(core: int) -> Iterator[None]:
    """Send and listen on other cores than the one of what is measured, if there are others."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before - {core} or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(slots=True)
class Told:
    """What a worker said: event -> its lines, each as the fields that were looked for."""

    process: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)

    def wait_for(self, event: str, times: int = 1) -> list[dict[str, str]]:
        """Read on until the event was told so often."""
        assert self.process.stdout is not None
        end = time.monotonic() + PATIENCE
        while len(found := [_fields(line) for line in self.lines if f"event={event} " in line + " "]) < times:
            line = self.process.stdout.readline()
            self.lines.append(line.strip())
            if not line or time.monotonic() > end:
                raise RuntimeError(f"a worker did not tell of {event}: " + "\n".join(self.lines[-20:]))
        return found

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=PATIENCE)


def _fields(line: str) -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S+)", line))


def at(told: Mapping[str, str]) -> float:
    """When a line was told, s since 1970."""
    return datetime.fromisoformat(told["timestamp"]).timestamp()


@contextmanager
def folder(
    bench: Bench, topic: str, *, scores: str = "alarms", influxdb: bool = False, session: str = "6s"
) -> Iterator[Path]:
    """A configuration with a group and snapshots of its own."""
    with TemporaryDirectory() as path:
        where = Path(path)
        text = CONFIG.format(
            bootstrap=bench.bootstrap, folder=path, topic=topic, run=uuid4().hex[:8], scores=scores, session=session,
            influxdb=INFLUXDB.format(**bench.influxdb) if influxdb else "",
        )  # fmt: skip
        (where / "watchkeeper.toml").write_text(text)
        yield where


@contextmanager
def working(bench: Bench, where: Path) -> Iterator[Told]:
    """A worker, `watchkeeper work` as anyone runs it, until the end of the block."""
    with bench.start(["-c", "from streams.cli import main; main()", "work", "bench"], where) as process:
        told = Told(process)
        told.wait_for("ready")
        yield told
        told.stop()


def worker(bench: Bench, topic: str, records: int, *, scores: str = "alarms", influxdb: bool = False) -> float:
    """Records/s of a worker with a backlog of a whole topic: from the first slice in hand to the last one scored."""
    with folder(bench, topic, scores=scores, influxdb=influxdb) as where, working(bench, where) as told:
        (line,) = told.wait_for("caught_up")
    if int(line["records"]) != records:
        raise RuntimeError(f"a worker read {line['records']} records of {topic}, there are {records}")
    return records / float(line["seconds"])


def together(bench: Bench, topic: str, workers: int, fill: Callable[[], int]) -> float:
    """Records/s of several workers: they are stopped while `fill` sends, and go on at the same moment."""
    with ExitStack() as stack:
        where = stack.enter_context(folder(bench, topic, session="60s"))
        told = [stack.enter_context(working(bench, where)) for _ in range(workers)]
        for each in told:  # as long as there are fewer of them, one may have no partition
            each.wait_for("assigned")
        sent = _while_stopped(told, fill)
        lines = [each.wait_for("caught_up")[0] for each in told]
    ended = [float(line["ended"]) for line in lines]
    begun = [end - float(line["seconds"]) for end, line in zip(ended, lines, strict=True)]
    return sent / (max(ended) - min(begun))


def _while_stopped(told: Sequence[Told], work: Callable[[], int]) -> int:
    for each in told:
        each.process.send_signal(signal.SIGSTOP)
    try:
        return work()
    finally:
        for each in told:
            each.process.send_signal(signal.SIGCONT)


def peer(bench: Bench, scripts: Sequence[Sequence[str]], topic: str, records: int) -> float:
    """Records/s of the first of these scripts that there is, as it says itself."""
    for script in scripts:
        if (bench.peers / script[0]).exists():
            command = [*script, str(records)]
            where = {"BENCH_TOPIC": topic, "BENCH_BOOTSTRAP": bench.bootstrap}
            with bench.start(command, bench.peers, **where) as process:
                out, _ = process.communicate(timeout=PATIENCE)
            if (found := re.search(r"RESULT (\{.*\})", out)) is None:
                raise RuntimeError(f"{bench.peers / script[0]}: {out[-2000:]}")
            return float(json.loads(found[1])["rate"])
    raise RuntimeError(f"none of {', '.join(script[0] for script in scripts)} is in {bench.peers}")


def ceiling(bench: Bench, topic: str, records: int) -> float:
    """Records/s that the transport alone brings."""
    command = ["-m", "streams.bench.ceiling", bench.bootstrap, topic, str(records)]
    with bench.start(command, Path.cwd()) as process:
        out, _ = process.communicate(timeout=PATIENCE)
    if (found := re.search(r"seconds=(\S+)", out)) is None:
        raise RuntimeError(f"the ceiling: {out[-2000:]}")
    return records / float(found[1])
