"""Configuration to connections, consumer groups and sinks of a worker on Kafka."""

from collections.abc import Mapping

from connectors.base import Alerts, DeadLetters, Points, Sink
from connectors.influxdb import InfluxDB, InfluxDBConnection
from connectors.kafka.connection import SASL, TLS, Connection
from connectors.kafka.sink import KafkaSink
from streams.app import Group
from streams.config import ConfigError, reveal
from streams.delivery import Only
from streams.sections import Config, KafkaSection, PipelineSection, instant, nanoseconds
from streams.start import Position


def kafka(config: Config) -> KafkaSection:
    """The section. Raises ConfigError if there is none."""
    if config.kafka is None:
        raise ConfigError('there is no section [kafka]; it needs at least bootstrap = "HOST:PORT"')
    return config.kafka


def connection(section: KafkaSection) -> Connection:
    """Where the cluster is, with the secrets revealed."""
    tls, sasl = section.tls, section.sasl
    return Connection(
        bootstrap=tuple(address.strip() for address in section.bootstrap.split(",")),
        tls=None if tls is None else TLS(
            ca=tls.ca, certificate=tls.certificate, key=tls.key, check_hostname=tls.check_hostname
        ),
        sasl=None if sasl is None else SASL(
            mechanism=sasl.mechanism, username=sasl.username, password=reveal(sasl.password)
        ),
    )  # fmt: skip


def influxdb(config: Config) -> InfluxDBConnection | None:
    """Where InfluxDB is, with the token revealed; None if there is no such section."""
    section = config.influxdb
    if section is None:
        return None
    if section.version == 2 and not section.org:
        raise ConfigError("influxdb.org: InfluxDB 2 needs an organisation; with InfluxDB 3 say version = 3")
    return InfluxDBConnection(
        url=section.url, bucket=section.bucket, token=reveal(section.token), org=section.org,
        version=section.version, gzip=section.gzip, lines=section.lines, timeout=nanoseconds(section.timeout) / 1e9,
    )  # fmt: skip


def sinks(config: Config) -> Mapping[str, Sink]:
    """Where everything goes: alerts to both, points to InfluxDB, dead letters to Kafka."""
    section = kafka(config)
    broker = KafkaSink(connection(section), alerts=section.alerts, dead=section.dead, form=section.cloudevents)
    found: dict[str, Sink] = {"kafka": Only(broker, (Alerts, DeadLetters))}
    if (database := influxdb(config)) is not None:
        found["influxdb"] = Only(InfluxDB(database), (Points, Alerts))
    return found


def group(name: str, config: Config) -> Group:
    """The consumer group of a pipeline."""
    section, pipeline = kafka(config), config.pipelines[name]
    return Group(
        id=pipeline.group or f"watchkeeper.{name}", topic=pipeline.topic, connection=connection(section),
        isolation=section.isolation, session_timeout=nanoseconds(section.session_timeout) / 1e9,
        rebalance_timeout=nanoseconds(section.rebalance_timeout) / 1e9, fetch=section.fetch_kib * 1024,
        instance=section.instance, web_port=section.web_port,
    )  # fmt: skip


def position(name: str, section: PipelineSection) -> Position:
    """Where a first start begins. Raises ConfigError."""
    if section.start == "earliest":
        return "earliest"
    if section.start == "latest":
        return "latest"
    try:
        return instant(section.start)
    except ValueError as error:
        raise ConfigError(f"pipelines.{name}.start: earliest, latest, or {error}") from None
