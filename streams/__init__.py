"""Where detectors and connectors meet: pipelines, the worker, the command."""

import streams.config  # noqa: F401  names the folder of compiled kernels before the first kernel is imported
