"""watchkeeper.toml and the environment to typed, validated values; read once, at the door."""

import os
import re
import tomllib
from hashlib import blake2b
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from streams.catalog import nearest
from streams.decode.formats import CSV, JSON, LineProtocol, Telegraf
from streams.policy import AlertPolicy

UNITS = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000, "d": 86_400_000_000_000}

Duration = Annotated[str, Meta(pattern=r"^\d+(\.\d+)?(ms|s|m|h|d)$")]
"""such as 500ms, 10s, 2m, 1.5h, 30d"""


def nanoseconds(duration: str) -> int:
    """A duration such as `2m` in ns.

    >>> nanoseconds("1.5h") // 10**9
    5400
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", duration)
    if found is None:
        raise ValueError(f"a duration is a number and a unit (ms, s, m, h, d), such as 10s; got {duration!r}")
    return round(float(found[1]) * UNITS[found[2]])


class Secret(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a secret is found: an environment variable, or a file. Never the value itself; it prints as stars."""

    env: str = ""
    file: str = ""

    def __post_init__(self) -> None:
        if bool(self.env) == bool(self.file):
            raise ValueError('a secret is { env = "NAME" } or { file = "/run/secrets/name" }, never the value itself')

    def reveal(self) -> str:
        """The value. Raises ConfigError, without it, if it is not there."""
        if self.env:
            if self.env not in os.environ:
                raise ConfigError(f"the environment variable {self.env} is not set; a secret is expected there")
            return os.environ[self.env]
        try:
            return Path(self.file).read_text().strip()
        except OSError as error:
            raise ConfigError(f"{self.file} cannot be read ({error.strerror}); a secret is expected there") from None

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


class SnapshotsSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where snapshots are kept, and how often one is made at most.

    options: what the file system behind the URL asks for, by its fsspec documentation
    """

    url: str = "file://./watchkeeper-data/snapshots"
    every: Duration = "10s"
    options: dict[str, Secret | str] = {}


class SQLiteSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an embedded worker writes scores, alerts and dead letters, and for how long it keeps them."""

    path: str = "./watchkeeper-data/watchkeeper.db"
    keep: Duration | None = None


class RecordingSource(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="recording"):
    """Files to replay. `speed`: times real time; absent = as fast as possible."""

    paths: list[str]
    speed: float | None = None
    time: str = "timestamp"
    series: str = "series"


class HostSource(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="host"):
    """The telemetry of this very machine."""

    every: Duration = "1s"


class OverrideSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Other parameters of a watch for series whose names match a pattern."""

    series: str
    detector: dict[str, Any] = {}
    calibrator: dict[str, Any] = {}
    drift: dict[str, Any] = {}


class WatchSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A detector, and what stands behind it."""

    name: str
    detector: dict[str, Any]
    calibrator: dict[str, Any] | None = None
    drift: dict[str, Any] | None = None
    overrides: list[OverrideSection] = []


class PipelineSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One topic, its decoding, its watches, its alert policy."""

    topic: str
    decode: JSON | Telegraf | LineProtocol | CSV
    watches: list[WatchSection]
    source: RecordingSource | HostSource | None = None
    alerts: AlertPolicy = AlertPolicy()
    asset: str = ""
    lateness: Duration = "0s"
    future: Duration = "1h"
    silence_after: Duration | None = None
    forget_after: Duration | None = None
    max_series: Annotated[int, Meta(ge=1)] = 10_000
    memory_mib: Annotated[int, Meta(ge=1)] = 2048
    scores: Literal["all", "alarms"] | Annotated[int, Meta(ge=1)] = "alarms"
    include: list[str] = []
    exclude: list[str] = []


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    snapshots: SnapshotsSection = SnapshotsSection()
    sqlite: SQLiteSection = SQLiteSection()
    pipelines: dict[str, PipelineSection] = {}


class ConfigError(ValueError):
    """The configuration cannot be used; the text says where, what came, what is allowed."""


def load(path: Path) -> Config:
    """Read and check a configuration file. Raises ConfigError."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); `watchkeeper demo` needs no file") from None
    try:
        raw = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    sections = raw.pop("pipelines", {})
    if not isinstance(sections, dict):
        raise ConfigError(f"{path}: pipelines: must hold tables such as [pipelines.engine]; got {sections!r}")
    try:
        config = _convert(raw, Config, "")
        pipelines = {
            name: _convert(section, PipelineSection, f"pipelines.{name}") for name, section in sections.items()
        }
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    return msgspec.structs.replace(config, pipelines=pipelines)


T = TypeVar("T")


def _convert(raw: Any, into: type[T], where: str) -> T:
    try:
        return msgspec.convert(raw, into)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), raw, where)) from None


def _explain(message: str, raw: Any, where: str) -> str:
    """The message of msgspec with the key first, the value that came, and a suggestion for a misspelt key."""
    text, _, place = message.partition(" - at `")
    inner = place.rstrip("`").removeprefix("$").removeprefix(".")
    path = _join(where, inner)
    if found := re.match(r"Object contains unknown field `(.+)`", text):
        return f"{_join(path, found[1])}: there is no such key{_near(found[1], path)}"
    if found := re.match(r"Object missing required field `(.+)`", text):
        return f"{_join(path, found[1])}: this key is needed"
    if "matching regex" in text:
        text = "must be a number and a unit (ms, s, m, h, d), such as 10s"
    if re.match(r"Invalid value '.+'", text) and inner.endswith((".format", ".type")):
        text = f"must be one of {', '.join(TAGS[inner.rpartition('.')[2]])}"
    return f"{path}: {text[:1].lower()}{text[1:]}{_came(inner, raw)}"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path and key else path or key


def _came(path: str, raw: Any) -> str:
    for key in re.findall(r"[^.\[\]]+", path):
        if isinstance(raw, list) and key.isdigit() and int(key) < len(raw):
            raw = raw[int(key)]
        elif isinstance(raw, dict) and key in raw:
            raw = raw[key]
        else:
            return ""
    return "" if isinstance(raw, dict | list) else f"; got {raw!r}"


TAGS = {"format": ("json", "telegraf", "line_protocol", "csv"), "type": ("recording", "host")}
KEYS: dict[str, type[Struct]] = {
    "": Config, "snapshots": SnapshotsSection, "sqlite": SQLiteSection, "pipelines": PipelineSection,
    "watches": WatchSection, "overrides": OverrideSection, "alerts": AlertPolicy,
}  # fmt: skip


def _near(key: str, path: str) -> str:
    parts = [part for part in re.findall(r"[^.\[\]]+", path) if not part.isdigit()]
    section = next((part for part in reversed(parts) if part in KEYS), "")
    return nearest(key, {field.encode_name for field in msgspec.structs.fields(KEYS[section])})


def kernel_cache() -> None:
    """Give compiled kernels a private folder, named by a hash of all sources: numba does not see edits in other files.

    Must run before the first kernel is imported. Where nothing can be written, kernels are compiled anew each time.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    root = Path(__file__).parent.parent
    digest = blake2b(digest_size=8)
    for source in sorted([*(root / "detectors").rglob("*.py"), *(root / "streams").rglob("*.py")]):
        digest.update(source.read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for base in (home, Path(gettempdir()) / f"cache-{os.getuid()}"):
        folder = base / "watchkeeper" / f"kernels-{digest.hexdigest()}"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            os.environ["NUMBA_CACHE_DIR"] = str(folder)
            return


kernel_cache()
