"""Kernels of the tests go where the product's go: a folder named by a hash of all sources. Servers are shared."""

import streams.config  # noqa: F401
from tests.servers.fixtures import bootstrap, influxdb, secure, topic

__all__ = ["bootstrap", "influxdb", "secure", "topic"]

collect_ignore = ["benchmarks/peers"]
"""programs to compare with, which run when they are imported"""
