"""The manifest of a snapshot: its name, what stands in it, and the checksum that seals it."""

import json
import re
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from connectors.base import Snapshot
from connectors.snapshot_pieces import Span, layout

FORMAT = 2
STEM = re.compile(r"\d{10}-\d{10}-\d{20}")
"""epoch, generation and offset, so that names sort as snapshots do"""


class Damaged(Exception):
    """A snapshot whose manifest or pieces are not what was written."""


class Seal(NamedTuple):
    """Size in bytes and checksum of what was written."""

    size: int
    blake2b: str


class Piece(NamedTuple):
    """A file that holds some of the arrays' bytes."""

    file: str
    seal: Seal
    spans: Sequence[Span]


def seal(data: bytes | memoryview) -> Seal:
    """Of these bytes."""
    return Seal(len(data), blake2b(data, digest_size=32).hexdigest())


def stem(snapshot: Snapshot) -> str:
    """What the names of its files begin with. Raises ValueError if a number is negative or too large."""
    name = f"{snapshot.epoch:010d}-{snapshot.generation:010d}-{snapshot.offset:020d}"
    if not STEM.fullmatch(name):
        raise ValueError(f"epoch, generation and offset of a snapshot count from 0; got {name}")
    return name


def stems(files: Iterable[str]) -> list[str]:
    """Those of the manifests among these files, newest first."""
    found = (file.removesuffix(".json") for file in files if file.endswith(".json"))
    return sorted((name for name in found if STEM.fullmatch(name)), reverse=True)


def stem_of(file: str) -> str | None:
    """The stem in a file's name, or in that of its rough copy."""
    found = STEM.match(file.lstrip("."))
    return found and found[0]


def head(snapshot: Snapshot) -> str:
    """All of the manifest but its pieces, as JSON. Raises TypeError or ValueError for what cannot be kept."""
    told = {
        "format": FORMAT,
        "epoch": snapshot.epoch,
        "generation": snapshot.generation,
        "offset": snapshot.offset,
        "metadata": snapshot.metadata,
        "arrays": layout(snapshot.parts),
    }
    return json.dumps(told)


def sealed(told: str, pieces: Iterable[Piece]) -> bytes:
    """The manifest with its own checksum: over its text without the checksum, which is the same after reading it."""
    listed = [{"file": piece.file, **piece.seal._asdict(), "spans": piece.spans} for piece in pieces]
    manifest = _with(told, {"pieces": listed})
    return _with(manifest, seal(manifest.encode())._asdict()).encode()


def _with(told: str, more: dict[str, Any]) -> str:
    """A JSON object with more entries. It may be long, hence it is written once."""
    return f"{told[:-1]}, {json.dumps(more)[1:]}"


def opened(data: bytes) -> dict[str, Any]:
    """The manifest, once its checksum is found right. Raises Damaged."""
    try:
        manifest: dict[str, Any] = json.loads(data)
        told = Seal(manifest.pop("size"), manifest.pop("blake2b"))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Damaged(f"the manifest cannot be read: {error!r}") from error
    if seal(json.dumps(manifest).encode()) != told:
        raise Damaged("the manifest is not what was written")
    return manifest


def readable(manifest: dict[str, Any], where: str) -> None:
    """Raises ValueError if a newer version of Watchkeeper wrote it."""
    if manifest["format"] > FORMAT:
        raise ValueError(
            f"snapshot {where} has format {manifest['format']}, this Watchkeeper reads up to {FORMAT}; "
            "run the version that wrote it, or delete the snapshots of this name to start cold"
        )


def entries(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The files that it names, each with size and checksum; in format 1 they are its parts."""
    return list(manifest["parts"].values()) if manifest["format"] == 1 else list(manifest["pieces"])
