"""A record that makes the worker die: found after some deaths, buried, and passed by."""

import asyncio

import pytest

from connectors.memory import MemorySink
from detectors.gaussian import Gaussian
from detectors.watch import Watch
from streams.worker import DEATHS
from tests.streams import desk
from tests.streams.kafka import broker
from tests.streams.kafka.broker import Sent
from tests.streams.kafka.served import Served, Serving, scores
from tests.streams.test_worker import Poisoned

pytestmark = pytest.mark.servers

POISON = 33


def stream(n: int) -> list[Sent]:
    """Readings of one series, of which one kills."""
    return [Sent(broker.reading(i, series=0, value=666.0 if i == POISON else None)) for i in range(n)]


async def test_a_record_that_kills_is_a_dead_letter_after_some_deaths_and_the_rest_is_scored(
    bootstrap: str, single: str
) -> None:
    await broker.send(bootstrap, single, stream(60))
    watches = [Watch(name="p", detector=Poisoned()), Watch(name="level", detector=Gaussian(warm_up=16))]
    sink = MemorySink()
    served = Served(bootstrap, single, sink=sink, pipeline=desk.pipeline(watches=watches))
    deaths = 0
    for _ in range(DEATHS + 1):
        serving = Serving(served)
        serving.begin()
        with pytest.raises(ArithmeticError, match="the beast"):
            await asyncio.wait_for(serving.task, 60)
        deaths += 1
        assert not any((await broker.committed(bootstrap, served.group.id, single, 1)).values())
    assert deaths == DEATHS + 1
    async with served.serve() as alive:
        await alive.read_to({0: 60})
    (letter,) = sink.dead.values()
    assert (letter.reason, letter.offset, letter.value) == ("crashed", POISON, stream(60)[POISON].value)
    assert len([name for name in scores(sink) if ("watch", "level") in name[1]]) == 59 - 16
    assert await broker.committed(bootstrap, served.group.id, single, 1) == {0: 60}
