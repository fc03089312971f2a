"""Buckets of a real InfluxDB: a new one for a test, and all that is stored in one, exactly."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
from influxdb_client.client.influxdb_client import InfluxDBClient

from connectors.base import Alert
from connectors.influxdb import InfluxDBConnection
from tests.servers.fixtures import Bucket

Identity = tuple[str, tuple[tuple[str, str], ...], int]
"""measurement, sorted tags, time in ns"""

_READ = {"double": float, "long": int, "boolean": "true".__eq__, "string": lambda text: text.replace("\r\n", "\n")}
_JSON = ("actual", "expected", "contributions", "parameters", "evidence")
_NOT_TAGS = {"", "result", "table", "_time", "_value", "_field", "_measurement"}


@contextmanager
def new_bucket(server: Bucket, *, keep: int = 0) -> Iterator[Bucket]:
    """A bucket that nobody else uses; keep: seconds of retention, 0 = for ever."""
    with InfluxDBClient(server.url, server.token, org=server.org) as client:
        rules = [{"type": "expire", "everySeconds": keep}] if keep else []
        made = client.buckets_api().create_bucket(bucket_name=uuid4().hex, org=server.org, retention_rules=rules)
        yield Bucket(server.url, server.org, made.name, server.token)
        client.buckets_api().delete_bucket(made)


def connection(bucket: Bucket, /, **other: Any) -> InfluxDBConnection:
    """The way to it."""
    settings = {"url": bucket.url, "org": bucket.org, "bucket": bucket.bucket, "token": bucket.token}
    return InfluxDBConnection(**{**settings, **other})


def stored(bucket: Bucket) -> dict[Identity, dict[str, Any]]:
    """Every point of the bucket: its fields, with their types."""
    span = "start: time(v: -9223372036854775806), stop: time(v: 9223372036854775806)"
    flux = f'from(bucket: "{bucket.bucket}") |> range({span}) |> drop(columns: ["_start", "_stop"])'
    with InfluxDBClient(bucket.url, bucket.token, org=bucket.org) as client:
        text = client.query_api().query_raw(flux).data.decode()
    found: dict[Identity, dict[str, Any]] = {}
    for row, read in _rows(text):
        tags = tuple(sorted((name, value) for name, value in row.items() if name not in _NOT_TAGS and value))
        identity = (row["_measurement"], tags, _nanoseconds(row["_time"]))
        found.setdefault(identity, {})[row["_field"]] = read(row["_value"])
    return found


def stored_alerts(bucket: Bucket) -> list[Alert]:
    """Every alert of the bucket, as it was written, newest first."""
    points = [(point[1], point[2], fields) for point, fields in stored(bucket).items() if point[0] == "alerts"]
    return [_alert(dict(tags), time, fields) for tags, time, fields in sorted(points, key=lambda each: -each[1])]


def _alert(tags: dict[str, str], opened: int, fields: dict[str, Any]) -> Alert:
    named: dict[str, Any] = {"series": "", "watch": "", **tags}
    named.pop("place", None)
    return Alert(opened=opened, **named, **{**fields, **{name: orjson.loads(fields[name]) for name in _JSON}})


def _rows(text: str) -> Iterator[tuple[dict[str, str], Any]]:
    """Rows of annotated CSV, each with the reader of its value."""
    types: list[str] = []
    names: list[str] = []
    for row in csv.reader(io.StringIO(text, newline="")):
        if row and row[0] == "#datatype":
            types, names = row, []
        elif row and not row[0].startswith("#"):
            if names:
                yield dict(zip(names, row, strict=True)), _READ[types[names.index("_value")]]
            else:
                names = row


def _nanoseconds(text: str) -> int:
    """A time of RFC 3339, to the last digit."""
    second = datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
    whole = second - datetime(1970, 1, 1, tzinfo=UTC)
    return (whole.days * 86_400 + whole.seconds) * 10**9 + int(text[19:].strip(".Z").ljust(9, "0"))
