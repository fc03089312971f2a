"""InfluxDB: where it is, whether it can be written to, and a Sink that writes to it."""

from connectors.influxdb.connection import InfluxDBConnection, InfluxDBUnreachable
from connectors.influxdb.endpoint import check
from connectors.influxdb.sink import InfluxDB

__all__ = ["InfluxDB", "InfluxDBConnection", "InfluxDBUnreachable", "check"]
