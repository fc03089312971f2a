"""Configuration to pipelines and sources."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from connectors.base import Source
from connectors.host import Host
from connectors.recordings import Recording
from detectors import table
from detectors.base import Batch, Detector
from detectors.sprt import SPRT
from detectors.together import Together
from detectors.watch import Watch
from streams.catalog import CALIBRATORS, DETECTORS, DRIFT_TESTS, method
from streams.config import ConfigError
from streams.decode.decoder import decoder
from streams.decode.formats import JSON
from streams.pipeline import Limits, Override, Pipeline, PipelineWatch
from streams.rows import FOREVER
from streams.sections import (
    Config,
    HostSource,
    MemberSection,
    OverrideSection,
    PipelineSection,
    TogetherSection,
    WatchSection,
    nanoseconds,
)


def pipeline(name: str, section: PipelineSection) -> Pipeline:
    """A pipeline of the configuration. Raises ConfigError with the key that is wrong."""
    where = f"pipelines.{name}"
    if not section.watches:
        raise ConfigError(f"{where}.watches: a pipeline needs at least one watch")
    names = [watch.name for watch in section.watches]
    for n in names:
        if names.count(n) > 1:
            raise ConfigError(f"{where}.watches: two are called {n!r}; names tell alerts apart")
    decode = decoder(section.decode)
    watches = tuple(
        _watch(f"{where}.watches[{i}]", watch, len(decode.variables)) for i, watch in enumerate(section.watches)
    )
    try:
        limits = Limits(
            lateness=nanoseconds(section.lateness),
            future=nanoseconds(section.future),
            silence_after=FOREVER if section.silence_after is None else nanoseconds(section.silence_after),
            forget_after=FOREVER if section.forget_after is None else nanoseconds(section.forget_after),
            max_series=section.max_series,
        )
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
    return Pipeline(
        name=name, topic=section.topic, decoder=decode, watches=watches, policy=section.alerts, limits=limits,
        asset=section.asset, include=tuple(section.include), exclude=tuple(section.exclude), scores=section.scores,
    )  # fmt: skip


def _stage(catalog: dict[str, str], what: str, where: str, described: dict[str, Any] | None) -> Any:
    if described is None:
        return None
    try:
        return method(catalog, what, described)
    except (ValueError, msgspec.ValidationError) as error:
        raise ConfigError(f"{where}: {error}") from None


def watch(where: str, section: WatchSection) -> Watch:
    """The watch of a section, without its overrides. Raises ConfigError."""
    made = Watch(
        name=section.name,
        detector=_detector(f"{where}.detector", section.detector),
        calibrator=_stage(CALIBRATORS, "calibrator", f"{where}.calibrator", section.calibrator),
        drift=_stage(DRIFT_TESTS, "drift test", f"{where}.drift", section.drift),
    )
    if isinstance(made.drift, SPRT) and made.drift.input == "residual" and not _expects(made.detector):
        raise ConfigError(
            f'{where}.drift: input = "residual" needs what the detector expected, and '
            f'{section.detector.get("type")} says nothing of it; take gaussian or htm, or input = "score"'
        )
    return made


def _expects(detector: Detector[Any]) -> bool:
    """Whether it says which values it expected, by what it says of no reading."""
    none = np.zeros(0, np.int64)
    return detector.update(detector.init(1, (1,)), Batch(none, none, np.zeros((0, 1)))).expected is not None


def _detector(where: str, described: dict[str, Any]) -> Any:
    """One of the catalog, or several together."""
    if described.get("type") != "together":
        return _stage(DETECTORS, "detector", where, described)
    try:
        section = msgspec.convert(described, TogetherSection)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}") from None
    members = tuple(_member(f"{where}.members[{i}]", member) for i, member in enumerate(section.members))
    try:
        return Together(members=members, rule=section.rule, need=section.need)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _member(where: str, section: MemberSection) -> Any:
    detector = _detector(f"{where}.detector", section.detector)
    calibrator = _stage(CALIBRATORS, "calibrator", f"{where}.calibrator", section.calibrator)
    return detector if calibrator is None else Watch(detector=detector, calibrator=calibrator)


def _watch(where: str, section: WatchSection, variables: int) -> PipelineWatch:
    base = watch(where, section)
    overrides = tuple(
        _override(f"{where}.overrides[{i}]", section, other, base, variables)
        for i, other in enumerate(section.overrides)
    )
    return PipelineWatch(watch=base, overrides=overrides)


def _override(where: str, section: WatchSection, other: OverrideSection, base: Watch, variables: int) -> Override:
    """The watch with other parameters. All variants share one state, so an override cannot change its form."""
    changed = WatchSection(
        name=section.name,
        detector=section.detector | other.detector,
        calibrator=_over(f"{where}.calibrator", section.calibrator, other.calibrator),
        drift=_over(f"{where}.drift", section.drift, other.drift),
    )
    varied = watch(where, changed)
    mine, theirs = (table.dump(w.init(1, (variables,))) for w in (varied, base))
    forms = [{name: (array.dtype, array.shape) for name, array in dump.items()} for dump in (mine, theirs)]
    if forms[0] != forms[1]:
        raise ConfigError(f"{where}: changes the form of the state; make it a watch or a pipeline of its own")
    return Override(series=other.series, watch=varied)


def _over(where: str, base: dict[str, Any] | None, other: dict[str, Any]) -> dict[str, Any] | None:
    if other and base is None:
        raise ConfigError(f"{where}: the watch has no such stage to override")
    return None if base is None else base | other


def source(name: str, section: PipelineSection, folder: Path) -> Source:
    """The source of an embedded pipeline; relative paths start from `folder`. Raises ConfigError."""
    where = f"pipelines.{name}.source"
    if section.source is None:
        raise ConfigError(f'{where}: to run embedded, say where records come from, such as {{ type = "host" }}')
    if isinstance(section.source, HostSource):
        return Host(topic=section.topic, interval=nanoseconds(section.source.every) / 1e9)
    paths = [path for pattern in section.source.paths for path in _expand(folder, pattern, where)]
    recording = section.source
    return Recording(paths, topic=section.topic, speed=recording.speed, time=recording.time, series=recording.series)


def _expand(folder: Path, pattern: str, where: str) -> list[Path]:
    path = folder / pattern
    found = sorted(path.parent.glob(path.name))
    if not found:
        raise ConfigError(f"{where}.paths: there is no file {path}")
    return found


def section(config: Config, path: Path, name: str) -> PipelineSection:
    """The section of a pipeline. Raises ConfigError if there is none of this name."""
    if name not in config.pipelines:
        raise ConfigError(f"{path}: no pipeline '{name}'; there are {', '.join(config.pipelines) or 'none'}")
    return config.pipelines[name]


def replayed(section: PipelineSection, path: Path) -> PipelineSection:
    """The section with decoding for a recording in columns, whose rows arrive as flat JSON objects."""
    if path.suffix not in (".csv", ".parquet") or isinstance(section.decode, JSON):
        return section
    decode = section.decode
    series = tuple(part.removeprefix("@") for part in decode.series) or ("@key",)
    flat = JSON(series=series, time=getattr(decode, "time", "time"), values=decode.values, unit=decode.unit)
    return msgspec.structs.replace(section, decode=flat)


def pipelines(config: Config, path: Path) -> dict[str, Pipeline]:
    """All pipelines of a configuration. Raises ConfigError with the name of the file."""
    try:
        return {name: pipeline(name, section) for name, section in config.pipelines.items()}
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
