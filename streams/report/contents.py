"""What a report tells: an evaluation, and what was found out beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from detectors.watch import Watch
from streams.budget import Budget
from streams.evaluate import Evaluation

Scores = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """An evaluation, and what was found out beside it; what was not asked for stays empty.

    figures:   machine and figures, as `--json` prints them
    watches:   those of the evaluation, for their parameters
    nab:       watch -> profile -> score of the Numenta Anomaly Benchmark
    published: the same of detectors whose scores its authors published
    proved:    watch -> whether no later reading changes an earlier score
    """

    evaluation: Evaluation
    figures: Mapping[str, Any]
    watches: Sequence[Watch] = ()
    nab: Scores = field(default_factory=dict)
    published: Scores = field(default_factory=dict)
    proved: Mapping[str, bool] = field(default_factory=dict)
    budgets: Sequence[Budget] = ()
