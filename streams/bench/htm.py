"""Speed of the sequence memory by how much it remembers: more segments are more to look through at every reading."""

import time

import numpy as np

from detectors import table
from detectors.base import Batch
from detectors.htm.detector import HTM, HTMState
from detectors.htm.temporal_memory import TemporalMemory

SEGMENTS = (1000, 5000, 20_000)
"""remembered when it is measured; by default it keeps 8,192 at most"""

READINGS = 500
"""measured one by one at each size"""

MOST = 30_000
"""readings after which it is measured as large as it is"""

STEP = 50
"""readings between two looks at the size"""

Figures = dict[str, float]


def measure(*, quick: bool) -> Figures:
    """Readings/s and p99 in ms of single readings on one core, and what the state of a series takes.

    The stream is noise, half of it beyond the range of the warm-up: nothing is foretold, and every reading leaves as
    many segments behind as it can, so that this is the slow end.
    """
    small = HTM()
    figures: Figures = {"htm.state_bytes_per_series": float(table.size(small.init(1, (1,))))}
    htm = HTM(memory=TemporalMemory(segments=SEGMENTS[-1] + 4000))
    state, stream = htm.init(1, (1,)), _Stream()
    for wanted in SEGMENTS[:2] if quick else SEGMENTS:
        while np.count_nonzero(state.memory.size) < wanted and stream.drawn < MOST:
            htm.update(state, stream.next(STEP))
        ms = np.array([_one(htm, state, stream) for _ in range(READINGS // 5 if quick else READINGS)])
        figures[f"htm.readings_per_s_{wanted}_segments"] = float(1000 / ms.mean())
        figures[f"htm.p99_ms_{wanted}_segments"] = float(np.percentile(ms, 99))
    return figures


def _one(htm: HTM, state: HTMState, stream: "_Stream") -> float:
    """Milliseconds of one reading."""
    reading = stream.next(1)
    begun = time.perf_counter()
    htm.update(state, reading)
    return (time.perf_counter() - begun) * 1e3


class _Stream:
    """Values over the range and times over the day, drawn anew for every reading."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(3)
        self.drawn = 0

    def next(self, rows: int) -> Batch:
        low, high = (0.0, 100.0) if self.drawn < HTM().warm_up or self._rng.random() < 0.5 else (-480.0, 580.0)
        self.drawn += rows
        values, times = self._rng.uniform(low, high, (rows, 1)), self._rng.integers(0, 86_400 * 10**9, rows)
        return Batch(np.zeros(rows, np.int64), times, values)
