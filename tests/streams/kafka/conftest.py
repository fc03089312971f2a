"""Topics that are there, and kernels that are compiled: a worker that compiles for half a minute loses its session."""

import pytest

from streams.warm import warm
from tests.streams import desk
from tests.streams.kafka import broker


@pytest.fixture(scope="session", autouse=True)
def compiled() -> None:
    """Before any worker is started."""
    warm(desk.pipeline())


@pytest.fixture
def made(bootstrap: str, topic: str) -> str:
    """A topic with four partitions."""
    broker.create(bootstrap, topic, 4)
    return topic


@pytest.fixture
def single(bootstrap: str, topic: str) -> str:
    """A topic with one partition."""
    broker.create(bootstrap, topic, 1)
    return topic
