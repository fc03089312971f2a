"""Hierarchical temporal memory: sequences of scalar readings, learned as they arrive."""
