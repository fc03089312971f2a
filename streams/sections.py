"""What may stand in watchkeeper.toml, section by section."""

import re
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from connectors.recording_times import moment
from streams.decode.formats import CSV, JSON, LineProtocol, Telegraf
from streams.policy import AlertPolicy

UNITS = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000, "d": 86_400_000_000_000}

LONGEST = 36_525 * UNITS["d"]
"""so that sums of times and durations fit into 64 bits"""

Duration = Annotated[str, Meta(pattern=r"^\d+(\.\d+)?(ms|s|m|h|d)$")]
"""such as 500ms, 10s, 2m, 1.5h, 30d"""


def nanoseconds(duration: str) -> int:
    """A duration such as `2m` in ns.

    >>> nanoseconds("1.5h") // 10**9
    5400
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", duration)
    if found is None:
        raise ValueError(f"a duration is a number and a unit (ms, s, m, h, d), such as 10s; got {duration!r}")
    ns = round(float(found[1]) * UNITS[found[2]])
    if ns > LONGEST:
        raise ValueError(f"a duration is at most 100 years; got {duration!r}")
    return ns


def instant(text: str) -> int:
    """A time such as `2026-11-25T08:00:00Z` in ns since 1970; UTC where it names no zone.

    >>> instant("1970-01-01T00:01")
    60000000000
    """
    found = moment(text)
    if found is None:
        raise ValueError(f"a time is written such as 2026-11-25T08:00:00Z, or 2026-11-25; got {text!r}")
    return found


class Secret(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a secret is found: an environment variable, or a file. Never the value itself; it prints as stars."""

    env: str = ""
    file: str = ""

    def __post_init__(self) -> None:
        if bool(self.env) == bool(self.file):
            raise ValueError('a secret is { env = "NAME" } or { file = "/run/secrets/name" }, never the value itself')

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


class SnapshotsSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where snapshots are kept, and how often one is made at most.

    options: what the file system behind the URL asks for, by its fsspec documentation
    """

    url: str = "file://./watchkeeper-data/snapshots"
    every: Duration = "10s"
    options: dict[str, Secret | str] = {}


class SQLiteSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an embedded worker writes scores, alerts and dead letters, and for how long it keeps them."""

    path: str = "./watchkeeper-data/watchkeeper.db"
    keep: Duration | None = None


class TLSSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """PEM files; without `ca` the system's authorities are trusted. `certificate` and `key`: who we are."""

    ca: str = ""
    certificate: str = ""
    key: str = ""
    check_hostname: bool = True


class SASLSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user of the cluster."""

    username: str
    password: Secret
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"


class KafkaSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A cluster, and how its workers behave.

    bootstrap:         addresses as host:port, several with commas between
    alerts, dead:      topics that alerts and dead letters go to
    cloudevents:       form of an alert: one JSON value, or attributes in headers
    isolation:         whether records of aborted and open transactions are left out
    session_timeout:   a worker not heard for so long loses its partitions
    rebalance_timeout: a worker has so long to save what it gives up
    fetch_kib:         of one partition at once; more is faster and takes more memory
    instance:          name of a static member: a restart within session_timeout moves no partition
    web_port:          Faust's own pages, on loopback; 0 = off
    """

    bootstrap: str = "127.0.0.1:9092"
    tls: TLSSection | None = None
    sasl: SASLSection | None = None
    alerts: str = "watchkeeper.alerts"
    dead: str = "watchkeeper.dead"
    cloudevents: Literal["structured", "binary"] = "structured"
    isolation: Literal["read_committed", "read_uncommitted"] = "read_committed"
    session_timeout: Duration = "30s"
    rebalance_timeout: Duration = "60s"
    fetch_kib: Annotated[int, Meta(ge=16, le=65536)] = 4096
    instance: str = ""
    web_port: Annotated[int, Meta(ge=0, le=65535)] = 0


class InfluxDBSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where scores, alerts, drift and the worker's own figures go.

    version: 2 = bucket of an organisation; 3 = database (`bucket` names it)
    lines:   in one request
    """

    url: str
    bucket: str
    token: Secret
    org: str = ""
    version: Literal[2, 3] = 2
    gzip: bool = True
    lines: Annotated[int, Meta(ge=1, le=100_000)] = 5000
    timeout: Duration = "10s"


class MetricsSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a worker answers /metrics and /health; empty = nowhere."""

    listen: str = ""


class RecordingSource(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="recording"):
    """Files to replay. `speed`: times real time; absent = as fast as possible."""

    paths: list[str]
    speed: float | None = None
    time: str = "timestamp"
    series: str = "series"


class HostSource(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="host"):
    """The telemetry of this very machine."""

    every: Duration = "1s"


class OverrideSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Other parameters of a watch for series whose names match a pattern."""

    series: str
    detector: dict[str, Any] = {}
    calibrator: dict[str, Any] = {}
    drift: dict[str, Any] = {}


class MemberSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A detector of several that speak as one, and its own calibrator; a drift test stands behind the whole."""

    detector: dict[str, Any]
    calibrator: dict[str, Any] | None = None


class TogetherSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="together"):
    """Several detectors that watch the same readings and speak as one."""

    members: list[MemberSection]
    rule: str = "maximum"
    need: int | None = None


class WatchSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A detector, and what stands behind it."""

    name: str
    detector: dict[str, Any]
    calibrator: dict[str, Any] | None = None
    drift: dict[str, Any] | None = None
    overrides: list[OverrideSection] = []


class PipelineSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One topic, its decoding, its watches, its alert policy.

    start: of the first start on Kafka: earliest, latest, or a time such as 2026-11-25T08:00:00Z
    group: of the consumers; empty = watchkeeper.NAME
    """

    topic: str
    decode: JSON | Telegraf | LineProtocol | CSV
    watches: list[WatchSection]
    source: RecordingSource | HostSource | None = None
    start: str = "earliest"
    group: str = ""
    alerts: AlertPolicy = AlertPolicy()
    asset: str = ""
    lateness: Duration = "0s"
    future: Duration = "1h"
    silence_after: Duration | None = None
    forget_after: Duration | None = None
    max_series: Annotated[int, Meta(ge=1)] = 10_000
    memory_mib: Annotated[int, Meta(ge=1)] = 2048
    scores: Literal["all", "alarms"] | Annotated[int, Meta(ge=1)] = "alarms"
    include: list[str] = []
    exclude: list[str] = []


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    snapshots: SnapshotsSection = SnapshotsSection()
    sqlite: SQLiteSection = SQLiteSection()
    kafka: KafkaSection | None = None
    influxdb: InfluxDBSection | None = None
    metrics: MetricsSection = MetricsSection()
    pipelines: dict[str, PipelineSection] = {}
