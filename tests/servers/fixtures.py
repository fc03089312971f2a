"""Fixtures: the servers that the environment names, or those that `make servers` has built."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from tests.servers.certificates import keystore
from tests.servers.influxdb import BINARY, InfluxDB
from tests.servers.kafka import LIB, Kafka


@dataclass(frozen=True)
class Bucket:
    """Where an InfluxDB is, and a bucket in it."""

    url: str
    org: str
    bucket: str
    token: str


@dataclass(frozen=True)
class Secure:
    """A broker with TLS and SASL listeners: addresses by name, and the certificate of each TLS one."""

    listeners: dict[str, str]
    certificate: Path
    expired: Path


def need(path: Path, what: str) -> None:
    """Skip, or under CI fail, where a server was not built."""
    if path.exists():
        return
    told = f"{what} is not there: `make servers` builds it (minutes, once)"
    if os.environ.get("CI") == "true":
        pytest.fail(told)
    pytest.skip(told)


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Kafka that all tests share; they keep apart by the names of their topics."""
    if named := os.environ.get("WATCHKEEPER_TEST_KAFKA"):
        yield named
        return
    need(LIB, "Kafka")
    server = Kafka(tmp_path_factory.mktemp("kafka"))
    yield server.bootstrap
    server.stop()


@pytest.fixture(scope="session")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """A Kafka with TLS, an expired certificate, and SASL."""
    need(LIB, "Kafka")
    folder = tmp_path_factory.mktemp("secure")
    (store, certificate), (old, expired) = keystore(folder, "good"), keystore(folder, "old", expired=True)
    server = Kafka(folder, keystores=(store, old))
    yield Secure(server.listeners, certificate, expired)
    server.stop()


@pytest.fixture(scope="session")
def influxdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """An InfluxDB that all tests share; WATCHKEEPER_TEST_INFLUXDB is url,org,bucket,token."""
    if named := os.environ.get("WATCHKEEPER_TEST_INFLUXDB"):
        yield Bucket(*named.split(","))
        return
    need(BINARY, "InfluxDB")
    server = InfluxDB(tmp_path_factory.mktemp("influxdb"))
    yield Bucket(server.url, server.org, server.bucket, server.token)
    server.stop()


@pytest.fixture
def topic() -> str:
    """A name that no other test uses."""
    return f"test.{uuid4().hex[:12]}"
