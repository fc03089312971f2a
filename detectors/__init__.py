"""Arrays in, scores out: no I/O, no clock, no threads."""
