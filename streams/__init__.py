"""Where detectors and connectors meet: pipelines, the worker, the command."""
