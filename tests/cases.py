"""Every detector, calibrator and drift test, twice: with its defaults, and with every option turned."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detectors.base import Batch, Detector, FloatArray
from detectors.gaussian import Gaussian

Plant = Callable[[FloatArray, int], None]
"""Writes an anomaly that this detector is made for into the values (rows, d) of one series, at a row."""


def spike(values: FloatArray, row: int) -> None:
    """One reading far off."""
    values[row] += 40.0


@dataclass(frozen=True)
class Case:
    """One configuration and what is needed to put it to the checks."""

    name: str
    detector: Detector[Any]
    warm_up: int
    """readings of a series before its first verdict"""
    variables: int = 1
    plant: Plant = spike
    refused: dict[str, Any] = field(default_factory=dict)
    """parameter of the method -> a value out of its range"""
    method: type[Any] | None = None
    """the class whose parameters are refused; None = the detector's own"""

    def stream(self, series: int = 5, rows: int = 400, seed: int = 0) -> Batch:
        """Autocorrelated noise around levels of their own; the series arrive in random order."""
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(rows, series, self.variables))
        for row in range(1, rows):
            noise[row] += 0.5 * noise[row - 1]
        values = noise + 10.0 * (1 + np.arange(series))[:, None]
        order = rng.permuted(np.tile(np.arange(series), (rows, 1)), axis=1).ravel()
        at = np.repeat(np.arange(rows, dtype=np.int64), series)
        return Batch(order.astype(np.int64), at * 1_000_000_000, np.ascontiguousarray(values[at, order]))


CASES: list[Case] = [
    Case(
        name="gaussian",
        detector=Gaussian(),
        warm_up=100,
        refused={"half_life": 0.5, "limit": 0.0, "warm_up": 15},
    ),
    Case(name="gaussian-turned", detector=Gaussian(half_life=20.0, limit=3.0, warm_up=16), warm_up=16, variables=3),
]
