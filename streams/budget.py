"""Alarm episodes that a watch's budget promises, against those that come on rows labelled normal."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf, isnan, log10, nan, sqrt
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.signal import lfilter
from scipy.special import gammaincinv

from connectors.base import BoolArray, FloatArray, IntArray
from connectors.suites import Labelled
from detectors.conformal import Conformal
from detectors.evaluation.events import segments
from detectors.watch import Watch
from streams.pipeline import Pipeline, PipelineWatch
from streams.policy import AlertPolicy
from streams.recorded import columns, replay

ENOUGH = 100
"""Episodes below which a ratio says little: chance alone moves it by a fifth."""

DRAWS, SEED = 10_000, 1
MINUTES_PER_DAY = 1440.0


@dataclass(frozen=True, slots=True)
class Kept:
    """What one watch's calibrator did on one recording's normal rows.

    verdicts: normal rows that count and have a verdict
    episodes: openings of alarm episodes on them
    days:     that the verdicts span; None = the sampling is not known
    """

    verdicts: int
    episodes: int
    days: float | None
