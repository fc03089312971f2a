"""What an evaluation judges: the pipeline that each recording goes through, and the baselines beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from connectors.base import FloatArray
from connectors.suites import Labelled
from detectors.evaluation import baselines
from detectors.watch import Watch
from streams.catalog import DETECTORS, method
from streams.pipeline import Pipeline
from streams.recorded import watching

Candidate = Callable[[Labelled], Pipeline]
"""A recording -> the pipeline that is judged on it. Raises ValueError where the two do not fit."""

BASELINE = "baseline."

BASELINE_SCORES: Mapping[str, Callable[[FloatArray, int], FloatArray]] = {
    "constant": lambda values, _: baselines.constant(len(values)),
    "random": lambda values, _: baselines.random(len(values)),
    "moving_variance": lambda values, begin: baselines.moving_variance(values, probation=begin),
    "squared_difference": lambda values, begin: baselines.squared_difference(values, probation=begin),
    "windowed_gaussian": lambda values, begin: baselines.windowed_gaussian(values, probation=begin),
}
"""name -> scores (rows,) of values (rows, d) whose first rows, `begin`, do not count"""


WATCHES = ("range", "half_space_trees")
"""detectors that stand beside every other"""


def of_watch(watch: Watch) -> Candidate:
    """A watch over all variables of a recording, with the alert policy that a pipeline has by default."""

    def candidate(one: Labelled) -> Pipeline:
        return watching(one.variables, watch)

    return candidate


def of_pipeline(pipeline: Pipeline) -> Candidate:
    """A pipeline of the configuration: its watches with their overrides, its variables, its alert policy."""

    def candidate(one: Labelled) -> Pipeline:
        if missing := [name for name in pipeline.variables if name not in one.variables]:
            raise ValueError(
                f"{one.path}: pipeline {pipeline.name} reads {', '.join(missing)}, and the columns are "
                f"{', '.join(one.variables)}"
            )
        return replace(pipeline, topic="recorded", include=(), exclude=())

    return candidate


def watches(candidate: Candidate, found: Sequence[Labelled]) -> list[Watch]:
    """Those of a candidate, without their overrides; none where there is no recording."""
    return [watch.watch for watch in candidate(found[0]).watches] if found else []


def baseline_watches() -> list[Candidate]:
    """The baselines that are watches themselves, and go through the worker."""
    return [
        of_watch(Watch(name=BASELINE + tag, detector=method(DETECTORS, "detector", {"type": tag}))) for tag in WATCHES
    ]
