"""From the configuration to connections and groups: what is meant, and one line that says what is wrong."""

from pathlib import Path
from typing import Any

import pytest

from connectors.kafka.connection import SASL, TLS
from streams import cluster
from streams.config import ConfigError, load
from streams.decode.decoder import decoder
from streams.decode.formats import JSON
from streams.kafka_command import series_of
from streams.sections import Config

PIPELINE = """
[pipelines.engine]
topic = "sensors.engine"
decode = { format = "json", series = ["asset"], values = ["t"] }
START
[[pipelines.engine.watches]]
name = "level"
detector = { type = "gaussian" }
"""


def configured(tmp_path: Path, text: str, start: str = "") -> Config:
    path = tmp_path / "w.toml"
    path.write_text(text + PIPELINE.replace("START", start))
    return load(path)


def test_addresses_and_secrets_become_a_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "s3cret")
    config = configured(
        tmp_path,
        '[kafka]\nbootstrap = "a:1, b:2"\ntls = { ca = "ca.pem" }\n'
        'sasl = { username = "me", password = { env = "PASSWORD" } }\n',
    )
    found = cluster.connection(cluster.kafka(config))
    assert found.bootstrap == ("a:1", "b:2")
    assert found.tls == TLS(ca="ca.pem")
    assert found.sasl == SASL(mechanism="SCRAM-SHA-512", username="me", password="s3cret")
    assert "s3cret" not in repr(found)


def test_a_group_is_named_by_its_pipeline_unless_it_has_a_name(tmp_path: Path) -> None:
    settings = '[kafka]\nsession_timeout = "6s"\nfetch_kib = 64\ninstance = "left"\nweb_port = 6066\n'
    group = cluster.group("engine", configured(tmp_path, settings))
    assert (group.id, group.topic, group.session_timeout) == ("watchkeeper.engine", "sensors.engine", 6.0)
    assert (group.fetch, group.instance, group.web_port) == (64 * 1024, "left", 6066)
    assert cluster.group("engine", configured(tmp_path, settings, 'group = "mine"')).id == "mine"


@pytest.mark.parametrize(
    ("start", "position"),
    [
        ("", "earliest"),
        ('start = "latest"', "latest"),
        ('start = "2026-11-25T08:00:00Z"', 1_795_593_600_000_000_000),
        ('start = "2026-11-25T09:00:00+01:00"', 1_795_593_600_000_000_000),
        ('start = "2026-11-25"', 1_795_564_800_000_000_000),
    ],
)
def test_a_first_start_has_a_position(tmp_path: Path, start: str, position: Any) -> None:
    config = configured(tmp_path, "[kafka]\n", start)
    assert cluster.position("engine", config.pipelines["engine"]) == position


def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    config = configured(tmp_path, "", 'start = "soon"')
    with pytest.raises(ConfigError, match="there is no section \\[kafka\\]"):
        cluster.kafka(config)
    with pytest.raises(ConfigError, match=r"pipelines\.engine\.start: earliest, latest, or a time .* got 'soon'"):
        cluster.position("engine", config.pipelines["engine"])
    with pytest.raises(ConfigError, match=r"kafka.botstrap: there is no such key; did you mean 'bootstrap'\?"):
        configured(tmp_path, '[kafka]\nbotstrap = "a:1"\n')
    with pytest.raises(ConfigError, match=r"kafka\.fetch_kib: .*got 3"):
        configured(tmp_path, "[kafka]\nfetch_kib = 3\n")


def test_influxdb_2_needs_an_organisation_and_3_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "t0ken")
    text = '[influxdb]\nurl = "http://127.0.0.1:8086"\nbucket = "b"\ntoken = { env = "TOKEN" }\n'
    with pytest.raises(ConfigError, match=r"influxdb\.org: InfluxDB 2 needs an organisation"):
        cluster.influxdb(configured(tmp_path, text))
    third = cluster.influxdb(configured(tmp_path, text + "version = 3\n"))
    assert third is not None
    assert (third.version, third.token) == (3, "t0ken")
    assert cluster.influxdb(configured(tmp_path, "")) is None


def test_a_record_is_keyed_by_the_series_of_its_first_reading() -> None:
    key = series_of(decoder(JSON(series="asset", values="t")))
    assert key(b"other", b'{"asset": "pump-1", "time": 1, "t": 2}') == b"pump-1"
    assert key(b"other", b'[{"asset": "a", "time": 1, "t": 2}, {"asset": "b", "time": 1, "t": 2}]') == b"a"
    assert key(None, b"{") is None
    assert key(None, None) is None
    by_key = series_of(decoder(JSON(series="@key", values="t")))
    assert by_key(b"pump-2", b'{"time": 1, "t": 2}') == b"pump-2"
