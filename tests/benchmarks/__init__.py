"""Benchmarks that need servers: they start them, pinned apart from what is measured."""
