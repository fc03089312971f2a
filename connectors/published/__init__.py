"""Benchmarks as their publishers lay them out, written once as recordings in the layout of `suites`."""

from connectors.published.conversion import convert

__all__ = ["convert"]
