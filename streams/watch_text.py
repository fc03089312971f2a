"""A watch in one line of text, as the command line takes it."""

import tomllib
from typing import Any

import msgspec

from detectors.watch import Watch
from streams.build import watch
from streams.catalog import CALIBRATORS, DETECTORS, DRIFT_TESTS, nearest
from streams.config import ConfigError
from streams.sections import WatchSection

STAGES = {"detector": DETECTORS, "calibrator": CALIBRATORS, "drift": DRIFT_TESTS}


def watch_of(text: str) -> Watch:
    """`gaussian`, `gaussian+likelihood`, or a table as in watchkeeper.toml: `{ detector = { type = "gaussian" } }`.

    `gaussian+likelihood|range` is the maximum of both together. Its name is the text, unless the table has one. Raises
    ConfigError.

    >>> watch_of("gaussian+likelihood").detector
    Gaussian(half_life=240.0, limit=6.0, warm_up=100)
    """
    described = _table(text) if text.lstrip().startswith("{") else _members(text)
    try:
        section = msgspec.convert({"name": text, **described}, WatchSection)
    except msgspec.ValidationError as error:
        raise ConfigError(f"--watch {text}: {error}") from None
    return watch(f"--watch {text}", section)


def _table(text: str) -> dict[str, Any]:
    try:
        found = tomllib.loads(f"watch = {text}")["watch"]
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"--watch {text}: not a TOML table: {error}") from None
    assert isinstance(found, dict)
    return found


def _members(text: str) -> dict[str, Any]:
    members = [_stages(text, part) for part in text.split("|")]
    return members[0] if len(members) == 1 else {"detector": {"type": "together", "members": members}}


def _stages(text: str, part: str) -> dict[str, Any]:
    described: dict[str, Any] = {}
    for tag in part.split("+"):
        stage = next((stage for stage, catalog in STAGES.items() if tag in catalog), None)
        if stage is None:
            known = [tag for catalog in STAGES.values() for tag in catalog]
            raise ConfigError(f"--watch {text}: there is no method '{tag}'{nearest(tag, known)}")
        if stage in described:
            raise ConfigError(f"--watch {text}: two methods are a {stage}; a watch has one of each kind")
        described[stage] = {"type": tag}
    if "detector" not in described:
        raise ConfigError(f"--watch {text}: a watch begins with a detector; there are {', '.join(sorted(DETECTORS))}")
    return described
