"""The Faust transport and the worker on it, against a real broker."""
