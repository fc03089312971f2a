"""The contracts of this package: what flows through a detector, and what a detector is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
UInt8Array = NDArray[np.uint8]

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Batch:
    """Readings in arrival order; a series may occur many times.

    slots:  (n,) row of the state that belongs to the reading's series
    times:  (n,) ns since 1970, UTC, when it was measured
    values: (n, d) variables, NaN = missing; or (n, c, h, w) images, uint8. C-contiguous.
    """

    slots: IntArray
    times: IntArray
    values: NDArray[Any]

    def __len__(self) -> int:
        return len(self.slots)

    def rows(self, index: IntArray | BoolArray | slice) -> "Batch":
        """The readings at `index`, in that order."""
        return Batch(self.slots[index], self.times[index], np.ascontiguousarray(self.values[index]))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a method can say for itself about some rows of a batch: voters, the state of a test, regions.

    rows:    (k,) rows of the batch it speaks of, rising
    columns: name -> (k, ...) array
    """

    rows: IntArray
    columns: Mapping[str, NDArray[Any]]

    def at(self, row: int) -> dict[str, Any]:
        """The evidence for one row of the batch as plain values, empty where there is none."""
        at = int(np.searchsorted(self.rows, row))
        if at == len(self.rows) or self.rows[at] != row:
            return {}
        return {name: column[at].tolist() for name, column in self.columns.items()}


@dataclass(frozen=True, slots=True)
class Drift:
    """The verdict of a drift test: `statistic` (n,) over its limit, >= 1 is a decision, NaN = not tested."""

    statistic: FloatArray
    evidence: Evidence | None = None


@dataclass(slots=True)
class Scores:
    """One row per reading, in the batch's order.

    score:         (n,)   higher is more anomalous; continuous and unsaturated, evaluation ranks by it; NaN = no verdict
    threshold:     (n,)   in the score's unit
    alarm:         (n,)   the decision; a calibrator or a vote may decide by more than score >= threshold
    kind:          (n,)   into the detector's `kinds`
    expected:      (n, d) what the detector expected to read, in the unit of the values; None = it does not say
    contributions: (n, f) share of each of the detector's `features`; NaN = not explained; None = it never explains
    drift:         what the drift test says of the same rows; None = no drift test
    evidence:      for some rows only; None = none
    """

    score: FloatArray
    threshold: FloatArray
    alarm: BoolArray
    kind: IntArray
    expected: FloatArray | None = None
    contributions: FloatArray | None = None
    drift: Drift | None = None
    evidence: Evidence | None = None

    def __len__(self) -> int:
        return len(self.score)


class Parameters(Protocol):
    """What every method's parameters carry besides their own fields."""

    tunes: ClassVar[frozenset[str]]
    """Names of the fields that do not shape the state: a saved state goes on under other values of these."""


class Detector(Parameters, Protocol[State]):
    """Parameters, and two methods. It holds no state: `init` makes one, `update` changes it in place.

    A score depends on the past readings of its own series and on nothing else: not on the future, not on how the
    stream was cut into batches, not on the other series of the batch. A reading that is missing altogether leaves
    its series untouched and yields NaN; what a row that is missing in part does, each detector says.
    """

    @property
    def kinds(self) -> tuple[str, ...]:
        """What an alarm can be; `Scores.kind` counts into it."""

    def features(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """Names of the columns of `Scores.contributions`, empty where they are the variables themselves."""

    def init(self, n: int, shape: tuple[int, ...]) -> State:
        """State of `n` series of readings of this shape that have seen nothing; all rows alike."""

    def update(self, state: State, batch: Batch) -> Scores:
        """Score each reading by the past of its series, then learn it; `state` changes in place."""


class Calibrator(Parameters, Protocol[State]):
    """Turns a detector's score into a decision that has a stated false-alarm rate."""

    def init(self, n: int, shape: tuple[int, ...]) -> State:
        """State of `n` series that have seen nothing; all rows alike."""

    def update(self, state: State, batch: Batch, scores: Scores) -> Scores:
        """New scores, thresholds and alarms; rows without a verdict (NaN) leave their series untouched."""


class DriftTest(Parameters, Protocol[State]):
    """Watches the detector's own score for a lasting change."""

    def init(self, n: int, shape: tuple[int, ...]) -> State:
        """State of `n` series that have seen nothing; all rows alike."""

    def update(self, state: State, batch: Batch, scores: Scores) -> Drift:
        """Statistic over its limit for each row; rows without a verdict (NaN) leave their series untouched."""


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted model: named arrays or bytes, and metadata; no paths."""

    parts: Mapping[str, NDArray[Any] | bytes]
    metadata: Mapping[str, Any]


class Fitter(Protocol):
    """Makes a model from history."""

    def fit(self, batches: Iterable[Batch]) -> Model:
        """Read the batches once, in order."""
