"""Where a worker begins: the table of the design, against a real broker."""

import asyncio
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import OffsetOutOfRangeError
from structlog.testing import capture_logs

from connectors.base import Alert
from detectors.gaussian import Gaussian
from detectors.stuck import Stuck
from detectors.watch import Watch
from streams.restore import Changed
from streams.start import OtherSource, Position
from tests.streams import desk
from tests.streams.kafka import broker
from tests.streams.kafka.broker import Sent
from tests.streams.kafka.served import Served, Serving, Slow, scores
from tests.streams.kafka.site import Site

pytestmark = pytest.mark.servers

BEGIN = int(time.time()) - 3600
"""s; time of the first record, young enough for retention"""


def dated(n: int, first: int = 0) -> list[Sent]:
    """Readings of one series; the records of the first one and those that follow are a second apart."""
    return [Sent(broker.reading(i, series=0), time=1000 * (BEGIN + i)) for i in range(first, first + n)]


async def offsets(served: Served) -> list[int]:
    """What a worker reads until the end."""
    async with served.serve() as serving:
        await serving.read_to(await broker.ends(served.bootstrap, served.topic, 1))
    return [offset for _, offset in serving.noted.offsets()]


@pytest.mark.parametrize(
    ("start", "first"),
    [
        ("earliest", 0),
        ("latest", 100),
        ((BEGIN + 60) * desk.SECOND, 60),
        ((BEGIN + 60) * desk.SECOND - 500_000_000, 60),
        (0, 0),
        ((BEGIN + 10_000) * desk.SECOND, 100),
    ],
    ids=["earliest", "latest", "a time", "between two times", "before all", "after all"],
)
async def test_a_first_start_begins_where_the_configuration_says(
    bootstrap: str, single: str, start: Position, first: int
) -> None:
    await broker.send(bootstrap, single, dated(100))
    async with Served(bootstrap, single, start=start).serve() as serving:
        await serving.until(lambda: serving.owned == [0], what="the partition")
        await broker.send(bootstrap, single, dated(10, first=100))
        await serving.read_to({0: 110})
    assert [offset for _, offset in serving.noted.offsets()] == list(range(first, 110))


@pytest.mark.parametrize("committed", [0, 40, 110])
async def test_the_snapshot_wins_over_the_commit(bootstrap: str, single: str, committed: int) -> None:
    await broker.send(bootstrap, single, dated(100))
    served = Served(bootstrap, single)
    assert await offsets(served) == list(range(100))
    await broker.send(bootstrap, single, dated(20, first=100))
    await broker.commit(bootstrap, served.group.id, single, {0: committed})
    served.start = "latest"
    assert await offsets(served) == list(range(100, 120))
    assert await broker.committed(bootstrap, served.group.id, single, 1) == {0: 120}


async def test_a_commit_without_a_snapshot_starts_cold_there_and_says_so(bootstrap: str, single: str) -> None:
    await broker.send(bootstrap, single, dated(100))
    served = Served(bootstrap, single)
    await broker.commit(bootstrap, served.group.id, single, {0: 30})
    with capture_logs() as logs:
        assert await offsets(served) == list(range(30, 100))
    (said,) = [line for line in logs if line["event"] == "start"]
    assert said["note"] == "there is a commit but no snapshot: starting cold at the commit"
    assert len(scores(served.sink)) == 70 - 16


def gaps(served: Served) -> list[tuple[int | None, int | None]]:
    found: Mapping[str, Alert] = served.sink.alerts
    return [(alert.first_offset, alert.last_offset) for alert in found.values() if alert.kind == "gap"]


async def test_records_that_were_deleted_before_a_start_are_a_gap_and_the_rest_is_scored(
    bootstrap: str, single: str
) -> None:
    await broker.send(bootstrap, single, dated(50))
    served = Served(bootstrap, single)
    assert await offsets(served) == list(range(50))
    await broker.send(bootstrap, single, dated(50, first=50))
    await asyncio.to_thread(broker.delete_records, bootstrap, single, {0: 80})
    assert await offsets(served) == list(range(80, 100))
    assert gaps(served) == [(50, 79)]
    # the state goes on, and the gap is told once
    assert len(scores(served.sink)) == 70 - 16
    await broker.send(bootstrap, single, dated(5, first=100))
    assert await offsets(served) == list(range(100, 105))
    assert gaps(served) == [(50, 79)]


async def test_a_commit_without_a_snapshot_to_records_that_were_deleted_is_a_gap(bootstrap: str, single: str) -> None:
    await broker.send(bootstrap, single, dated(100))
    served = Served(bootstrap, single)
    await broker.commit(bootstrap, served.group.id, single, {0: 30})
    await asyncio.to_thread(broker.delete_records, bootstrap, single, {0: 80})
    assert await offsets(served) == list(range(80, 100))
    assert gaps(served) == [(30, 79)]


async def test_a_log_that_is_shorter_than_it_was_is_a_gap_too(bootstrap: str, single: str) -> None:
    """As after an unclean election; here the topic was made again, and the identity does not tell."""
    await broker.send(bootstrap, single, dated(50))
    served = Served(bootstrap, single)
    assert await offsets(served) == list(range(50))
    await recreate(bootstrap, single)
    await broker.send(bootstrap, single, dated(20, first=30))
    async with served.serve() as serving:
        await serving.until(lambda: serving.owned == [0], what="the partition")
        await broker.send(bootstrap, single, dated(10, first=50))
        await serving.read_to({0: 30})
    assert gaps(served) == [(20, 49)]
    assert [offset for _, offset in serving.noted.offsets()] == list(range(20, 30))


async def recreate(bootstrap: str, topic: str) -> None:
    await asyncio.to_thread(broker.delete, bootstrap, topic)
    await asyncio.to_thread(broker.create, bootstrap, topic, 1)


async def test_another_topic_of_the_same_name_is_refused_with_the_command_to_run(bootstrap: str, single: str) -> None:
    await broker.send(bootstrap, single, dated(50))
    served = Served(bootstrap, single)
    assert await offsets(served) == list(range(50))
    served.identity = "another"
    with pytest.raises(OtherSource, match=f"watchkeeper snapshots forget desk/{single}/0"):
        await died(served)
    assert await broker.committed(bootstrap, served.group.id, single, 1) == {0: 50}


async def died(served: Served) -> None:
    """Serve until the worker dies of itself."""
    serving = Serving(served)
    serving.begin()
    await asyncio.wait_for(serving.task, 60)


def watch(detector: Any) -> Any:
    return desk.pipeline(watches=[Watch(name="level", detector=detector)])


@pytest.mark.parametrize(
    ("after", "note"),
    [
        (watch(Gaussian(warm_up=16, limit=9.0)), "watch level goes on with other parameters"),
        (watch(Stuck()), "watch level starts cold: parameters that shape its state have changed"),
    ],
    ids=["what tunes", "what shapes"],
)
async def test_parameters_that_changed_are_judged_at_the_start(
    bootstrap: str, single: str, after: Any, note: str
) -> None:
    await broker.send(bootstrap, single, dated(50))
    served = Served(bootstrap, single)
    assert await offsets(served) == list(range(50))
    await broker.send(bootstrap, single, dated(30, first=50))
    served.pipeline = after
    with capture_logs() as logs:
        assert await offsets(served) == list(range(50, 80))
    (said,) = [line for line in logs if line["event"] == "parameters_changed"]
    assert said["changes"] == [note]
    saved = served.snapshots.read(f"desk/{single}/0")
    assert saved is not None
    assert (saved.offset, saved.metadata["activations"]) == (80, [[50, [note]]])


async def test_strict_refuses_to_start_cold(bootstrap: str, single: str) -> None:
    await broker.send(bootstrap, single, dated(50))
    served = Served(bootstrap, single)
    assert await offsets(served) == list(range(50))
    served.pipeline, served.strict = watch(Stuck()), True
    with pytest.raises(Changed, match="watch level would start cold"):
        await died(served)
    assert await broker.committed(bootstrap, served.group.id, single, 1) == {0: 50}


async def test_retention_that_overtakes_a_slow_worker_ends_it_with_all_saved_and_the_next_one_tells_the_gap(
    bootstrap: str, single: str
) -> None:
    await broker.send(bootstrap, single, dated(20_000), max_batch_size=1000)
    slow = Slow()
    served = Served(bootstrap, single, sink=slow, settings={"fetch": 16_384})
    serving = Serving(served)
    serving.begin()
    await serving.begun.wait()
    await serving.until(lambda: serving.noted.count > 0, what="the first readings")
    await serving.still()
    await asyncio.to_thread(broker.delete_records, bootstrap, single, {0: 15_000})
    slow.let.set()
    with pytest.raises(OffsetOutOfRangeError):
        await asyncio.wait_for(serving.task, 60)
    there = serving.noted.count
    assert await offsets(served) == list(range(15_000, 20_000))
    assert gaps(served) == [(there, 14_999)]
    assert len(scores(slow)) == there + 5000 - 16


def test_retention_that_overtakes_a_running_worker_is_a_gap_and_the_worker_comes_back_by_itself(
    bootstrap: str, topic: str, tmp_path: Path
) -> None:
    site = Site(tmp_path, bootstrap, topic)
    site.create_topics()
    asyncio.run(broker.send(bootstrap, topic, dated(50)))
    with site.work() as worker:
        site.until_read(worker)
        worker.send(signal.SIGSTOP)
        # a fetch may be under way: it is answered with the first of these
        asyncio.run(broker.send(bootstrap, topic, dated(1, first=50)))
        asyncio.run(broker.send(bootstrap, topic, dated(49, first=51)))
        broker.delete_records(bootstrap, topic, {0: 80})
        worker.send(signal.SIGCONT)
        site.until_read(worker)
    (gap,) = [alert for alert in site.alerts() if alert["kind"] == "gap"]
    assert gap["first_offset"] in (50, 51)
    assert gap["last_offset"] == 79
    assert "to 79 were lost: records were deleted before they were read" in gap["reason"]
    assert "OffsetOutOfRange" in worker.log.read_text()


def test_a_topic_that_was_made_again_is_refused_by_the_command_until_the_snapshot_is_forgotten(
    bootstrap: str, topic: str, tmp_path: Path
) -> None:
    site = Site(tmp_path, bootstrap, topic)
    site.create_topics()
    asyncio.run(broker.send(bootstrap, topic, dated(50)))
    with site.work() as worker:
        site.until_read(worker)
    asyncio.run(recreate(bootstrap, topic))
    asyncio.run(broker.send(bootstrap, topic, dated(20)))
    refused = site.run("work", "desk")
    assert refused.status == 2
    (said,) = refused.said
    assert f"the snapshot of desk/{topic}/0 was made of kafka:" in said
    assert said.endswith(f"To start afresh: watchkeeper snapshots forget desk/{topic}/0")
    assert site.run("snapshots", "forget", f"desk/{topic}/0").status == 0
    with site.work() as worker:
        site.until_read(worker)
