"""What is wrong with a worker's surroundings is one line that names the setting, and a non-zero exit."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers.fixtures import Bucket, Secure
from tests.streams.kafka import broker
from tests.streams.kafka.site import Site

pytestmark = pytest.mark.servers

PLAIN = '[kafka]\nbootstrap = "{bootstrap}"'

INFLUXDB = """[influxdb]
url = "{0.url}"
org = "{0.org}"
bucket = "{0.bucket}"
token = {{ env = "INFLUXDB_TOKEN" }}

[snapshots]"""


@pytest.fixture
def site(bootstrap: str, topic: str, tmp_path: Path) -> Site:
    return Site(tmp_path, bootstrap, topic)


def refused(site: Site, *options: str) -> str:
    """The one line."""
    done = site.run("work", "desk", *options, seconds=30.0)
    assert done.status == 2, done.error
    (line,) = done.said
    assert line.startswith("watchkeeper: ")
    assert "Traceback" not in done.error
    return line.removeprefix("watchkeeper: ")


def test_a_wrong_address(site: Site) -> None:
    site.change(f'"{site.bootstrap}"', '"127.0.0.1:1"')
    assert refused(site) == "kafka.bootstrap: nothing answers at 127.0.0.1:1 (connection refused)"


def test_an_address_that_is_none(site: Site) -> None:
    site.change(f'"{site.bootstrap}"', '"broker"')
    assert refused(site).startswith("kafka.bootstrap: an address is host:port")


def test_a_missing_topic_and_one_that_has_a_similar_name(site: Site) -> None:
    broker.create(site.bootstrap, f"{site.topic}s", 1)
    line = refused(site)
    assert line.startswith(f"pipelines.desk.topic: there is no topic '{site.topic}'; did you mean '{site.topic}s'?")
    assert line.endswith(f"watchkeeper topics create {site.topic}")


def test_missing_topics_of_our_own(site: Site) -> None:
    broker.create(site.bootstrap, site.topic, 1)
    assert refused(site).startswith(f"kafka.alerts: there is no topic '{site.topic}.alerts'")
    created = site.run("topics", "create")
    assert (created.status, created.out.count("is created")) == (0, 2)
    again = site.run("topics", "create", "--partitions", "4")
    assert (again.status, again.out.count("was there already")) == (0, 2)


def at(secure: Secure, listener: str) -> Callable[[Site, str], None]:
    def change(site: Site, more: str) -> None:
        site.bootstrap = secure.listeners["PLAINTEXT"]
        site.create_topics()
        address = secure.listeners[listener]
        site.change(
            site.text[site.text.index("bootstrap") : site.text.index("\nalerts")], f'bootstrap = "{address}"\n{more}'
        )

    return change


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_refused_credential(site: Site, secure: Secure, mechanism: str) -> None:
    site.environment["PASSWORD"] = "wrong"
    sasl = f'sasl = {{ username = "watchkeeper", password = {{ env = "PASSWORD" }}, mechanism = "{mechanism}" }}'
    at(secure, "SASL_PLAINTEXT")(site, sasl)
    line = refused(site)
    assert line.startswith(f"kafka.sasl: the broker refused user 'watchkeeper' ({mechanism})")
    assert "wrong" not in line


def test_an_expired_certificate(site: Site, secure: Secure) -> None:
    at(secure, "OLD")(site, f'tls = {{ ca = "{secure.expired}" }}')
    assert "has expired" in refused(site)


def test_tls_where_there_is_none(site: Site, secure: Secure) -> None:
    at(secure, "PLAINTEXT")(site, f'tls = {{ ca = "{secure.certificate}" }}')
    assert refused(site).startswith("kafka.tls")


@pytest.mark.parametrize(
    ("old", "new", "setting"),
    [
        ('bucket = "watchkeeper"', 'bucket = "no"', "influxdb.bucket: there is no bucket 'no'"),
        ('org = "plant"', 'org = "no"', "influxdb.org: there is no organisation 'no'"),
        ("http://127.0.0.1:", "http://127.0.0.1:1", "influxdb.url: "),
    ],
)
def test_a_wrong_influxdb(site: Site, influxdb: Bucket, old: str, new: str, setting: str) -> None:
    site.create_topics()
    site.change("[snapshots]", INFLUXDB.format(influxdb))
    site.environment["INFLUXDB_TOKEN"] = influxdb.token
    if setting.startswith("influxdb.url"):
        site.change(influxdb.url, "http://127.0.0.1:1")
    else:
        site.change(old, new)
    assert refused(site).startswith(setting)


def test_a_wrong_token_and_none(site: Site, influxdb: Bucket) -> None:
    site.create_topics()
    site.change("[snapshots]", INFLUXDB.format(influxdb))
    site.environment["INFLUXDB_TOKEN"] = "not-the-token"
    line = refused(site)
    assert line.startswith("influxdb.token: ")
    assert "not-the-token" not in line
    site.change("INFLUXDB_TOKEN", "WATCHKEEPER_NOBODY_SETS_THIS")
    assert "the environment variable WATCHKEEPER_NOBODY_SETS_THIS is not set" in refused(site)


def test_a_snapshot_folder_that_cannot_be_written(site: Site) -> None:
    site.create_topics()
    (site.folder / "file").write_text("not a folder")
    site.change(f"file://{site.folder}/snapshots", f"file://{site.folder}/file/snapshots")
    line = refused(site)
    assert line == f"snapshots.url: file://{site.folder}/file/snapshots cannot be written to (Not a directory)"


def test_no_cluster_and_no_pipeline(site: Site) -> None:
    site.text = site.text[site.text.index("[snapshots]") :]
    assert refused(site) == 'there is no section [kafka]; it needs at least bootstrap = "HOST:PORT"'
    done = site.run("work", "dusk")
    assert done.status == 2
    assert done.said == ["watchkeeper: watchkeeper.toml: no pipeline 'dusk'; there are desk"]


def test_a_user_and_tls_are_let_in_and_work(site: Site, secure: Secure) -> None:
    site.environment["PASSWORD"] = "right"
    sasl = 'sasl = { username = "watchkeeper", password = { env = "PASSWORD" } }'
    at(secure, "SASL_PLAINTEXT")(site, sasl)
    scores_all_of(site, 20)
    address = secure.listeners["SASL_PLAINTEXT"]
    site.change(f'"{address}"\n{sasl}', f'"{secure.listeners["SSL"]}"\ntls = {{ ca = "{secure.certificate}" }}')
    scores_all_of(site, 20)


def scores_all_of(site: Site, n: int) -> None:
    asyncio.run(broker.send(site.bootstrap, site.topic, broker.readings(n, partitions=1)))
    with site.work() as worker:
        site.until_read(worker)
