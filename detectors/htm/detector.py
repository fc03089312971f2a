"""HTM: how little of a reading a memory of sequences foretold."""

from dataclasses import dataclass
from typing import ClassVar

import msgspec
import numpy as np

from detectors.base import Batch, FloatArray, IntArray, Scores
from detectors.check import require
from detectors.htm import date, prediction
from detectors.htm.prediction import PredictionState
from detectors.htm.segments import Segments
from detectors.htm.spatial_pooler import PoolerState, SpatialPooler
from detectors.htm.temporal_memory import MemoryState, TemporalMemory
from detectors.htm.walk import ON, VALUE_BITS, Form, Rows, walk

MOST_CELLS = 65_536
"""Synapses name the cell they listen to by 16 bits."""


@dataclass(slots=True)
class HTMState:
    """Arrays by series (n,), and the states of the parts."""

    seen: IntArray
    low: FloatArray
    """smallest reading of the warm-up; inf = none yet"""
    high: FloatArray
    pooler: PoolerState
    memory: MemoryState
    prediction: PredictionState


class HTM(msgspec.Struct, frozen=True, kw_only=True, tag="htm"):
    """Hierarchical temporal memory: surprise at the order of readings, learned online without any training run.

    Works for scalar telemetry whose values follow each other in sequences, daily ones included: known values in the
    wrong order are found, which no limit on values can. Fails for noise, where everything or nothing is foretold, and
    for a single reading far off: better with `likelihood` behind it, and `range` beside it (see `Together`).
    On the Numenta Anomaly Benchmark both together reach 68.4 (mean of seeds 1 to 5, 66.9 to 69.6; likelihood with
    learning = 200), and 64.6 with a z-score in the place of the memory.

    A reading becomes active bits (a random distributed encoder of its value, and its time of day in UTC), these become
    winning columns (spatial pooler), and the temporal memory tells how many of them it had foretold. The width of a
    bucket is fixed by the range of the warm-up; learning begins after it. Values beyond have buckets of their own, up
    to 500 from the middle. A reading that is missing is passed over, and a gap in time resets nothing. All random
    choices are hashes of the seed: the same for every series, and for every way to cut the stream.

    Score: 1 minus the mean over the winning columns of min(1, connected synapses on active cells of the column's
    nearest segment / activation): 0 where all of them were foretold, 1 where nothing came near; threshold 1.
    Expected: what a softmax regression on the cells active before the reading says of its value, in its unit.

    The state takes 5.0 MB for each series, whatever it has seen: 2.2 MB for 8,192 segments of 64 synapses (268 bytes
    each), 2.0 MB for the pooler, 0.8 MB for the expected value.

    seed:        of all hashes.
    warm_up:     readings before the first verdict, at least 2, whose range fixes the width of a bucket.
    buckets:     in the range of the warm-up, widened by a fifth of it on either side.
    time_of_day: hours over which times of day share bits, at most 24; 0 = the time of day is not encoded, better for
                 telemetry that does not follow the day.
    classes:     of values that the expected value is made of.
    pooler:      see `SpatialPooler`.
    memory:      see `TemporalMemory`.

    >>> htm = HTM(warm_up=40, time_of_day=0.0)
    >>> values = np.tile([20.0, 30.0, 60.0, 40.0], 200)
    >>> values[744] = 60.0
    >>> batch = Batch(np.zeros(800, np.int64), np.arange(800), values[:, None])
    >>> scores = htm.update(htm.init(1, (1,)), batch)
    >>> scores.score[742:748].round(2), scores.expected[742:746, 0].round()
    (array([0., 0., 1., 1., 0., 0.]), array([60., 40., 20., 40.]))

    Source: Ahmad, Lavin, Purdy and Agha, Neurocomputing 262 (2017), and the works named at the parts; partial credit
    for nearly active segments is our own.
    """

    seed: int = 1
    warm_up: int = 200
    buckets: int = 130
    time_of_day: float = 9.49
    classes: int = 12
    pooler: SpatialPooler = SpatialPooler()
    memory: TemporalMemory = TemporalMemory()

    kinds: ClassVar[tuple[str, ...]] = ("anomaly",)
    tunes: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        require(self, "seed", 0 <= self.seed < 2**62, "lie in [0, 2**62)")
        require(self, "warm_up", self.warm_up >= 2, "be at least 2 readings")
        require(self, "buckets", self.buckets >= 1, "be at least 1")
        require(self, "time_of_day", self.time_of_day == 0 or 1 <= self.time_of_day <= 24, "be 0 or lie in [1, 24]")
        require(self, "classes", 1 <= self.classes <= self.buckets, "lie between 1 and buckets")
        columns, active = self.pooler.columns, self.pooler.active
        require(self, "pooler", active >= self.memory.minimum, "have as many active columns as memory.minimum")
        fits = columns * self.memory.cells <= MOST_CELLS
        require(self, "memory", fits, f"have cells for at most {MOST_CELLS:,} in all columns together")
        require(self, "memory", self.memory.segments >= active, "have segments for all active columns")

    def features(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """The variable itself; nothing is explained."""
        return ()

    def init(self, n: int, shape: tuple[int, ...]) -> HTMState:
        if shape != (1,):
            raise ValueError(f"HTM reads one variable, shape (1,); got {shape}; give each variable a series of its own")
        columns, inputs = self.pooler.columns, VALUE_BITS + date.ring_bits(ON, self.time_of_day)
        return HTMState(
            seen=np.zeros(n, np.int64),
            low=np.full(n, np.inf),
            high=np.full(n, -np.inf),
            pooler=self.pooler.init(n, inputs, self.seed),
            memory=self.memory.init(n, columns, self.pooler.active),
            prediction=prediction.init(n, columns * self.memory.cells, self.classes),
        )

    def update(self, state: HTMState, batch: Batch) -> Scores:
        n = len(batch)
        score, expected = np.empty(n), np.empty(n)
        walk(self._form(), _rows(state), batch.slots, batch.times, batch.values[:, 0], score, expected)
        return Scores(score, np.ones(n), score >= 1.0, np.zeros(n, np.int64), expected[:, None])

    def _form(self) -> Form:
        bits = date.ring_bits(ON, self.time_of_day)
        return Form(self.seed, self.warm_up, self.buckets, bits, self.pooler.rules(), self.memory.rules(self.seed))


def _rows(state: HTMState) -> Rows:
    of, memory = state, state.memory
    segments = Segments(memory.owner, memory.size, memory.used, memory.presynaptic, memory.permanence)
    held = (of.seen, of.low, of.high, of.pooler.permanence, of.pooler.connected)
    return Rows(*held, memory.step, memory.won, memory.cells, segments, of.prediction.weights, of.prediction.means)
