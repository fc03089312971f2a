"""Kernels of the tests go where the product's go: a folder named by a hash of all sources. Servers are shared."""

import streams.config  # noqa: F401
from tests.servers.fixtures import bootstrap, influxdb, secure, topic

__all__ = ["bootstrap", "influxdb", "secure", "topic"]
