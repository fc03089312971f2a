"""A detector over named series, without any I/O."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors import table
from detectors.base import Batch, Detector, FloatArray, IntArray, Scores
from detectors.names import Names


class Keyed:
    """Names in, scores out: gives each name its row of state, and makes more rows as names appear.

    >>> from detectors.gaussian import Gaussian
    >>> keyed = Keyed(Gaussian(warm_up=16))
    >>> values = 20.0 + 0.1 * (np.arange(40) % 5)
    >>> _ = keyed.update(["pump"] * 40, np.arange(40), values)
    >>> keyed.update(["pump", "fan"], np.array([40, 40]), np.array([26.0, 26.0])).alarm
    array([ True, False])
    """

    def __init__(self, detector: Detector[Any], shape: tuple[int, ...] = (1,)) -> None:
        self.detector = detector
        self.shape = shape
        self.names = Names()
        self.state = detector.init(0, shape)
        self._rows = 0

    def update(self, keys: Sequence[str], times: IntArray, values: FloatArray) -> Scores:
        """Scores of n readings in arrival order; `values` (n,) or (n, d)."""
        slots = self.names.add([key.encode() for key in keys])
        self._reserve()
        rows = np.ascontiguousarray(values, np.float64).reshape(len(slots), *self.shape)
        return self.detector.update(self.state, Batch(slots, np.asarray(times, np.int64), rows))

    def _reserve(self) -> None:
        if self.names.used > self._rows:
            more = max(self.names.used, 2 * self._rows) - self._rows
            self.state = table.grow(self.state, self.detector.init(more, self.shape))
            self._rows += more

    def drop(self, keys: Sequence[str]) -> None:
        """Forget these series."""
        rows = np.unique(self.names.add([key.encode() for key in keys]))
        self._reserve()
        table.put(self.state, rows, self.detector.init(len(rows), self.shape))
        self.names.drop(rows)

    def save(self) -> dict[str, NDArray[Any]]:
        """Everything it knows, as named arrays that share no memory with it."""
        state = table.take(self.state, np.arange(self.names.used))
        named = {f"names.{name}": array for name, array in self.names.dump().items()}
        return named | table.dump(state, "state")

    def load(self, saved: dict[str, NDArray[Any]]) -> None:
        """Go on where `save` was called. Raises ValueError if the state was saved by another kind of detector."""
        state = table.load(self.detector.init(0, self.shape), _under("state", saved))
        self.names, self.state = Names.load(_under("names", saved)), state
        self._rows = self.names.used


def _under(prefix: str, named: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix + "."): array for name, array in named.items() if name.startswith(prefix + ".")}
