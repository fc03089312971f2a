"""The worker's promises: nothing is acknowledged before it is safe, a record that kills is found, changes are told."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest

from connectors.base import Records, Refused, Rows, SinkBusy, Snapshot
from connectors.memory import MemorySink, MemorySnapshots, MemorySource
from detectors import table
from detectors.base import Batch, Scores
from detectors.gaussian import Gaussian
from detectors.range import Range
from detectors.stuck import Stuck
from detectors.watch import Watch
from streams.local import Job, run
from streams.pipeline import Limits, Pipeline
from streams.policy import AlertPolicy
from streams.restore import Changed
from streams.start import OtherSource
from streams.worker import Worker
from tests.streams.desk import SECOND, pipeline, raw, records

NAME = "desk/desk/0"


def steady(n: int, first: int = 0) -> Records:
    """Readings of one series that wobble, one a second."""
    return records([(float(s), "a", float(s), 20.0 + s % 5) for s in range(first, first + n)], first=first)


def worker(
    sink: Any = None, snapshots: Any = None, *, given: Pipeline | None = None, identity: str = "t", strict: bool = False
) -> Worker:
    return Worker(
        pipeline=pipeline() if given is None else given,
        topic="desk",
        identity=identity,
        sinks={"memory": MemorySink() if sink is None else sink},
        snapshots=MemorySnapshots() if snapshots is None else snapshots,
        strict=strict,
    )


class Diary:
    """A sink and a snapshot store that write down in which order they are called."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.busy = 0
        self.sink, self.snapshots = MemorySink(), MemorySnapshots()

    async def write(self, rows: Rows) -> Refused:
        if self.busy:
            self.busy -= 1
            self.entries.append("busy")
            raise SinkBusy("resting", retry_after=0.0)
        self.entries.append(type(rows).__name__)
        return await self.sink.write(rows)

    async def close(self) -> None:
        await self.sink.close()


class DiarySnapshots(MemorySnapshots):
    """The other half of the diary."""

    def __init__(self, diary: Diary) -> None:
        super().__init__()
        self.diary = diary

    def write(self, name: str, snapshot: Snapshot) -> int:
        self.diary.entries.append(f"snapshot {snapshot.offset}")
        return super().write(name, snapshot)


class Full(MemorySnapshots):
    """Has no room, until it has."""

    full = True

    def write(self, name: str, snapshot: Snapshot) -> int:
        if self.full:
            raise OSError("no space left on device")
        return super().write(name, snapshot)


async def test_a_checkpoint_waits_for_the_sink_then_saves_then_names_the_offset() -> None:
    diary = Diary()
    diary.busy = 3
    w = worker(diary, DiarySnapshots(diary))
    await w.assign(0)
    await w.process([steady(40), raw([b"{"], [40], first=40)])
    assert await w.checkpoint() == {0: 41}
    assert diary.entries == ["busy", "busy", "busy", "Points", "DeadLetters", "snapshot 41"]
    await w.close()


async def test_what_the_sink_refused_before_a_kill_is_there_after_the_restart() -> None:
    class Refusing(MemorySink):
        async def write(self, rows: Rows) -> Refused:
            raise SinkBusy("full", retry_after=60.0)

    snapshots = MemorySnapshots()
    dying = worker(Refusing(), snapshots)
    await dying.assign(0)
    await dying.process([steady(40)])
    waiting = asyncio.create_task(dying.checkpoint())
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    assert not done
    waiting.cancel()
    await dying.close()
    assert snapshots.read(NAME) is None
    sink = MemorySink()
    living = worker(sink, snapshots)
    assert await living.assign(0) == 0
    await living.process([steady(40)])
    assert await living.checkpoint() == {0: 40}
    assert len(sink.points) == 24
    await living.close()


async def test_an_offset_is_not_named_while_its_snapshot_cannot_be_written() -> None:
    snapshots = Full()
    w = worker(snapshots=snapshots)
    await w.assign(0)
    await w.process([steady(20)])
    assert await w.checkpoint() == {}
    snapshots.full = False
    assert await w.checkpoint() == {0: 20}
    await w.close()


async def test_the_late_write_of_a_former_owner_is_never_read() -> None:
    snapshots = MemorySnapshots()
    former, owner = worker(snapshots=snapshots), worker(snapshots=snapshots)
    await former.assign(0)
    await former.process([steady(10)])
    await former.checkpoint()
    assert await owner.assign(0) == 10
    await owner.process([steady(5, first=10)])
    await owner.checkpoint()
    await former.process([steady(30, first=10)])
    await former.checkpoint()
    assert await worker(snapshots=snapshots).assign(0) == 15
    await former.close()
    await owner.close()


class Poisoned(msgspec.Struct, frozen=True, kw_only=True, tag="poisoned"):
    """Dies of one value, after it has changed its state."""

    tunes: ClassVar[frozenset[str]] = frozenset()
    kinds: ClassVar[tuple[str, ...]] = ("anomaly",)

    def features(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        return ()

    def init(self, n: int, shape: tuple[int, ...]) -> Any:
        return Range(warm_up=2).init(n, shape)

    def update(self, state: Any, batch: Batch) -> Scores:
        scores = Range(warm_up=2).update(state, batch)
        if (batch.values == 666.0).any():
            raise ArithmeticError("the beast")
        return scores


def poisoned_records() -> list[Records]:
    values = [20.0 + s % 5 for s in range(60)]
    values[23] = values[41] = 666.0
    given = records([(float(s), "a", float(s), value) for s, value in enumerate(values)])
    return [given.rows(slice(begin, begin + 12)) for begin in range(0, 60, 12)]


async def test_a_record_that_kills_becomes_a_dead_letter_and_all_others_are_scored() -> None:
    given = pipeline(watches=[Watch(name="p", detector=Poisoned()), Watch(name="level", detector=Gaussian(warm_up=16))])
    sink, snapshots = MemorySink(), MemorySnapshots()
    source = MemorySource("desk", poisoned_records())
    await run(Job(pipeline=given, source=source, sink=sink, snapshots=snapshots, every=0.0), asyncio.Event())
    assert [(d.reason, d.offset, d.detail) for d in sink.dead.values()] == [
        ("crashed", 23, "ArithmeticError: the beast"),
        ("crashed", 41, "ArithmeticError: the beast"),
    ]
    saved = snapshots.read(NAME)
    assert saved is not None
    assert saved.offset == 60
    assert saved.metadata["skipped"] == [23, 41]
    assert saved.metadata["counts"]["accepted"] == 58
    assert saved.metadata["counts"]["rejected.crashed"] == 2


async def test_the_runs_around_a_killing_record_score_as_if_it_had_never_been() -> None:
    given = pipeline(watches=[Watch(name="p", detector=Poisoned())])
    whole = [r.rows(~np.isin(r.offsets, [23, 41])) for r in poisoned_records()]
    found, expected = MemorySink(), MemorySink()
    for sink, slices in ((found, poisoned_records()), (expected, whole)):
        job = Job(
            pipeline=given, source=MemorySource("desk", slices), sink=sink, snapshots=MemorySnapshots(), every=0.0
        )
        await run(job, asyncio.Event())
    assert found.points == expected.points
    assert len(found.points) > 40


async def test_a_half_changed_state_is_never_saved() -> None:
    snapshots = MemorySnapshots()
    w = worker(snapshots=snapshots, given=pipeline(watches=[Watch(name="p", detector=Poisoned())]))
    await w.assign(0)
    with pytest.raises(ArithmeticError):
        await w.process([records([(0, "a", 0, 666.0)])])
    with pytest.raises(RuntimeError, match="half changed"):
        await w.checkpoint()
    with pytest.raises(RuntimeError, match="half changed"):
        await w.process([steady(5)])
    assert snapshots.read(NAME) is None
    await w.close()


def watched(*watches: Watch, close_after: int = 3) -> Pipeline:
    return pipeline(watches=watches, policy=AlertPolicy(close_after=close_after))


LEVEL = Watch(name="level", detector=Gaussian(warm_up=16))


@pytest.mark.parametrize(
    ("after", "notes"),
    [
        (watched(LEVEL), []),
        (
            watched(Watch(name="level", detector=Gaussian(warm_up=16, limit=9.0))),
            ["watch level goes on with other parameters"],
        ),
        (watched(LEVEL, close_after=9), ["the alert policy is another one"]),
        (watched(LEVEL, Watch(name="stuck", detector=Stuck())), ["watch stuck starts cold: it is new"]),
        (
            watched(Watch(name="other", detector=Gaussian())),
            ["watch other starts cold: it is new", "watch level is gone"],
        ),
        (
            watched(Watch(name="level", detector=Stuck())),
            ["watch level starts cold: parameters that shape its state have changed"],
        ),
    ],
    ids=["same", "limit", "policy", "one more", "renamed", "another detector"],
)
async def test_parameters_that_changed_are_judged_per_watch_and_named(after: Pipeline, notes: Sequence[str]) -> None:
    snapshots = MemorySnapshots()
    before = worker(snapshots=snapshots, given=watched(LEVEL))
    await before.assign(0)
    await before.process([steady(40)])
    await before.revoke([0])
    resumed = worker(snapshots=snapshots, given=after)
    assert await resumed.assign(0) == 40
    saved = snapshots.read(NAME)
    assert saved is not None
    assert saved.metadata["activations"] == ([[40, notes]] if notes else [])
    for watch in resumed.partitions[0].watches:
        cold = any(watch.watch.name in note and "cold" in note for note in notes)
        fresh = table.dump(watch.watch.watch.init(1, (1,)))
        now = table.dump(watch.state)
        assert all(np.array_equal(now[n], array, equal_nan=True) for n, array in fresh.items()) == cold
    await resumed.close()


async def test_strict_refuses_to_start_a_watch_cold() -> None:
    snapshots = MemorySnapshots()
    before = worker(snapshots=snapshots)
    await before.assign(0)
    await before.revoke([0])
    with pytest.raises(Changed, match="watch level would start cold: parameters that shape"):
        await worker(snapshots=snapshots, given=watched(Watch(name="level", detector=Stuck())), strict=True).assign(0)


async def test_the_open_alerts_of_a_watch_that_is_gone_are_closed() -> None:
    snapshots, sink = MemorySnapshots(), MemorySink()
    before = worker(sink, snapshots)
    await before.assign(0)
    await before.process([steady(40), records([(40, "a", 40, 900.0)], first=40)])
    await before.revoke([0])
    await before.close()
    assert [alert.state for alert in sink.alerts.values()] == ["open"]
    after = worker(sink, snapshots, given=watched(Watch(name="other", detector=Gaussian())))
    await after.assign(0)
    assert [(alert.state, alert.reason) for alert in sink.alerts.values()] == [("closed", "the watch is gone")]
    await after.close()


async def test_a_snapshot_of_another_source_is_refused() -> None:
    snapshots = MemorySnapshots()
    before = worker(snapshots=snapshots)
    await before.assign(0)
    await before.revoke([0])
    with pytest.raises(OtherSource, match="snapshots forget desk/desk/0"):
        await worker(snapshots=snapshots, identity="another").assign(0)


async def test_lost_offsets_are_an_alert_and_the_worker_goes_on() -> None:
    snapshots, sink = MemorySnapshots(), MemorySink()
    before = worker(snapshots=snapshots)
    await before.assign(0)
    await before.process([steady(40)])
    await before.revoke([0])
    after = worker(sink, snapshots)
    assert await after.assign(0, bounds=(55, 90)) == 55
    (gap,) = sink.alerts.values()
    assert (gap.kind, gap.first_offset, gap.last_offset) == ("gap", 40, 54)
    assert "offsets 40 to 54 were lost" in gap.reason
    await after.process([steady(10, first=55)])
    assert await after.checkpoint() == {0: 65}
    await after.close()


async def test_an_open_alert_is_rewritten_at_a_checkpoint_when_it_rose() -> None:
    sink = MemorySink()
    w = worker(sink)
    await w.assign(0)
    await w.process([steady(40), records([(40, "a", 40, 100.0), (41, "a", 41, 900.0)], first=40)])
    await w.checkpoint()
    (alert,) = sink.alerts.values()
    assert alert.opening_score is not None
    assert alert.peak_score is not None
    assert alert.peak_score > alert.opening_score
    assert alert.actual == {"value": 900.0}
    assert alert.parameters["detector"]["type"] == "gaussian"
    await w.close()


async def test_a_first_start_in_the_middle_of_the_log_is_written_down_at_once() -> None:
    snapshots = MemorySnapshots()
    dying = worker(snapshots=snapshots)
    assert await dying.assign(0, bounds=(0, 90), start=90) == 90
    await dying.close()
    assert await worker(snapshots=snapshots).assign(0, bounds=(0, 200), start=200) == 90


class Counting(MemorySnapshots):
    """Knows how often a whole snapshot was read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def read(self, name: str) -> Snapshot | None:
        self.reads += 1
        return super().read(name)


async def test_a_partition_that_comes_back_is_not_loaded_again_unless_another_worker_had_it() -> None:
    snapshots = Counting()
    first, second = worker(snapshots=snapshots), worker(snapshots=snapshots)
    await first.assign(0)
    await first.process([steady(40)])
    assert await first.revoke([0]) == {0: 40}
    reads = snapshots.reads
    assert await first.assign(0) == 40
    assert snapshots.reads == reads
    await first.process([steady(5, first=40)])
    assert await first.revoke([0]) == {0: 45}
    assert await second.assign(0) == 45
    await second.process([steady(5, first=45)])
    assert await second.revoke([0]) == {0: 50}
    reads = snapshots.reads
    assert await first.assign(0) == 50
    assert snapshots.reads == reads + 1
    assert first.partitions[0].counts["accepted"] == 50


async def test_what_is_not_kept_is_loaded_again() -> None:
    snapshots = Counting()
    w = worker(snapshots=snapshots)
    await w.assign(0)
    await w.process([steady(40)])
    await w.revoke([0])
    w.keep([])
    reads = snapshots.reads
    assert await w.assign(0) == 40
    assert snapshots.reads == reads + 1


async def test_rebalances_without_progress_are_no_deaths() -> None:
    snapshots = MemorySnapshots()
    w = worker(snapshots=snapshots)
    for _ in range(10):
        await w.assign(0)
        await w.revoke([0])
    assert w.starts == 1
    assert w.delivery.mark().counts == (0,)


async def test_the_offset_passes_what_is_not_a_record() -> None:
    w = worker()
    await w.assign(0)
    given = steady(20)
    await w.process([replace(given, end=25)])
    assert await w.checkpoint() == {0: 25}
    nothing = given.rows(slice(0, 0))
    await w.process([replace(nothing, end=31)])
    assert await w.checkpoint() == {0: 31}


def silent_pipeline() -> Pipeline:
    return pipeline(limits=Limits(silence_after=10 * SECOND))


async def test_silence_by_the_wall_clock_is_told_once_and_only_after_it_is_written_down() -> None:
    diary = Diary()
    w = worker(diary, DiarySnapshots(diary), given=silent_pipeline())
    await w.assign(0)
    await w.process([steady(5)])
    for seconds in (100, 101, 102):
        await w.idle(seconds * SECOND, [0])
        await w.checkpoint()
    await w.delivery.drain()
    assert diary.entries == ["snapshot 5", "Alerts"]
    await w.close()


async def test_records_that_were_only_held_up_close_the_silence_that_the_log_clock_never_saw() -> None:
    sink, snapshots = MemorySink(), MemorySnapshots()
    first = worker(sink, snapshots, given=silent_pipeline())
    await first.assign(0)
    await first.process([steady(5)])
    await first.idle(100 * SECOND, [0])
    await first.checkpoint()
    await first.delivery.drain()
    await first.close()
    assert [alert.state for alert in sink.alerts.values()] == ["open"]
    second = worker(sink, snapshots, given=silent_pipeline())
    await second.assign(0)
    await second.process([steady(40, first=5)])
    await second.checkpoint()
    await second.delivery.drain()
    (alert,) = sink.alerts.values()
    assert (alert.kind, alert.state, alert.closed) == ("silence", "closed", 44 * SECOND)
    assert alert.reason == "heard again: its records were held up"
    saved = snapshots.read(NAME)
    assert saved is not None
    assert saved.metadata["silent"] == []
    await second.close()


async def test_a_silence_that_both_clocks_know_is_closed_by_the_log_clock() -> None:
    sink = MemorySink()
    w = worker(sink, given=silent_pipeline())
    await w.assign(0)
    await w.process([steady(5)])
    await w.idle(100 * SECOND, [0])
    await w.checkpoint()
    await w.process([steady(3, first=100)])
    await w.checkpoint()
    await w.delivery.drain()
    (alert,) = sink.alerts.values()
    assert (alert.state, alert.closed, alert.reason) == ("closed", 100 * SECOND, "")
    await w.close()


async def test_a_silence_that_could_not_be_written_down_is_told_later() -> None:
    sink, snapshots = MemorySink(), Full()
    w = worker(sink, snapshots, given=silent_pipeline())
    await w.assign(0)
    await w.process([steady(5)])
    await w.idle(100 * SECOND, [0])
    await w.checkpoint()
    await w.delivery.drain()
    assert not sink.alerts
    snapshots.full = False
    await w.checkpoint()
    await w.delivery.drain()
    assert [alert.state for alert in sink.alerts.values()] == ["open"]
    await w.close()
