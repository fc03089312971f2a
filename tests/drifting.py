"""Random streams that change, or not, and what a drift test says of them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from detectors.base import Batch, BoolArray, DriftTest, FloatArray, Scores


class Reference(Protocol):
    """A drift detector of River's."""

    @property
    def drift_detected(self) -> bool: ...
    def update(self, x: float) -> None: ...


Test = TypeVar("Test", bound=DriftTest[Any])


def fed(test: DriftTest[Any], state: Any, score: FloatArray, slots: Any = None, times: Any = None) -> Any:
    """The Drift that the test finds in these scores, all of one series unless slots are given."""
    n = len(score)
    slots = np.zeros(n, np.int64) if slots is None else slots
    times = np.arange(n, dtype=np.int64) if times is None else times
    scores = Scores(score, np.full(n, np.inf), np.zeros(n, np.bool_), np.zeros(n, np.int64))
    return test.update(state, Batch(slots, times, score[:, None]), scores)


def statistics(test: DriftTest[Any], streams: Sequence[FloatArray]) -> list[FloatArray]:
    """The statistic at every reading of every stream, each a series of its own in one state."""
    slots = np.repeat(np.arange(len(streams)), [len(stream) for stream in streams])
    drift = fed(test, test.init(len(streams), (1,)), np.concatenate(streams), slots)
    return [drift.statistic[slots == slot] for slot in range(len(streams))]


def referred(reference: Reference, stream: FloatArray) -> BoolArray:
    """Where the reference decides."""

    def decided(x: float) -> bool:
        reference.update(x)
        return reference.drift_detected

    return np.array([decided(x) for x in stream.tolist()])


def stream(seed: int) -> FloatArray:
    """200 to 2,000 readings of a kind that the seed chooses; shorter ones are more frequent."""
    rng = np.random.default_rng([2007, seed])
    n = int(200 * 10 ** (rng.random() ** 2))
    values = _changed(rng, _noise(rng, n)) * 10 ** rng.uniform(-2, 2)
    if rng.random() < 0.25:
        values = np.round(values)
    if rng.random() < 0.25:
        values += 10 ** rng.uniform(2, 7)
    return values


def _noise(rng: np.random.Generator, n: int) -> FloatArray:
    """Nothing, independent, autocorrelated, or one of few values."""
    kind = rng.integers(4)
    if kind == 0:
        return np.zeros(n)
    noise = rng.normal(size=n)
    if kind == 2:
        for i in range(1, n):
            noise[i] += 0.9 * noise[i - 1]
    return np.round(noise) if kind == 3 else noise


def _changed(rng: np.random.Generator, values: FloatArray) -> FloatArray:
    """The values as they are, with shifts of level, with a ramp, or with another variance from somewhere on."""
    kind, at = rng.integers(4), rng.integers(len(values))
    if kind == 1:
        for place in rng.integers(0, len(values), rng.integers(1, 4)):
            values[place:] += rng.normal() * 3
    if kind == 2:
        values[at:] += np.arange(len(values) - at) * rng.normal() * 0.03
    if kind == 3:
        values[at:] *= 10 ** rng.uniform(-1, 1)
    return values


def disagreements(
    tests: Sequence[Test], reference: Callable[[Test], Reference], seeds: Iterable[int]
) -> tuple[list[int], int]:
    """Seeds of the streams on which the decisions differ at any reading, and how many decisions there were.

    The streams are dealt out over the tests; each reference is made anew for its stream.
    """
    wrong, decisions = [], 0
    dealt: dict[int, list[int]] = {}
    for seed in seeds:
        dealt.setdefault(seed % len(tests), []).append(seed)
    for which, mine in dealt.items():
        streams = [stream(seed) for seed in mine]
        for seed, values, statistic in zip(mine, streams, statistics(tests[which], streams), strict=True):
            expected = referred(reference(tests[which]), values)
            decisions += int(expected.sum())
            if ((statistic >= 1) != expected).any():
                wrong.append(seed)
    return wrong, decisions
