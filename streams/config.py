"""watchkeeper.toml and the environment to typed, validated values; read once, at the door."""

import os
import re
import tomllib
from hashlib import blake2b
from pathlib import Path
from tempfile import gettempdir
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from streams import sections
from streams.catalog import nearest
from streams.policy import AlertPolicy
from streams.sections import Config, PipelineSection, Secret


class ConfigError(ValueError):
    """The configuration cannot be used; the text says where, what came, what is allowed."""


def reveal(secret: Secret) -> str:
    """The value of a secret. Raises ConfigError, without it, if it is not there."""
    if secret.env:
        if secret.env not in os.environ:
            raise ConfigError(f"the environment variable {secret.env} is not set; a secret is expected there")
        return os.environ[secret.env]
    try:
        return Path(secret.file).read_text().strip()
    except OSError as error:
        raise ConfigError(f"{secret.file} cannot be read ({error.strerror}); a secret is expected there") from None


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
    tables = raw.pop("pipelines", {})
    if not isinstance(tables, dict):
        raise ConfigError(f"{path}: pipelines: must hold tables such as [pipelines.engine]; got {tables!r}")
    try:
        config = _convert(raw, Config, "")
        pipelines = {name: _convert(section, PipelineSection, f"pipelines.{name}") for name, section in tables.items()}
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
    "": Config, "snapshots": sections.SnapshotsSection, "sqlite": sections.SQLiteSection,
    "kafka": sections.KafkaSection, "tls": sections.TLSSection, "sasl": sections.SASLSection,
    "influxdb": sections.InfluxDBSection, "metrics": sections.MetricsSection, "pipelines": PipelineSection,
    "watches": sections.WatchSection, "overrides": sections.OverrideSection, "alerts": AlertPolicy,
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
    sources = (path for package in ("detectors", "connectors", "streams") for path in (root / package).rglob("*.py"))
    for source in sorted(sources):
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
