"""The chain that runs for each detector of a pipeline: detector, calibrator, drift test."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from detectors.base import Batch, Calibrator, Detector, DriftTest, Scores


@dataclass(slots=True)
class WatchState:
    """The states of the stages; None = the watch has no such stage."""

    detector: Any
    calibrator: Any
    drift: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A detector, and what stands behind it. It is itself a detector.

    The calibrator decides about the detector's score; the drift test watches the same score, before calibration.
    No stage feeds an earlier one.
    """

    detector: Detector[Any]
    calibrator: Calibrator[Any] | None = None
    drift: DriftTest[Any] | None = None
    name: str = "watch"

    tunes: ClassVar[frozenset[str]] = frozenset({"name"})

    @property
    def kinds(self) -> tuple[str, ...]:
        """Those of the detector."""
        return self.detector.kinds

    def features(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """Those of the detector."""
        return self.detector.features(shape)

    def init(self, n: int, shape: tuple[int, ...]) -> WatchState:
        return WatchState(
            self.detector.init(n, shape),
            None if self.calibrator is None else self.calibrator.init(n, shape),
            None if self.drift is None else self.drift.init(n, shape),
        )

    def update(self, state: WatchState, batch: Batch) -> Scores:
        raw = scores = self.detector.update(state.detector, batch)
        if self.calibrator is not None:
            scores = self.calibrator.update(state.calibrator, batch, raw)
        if self.drift is not None:
            scores = replace(scores, drift=self.drift.update(state.drift, batch, raw))
        return scores
