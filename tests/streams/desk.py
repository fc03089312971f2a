"""Small pipelines and records for tests: JSON readings with a series, a time in seconds and a value."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import orjson

from connectors.base import Column, Records
from detectors.gaussian import Gaussian
from detectors.watch import Watch
from streams.decode.decoder import decoder
from streams.decode.formats import JSON
from streams.partition import Outcome, Partition
from streams.pipeline import Limits, Pipeline, PipelineWatch
from streams.policy import AlertPolicy

SECOND = 1_000_000_000

Row = tuple[float, str, float, float]
"""log clock at which the record arrives, series, time of the reading (both s), value"""


def pipeline(*, limits: Limits | None = None, watches: Sequence[Watch] | None = None, **other: Any) -> Pipeline:
    """A pipeline with a Gaussian unless said otherwise."""
    chosen = [Watch(name="level", detector=Gaussian(warm_up=16))] if watches is None else watches
    settings: dict[str, Any] = {"policy": AlertPolicy(close_after=3), "scores": "all", **other}
    return Pipeline(
        name="desk",
        topic="desk",
        decoder=decoder(JSON(series="series", values="value")),
        watches=tuple(PipelineWatch(watch=watch) for watch in chosen),
        limits=Limits() if limits is None else limits,
        **settings,
    )


def records(rows: Sequence[Row], *, first: int = 0, attempts: int = 0) -> Records:
    """One record for each row."""
    values = [orjson.dumps({"series": series, "time": time, "value": value}) for _, series, time, value in rows]
    return raw(values, [clock for clock, *_ in rows], first=first, attempts=attempts)


def raw(values: Sequence[bytes | None], clocks: Sequence[float], *, first: int = 0, attempts: int = 0) -> Records:
    """Records of these bytes."""
    n = len(values)
    times = np.array([int(clock * SECOND) for clock in clocks], np.int64)
    offsets = np.arange(first, first + n)
    tried = np.full(n, attempts) if attempts else None
    return Records("desk", 0, offsets, Column.of([None] * n), Column.of(values), times, tried)


def play(partition: Partition, given: Records, cuts: Sequence[int] = ()) -> Outcome:
    """Process the records in slices that end at `cuts`; everything that comes of them."""
    edges = sorted({0, len(given), *(min(cut, len(given)) for cut in cuts)})
    whole = Outcome()
    for begin, end in pairwise(edges):
        outcome = partition.process(given.rows(slice(begin, end)))
        whole.points += outcome.points
        whole.alerts += outcome.alerts
        whole.dead += outcome.dead
    return whole


def new(given: Pipeline) -> Partition:
    """A partition that has seen nothing."""
    return Partition(given, "desk", 0, 0)


def state(partition: Partition) -> Any:
    """Everything a partition knows, comparable."""
    metadata, parts = partition.dump()
    return metadata, {p: {n: a.tolist() for n, a in named.items()} for p, named in parts.items()}
