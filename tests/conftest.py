"""Kernels of the tests go where the product's go: a folder named by a hash of all sources."""

import streams.config  # noqa: F401
