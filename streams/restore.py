"""A partition from its snapshot, when the parameters may have changed since."""

from typing import Any

import numpy as np

from connectors.base import Snapshot
from streams.hold import HoldBack
from streams.partition import Partition
from streams.pipeline import Pipeline, parameters, shaping


def describe(pipeline: Pipeline) -> dict[str, Any]:
    """What a snapshot remembers of the pipeline: parameters as plain values, and those which shape state."""
    return {
        "variables": list(pipeline.variables),
        "watches": {
            watch.name: {
                "parameters": [parameters(variant) for variant in watch.variants()],
                "shaping": shaping(watch.watch),
            }
            for watch in pipeline.watches
        },
        "policy": parameters(pipeline.policy),
    }


class Changed(ValueError):
    """Parameters that shape state are not those of the snapshot, and that is not allowed (strict)."""


def restore(
    pipeline: Pipeline, topic: str, number: int, snapshot: Snapshot, strict: bool
) -> tuple[Partition, list[str]]:
    """The partition as it was, and what is different now, in words.

    A watch whose state cannot go on under today's parameters starts cold, the others go on. Other values of what only
    tunes are adopted. Raises Changed if `strict` and a watch would start cold.
    """
    partition = Partition(pipeline, topic, number, snapshot.offset)
    saved, parts = snapshot.metadata, snapshot.parts
    partition.counts.update(saved["counts"])
    partition.skipped = set(saved["skipped"])
    partition.series.load(dict(parts["series"]))
    partition.book.load(saved["open"])
    partition.wall.load(saved.get("silent", ()))
    if "held" in parts and (pipeline.limits.lateness or len(parts["held"]["rows"])):
        partition.hold = HoldBack(len(pipeline.variables), pipeline.limits.lateness)
        partition.hold.load(dict(parts["held"]))
    notes = []
    now, then = describe(pipeline), saved["pipeline"]
    for scoring in partition.watches:
        name = scoring.watch.name
        if cold := _load(scoring, snapshot, now, then):
            if strict:
                raise Changed(f"watch {name} would start cold: {cold}")
            notes.append(f"watch {name} starts cold: {cold}")
            _close(partition, name, cold)
        elif now["watches"][name]["parameters"] != then["watches"][name]["parameters"]:
            notes.append(f"watch {name} goes on with other parameters")
    if now["policy"] != then["policy"]:
        notes.append("the alert policy is another one")
    for gone in sorted(then["watches"].keys() - now["watches"].keys()):
        notes.append(f"watch {gone} is gone")
        _close(partition, gone, "the watch is gone")
    return partition, notes


def _load(scoring: Any, snapshot: Snapshot, now: dict[str, Any], then: dict[str, Any]) -> str:
    """Load the state of a watch. Returns why it cannot go on, empty if it does."""
    name = scoring.watch.name
    if name not in then["watches"]:
        return "it is new"
    if now["variables"] != then["variables"]:
        return f"the variables were {', '.join(then['variables'])}"
    if now["watches"][name]["shaping"] != then["watches"][name]["shaping"]:
        return "parameters that shape its state have changed"
    try:
        scoring.load(dict(snapshot.parts[f"watch.{name}"]))
    except (KeyError, ValueError) as error:
        return f"its saved state is of another form ({error})"
    return ""


def _close(partition: Partition, watch: str, reason: str) -> None:
    for key in [key for key in partition.book.open if key[1] == watch]:
        partition.book.close(key, at=partition.clock, offset=partition.offset - 1, reason=reason)


def take_snapshot(
    partition: Partition, *, epoch: int, generation: int, identity: str, activations: list[Any]
) -> Snapshot:
    """Everything that is needed to go on; it shares no memory with the partition."""
    metadata, parts = partition.dump()
    metadata |= {
        "identity": identity,
        "pipeline": describe(partition.pipeline),
        "activations": activations,
        "numpy": np.__version__,
    }
    return Snapshot(epoch=epoch, generation=generation, offset=partition.offset, metadata=metadata, parts=parts)
