"""Bytes and rows in and out of the house: sources, sinks, snapshots. Knows no detector."""
