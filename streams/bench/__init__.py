"""Figures about this machine: methods in memory, and the whole way through a real broker."""
