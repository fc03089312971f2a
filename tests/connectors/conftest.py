"""A bucket for each test."""

from collections.abc import Iterator

import pytest

from tests.connectors.buckets import new_bucket
from tests.servers.fixtures import Bucket


@pytest.fixture
def bucket(influxdb: Bucket) -> Iterator[Bucket]:
    """A new one, of which everything is kept."""
    with new_bucket(influxdb) as made:
        yield made
