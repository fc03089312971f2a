"""A pipeline: one topic, its decoding, its watches, its alert policy."""

from dataclasses import dataclass, fields, is_dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import msgspec

from detectors.watch import Watch
from streams.decode.readings import Decoder
from streams.policy import AlertPolicy
from streams.rows import FOREVER

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Other parameters for the series whose names match a shell pattern."""

    series: str
    watch: Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineWatch:
    """A watch and its overrides; the first pattern that matches a series wins. All share one state."""

    watch: Watch
    overrides: tuple[Override, ...] = ()

    @property
    def name(self) -> str:
        """That of the watch."""
        return self.watch.name

    def variants(self) -> tuple[Watch, ...]:
        """The watch itself, then its overrides."""
        return (self.watch, *(override.watch for override in self.overrides))

    def variant(self, series: str) -> int:
        """Which of the variants scores this series."""
        for number, override in enumerate(self.overrides, 1):
            if fnmatchcase(series, override.series):
                return number
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a partition admits. Durations in ns, FOREVER = without end.

    lateness:      how long readings are held back to bring them in order
    future:        how far a reading may be ahead of the log clock
    silence_after: a series not heard for so long raises `silence`
    forget_after:  a series not heard for so long gives its row of state back
    max_series:    series per partition
    """

    lateness: int = 0
    future: int = 3600 * SECOND
    silence_after: int = FOREVER
    forget_after: int = FOREVER
    max_series: int = 10_000

    def __post_init__(self) -> None:
        if self.forget_after != FOREVER and self.silence_after != FOREVER and self.forget_after <= self.silence_after:
            raise ValueError("forget_after must be longer than silence_after")
        if self.lateness and self.forget_after <= self.lateness + self.future:
            raise ValueError("forget_after must be longer than lateness and future together")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Everything that decides what becomes of a record.

    asset:            the field that names the asset of a series; empty = none
    include, exclude: shell patterns of series names; an excluded series is counted and otherwise ignored
    scores:           which scored readings become points: all, alarms, or every n-th of a series
    """

    name: str
    topic: str
    decoder: Decoder
    watches: tuple[PipelineWatch, ...]
    policy: AlertPolicy
    limits: Limits = Limits()
    asset: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    scores: Literal["all", "alarms"] | int = "alarms"

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the columns of a reading."""
        return self.decoder.variables

    def admits(self, series: str) -> bool:
        """Whether the patterns let this series in."""
        if self.include and not any(fnmatchcase(series, pattern) for pattern in self.include):
            return False
        return not any(fnmatchcase(series, pattern) for pattern in self.exclude)


def parameters(method: Any) -> Any:
    """All parameters of a watch or of one of its stages, as plain values."""
    if isinstance(method, msgspec.Struct):
        return msgspec.to_builtins(method)
    if isinstance(method, tuple):
        return [parameters(member) for member in method]
    if is_dataclass(method):
        return {f.name: parameters(getattr(method, f.name)) for f in fields(method)}
    return method


def shaping(method: Any) -> Any:
    """The parameters that shape the state: a state saved under others cannot go on."""
    if isinstance(method, tuple):
        return [shaping(member) for member in method]
    if not isinstance(method, msgspec.Struct) and not is_dataclass(method):
        return method
    tunes = type(method).tunes  # type: ignore[union-attr]
    if isinstance(method, msgspec.Struct):
        return {name: value for name, value in msgspec.to_builtins(method).items() if name not in tunes}
    return {f.name: shaping(getattr(method, f.name)) for f in fields(method) if f.name not in tunes}
