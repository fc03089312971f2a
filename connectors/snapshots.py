"""Snapshots in a folder, or in any object store that fsspec reaches."""

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zipfile import ZipFile

import numpy as np
import structlog
from fsspec.core import url_to_fs
from numpy.lib.format import read_array, write_array
from numpy.typing import NDArray

from connectors.base import Snapshot

FORMAT = 1
STEM = re.compile(r"\d{10}-\d{10}-\d{20}")
log = structlog.get_logger()


class Damaged(Exception):
    """A snapshot whose manifest or parts are not what was written."""


class FolderSnapshots:
    """Each snapshot is a manifest, `<epoch>-<generation>-<offset>.json`, and beside it one .npz for every part.

    The manifest is written last and names every part with size and checksum: a snapshot without it does not exist.

    url:  a path, or file://, memory://, s3:// and whatever else fsspec knows
    keep: how many snapshots of a name stay
    """

    def __init__(self, url: str, *, keep: int = 3, options: Mapping[str, str] | None = None) -> None:
        if keep < 1:
            raise ValueError(f"FolderSnapshots.keep must be at least 1 snapshot; got {keep}")
        self._fs, root = url_to_fs(url, use_listings_cache=False, **(options or {}))
        self._root, self._keep = str(root), keep
        self._local = "file" in ([self._fs.protocol] if isinstance(self._fs.protocol, str) else self._fs.protocol)

    def read(self, name: str) -> Snapshot | None:
        """The whole snapshot of the highest epoch and generation; one that is damaged is passed over, with a warning.

        Raises ValueError if a newer version of Watchkeeper wrote it, OSError if the file system fails.
        """
        folder = self._folder(name)
        stems = _manifests(self._files(folder))
        for stem in stems:
            try:
                return self._load(folder, stem)
            except (Damaged, FileNotFoundError) as error:
                log.warning("snapshot_damaged", name=name, snapshot=stem, reason=str(error))
        # Another worker may have replaced all of them meanwhile; to start cold would be wrong then.
        return None if _manifests(self._files(folder)) == stems else self.read(name)

    def write(self, name: str, snapshot: Snapshot) -> None:
        """All or nothing, and durable on return. Raises OSError if it could not be written."""
        folder, stem = self._folder(name), _stem(snapshot)
        parts = {part: (f"{stem}.{_quoted(part)}.npz", _packed(arrays)) for part, arrays in snapshot.parts.items()}
        manifest = _sealed(snapshot, {part: {"file": file, **_seal(data)} for part, (file, data) in parts.items()})
        self._make(folder)
        try:
            for file, data in parts.values():
                self._put(folder, file, data)
            self._put(folder, f"{stem}.json", manifest)
        except OSError:
            self._sweep(folder, stem)
            raise
        self._sweep(folder, stem)

    def starts(self, name: str, offset: int) -> int:
        """How often in a row a worker started from this offset, this time included. Raises OSError."""
        folder = self._folder(name)
        self._make(folder)
        try:
            before = json.loads(self._get(folder, "starts.json"))
            count = before["count"] + 1 if before["offset"] == offset else 1
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            count = 1
        self._put(folder, "starts.json", json.dumps({"offset": offset, "count": count}).encode())
        return int(count)

    def forget(self, name: str) -> None:
        """Delete all snapshots of a name, and its starts. Raises OSError."""
        folder = self._folder(name)
        files = [file for file in self._files(folder) if STEM.match(file.lstrip(".")) or file == "starts.json"]
        self._delete(folder, sorted(files, key=lambda file: not file.endswith(".json")))

    def lock(self) -> AbstractContextManager[None]:
        """Keep other workers of this machine out of a local folder meanwhile. Raises RuntimeError if one is in."""
        return _locked(Path(self._root)) if self._local else nullcontext()

    def _load(self, folder: str, stem: str) -> Snapshot:
        manifest = _opened(self._get(folder, f"{stem}.json"))
        if manifest["format"] != FORMAT:
            raise ValueError(
                f"snapshot {folder}/{stem}.json has format {manifest['format']}, this Watchkeeper reads {FORMAT}; "
                "run the version that wrote it, or delete the snapshots of this name to start cold"
            )
        parts = {}
        for name, told in manifest["parts"].items():
            data = self._get(folder, told["file"])
            if _seal(data) != {"size": told["size"], "blake2b": told["blake2b"]}:
                raise Damaged(f"{told['file']} is not what was written: {len(data)} of {told['size']} bytes")
            parts[name] = _unpacked(data)
        return Snapshot(manifest["epoch"], manifest["generation"], manifest["offset"], manifest["metadata"], parts)

    def _folder(self, name: str) -> str:
        return "/".join([self._root.rstrip("/"), *(_quoted(part) for part in name.split("/"))])

    def _files(self, folder: str) -> list[str]:
        with _as_oserror(folder), suppress(FileNotFoundError):
            return [str(path).rsplit("/", 1)[-1] for path in self._fs.ls(folder, detail=False)]
        return []

    def _get(self, folder: str, file: str) -> bytes:
        with _as_oserror(f"{folder}/{file}"):
            return bytes(self._fs.cat_file(f"{folder}/{file}"))

    def _put(self, folder: str, file: str, data: bytes) -> None:
        """The whole file or nothing, durably; an object store does so by itself."""
        if self._local:
            _replace(Path(folder, file), data)
            return
        with _as_oserror(f"{folder}/{file}"):
            self._fs.pipe_file(f"{folder}/{file}", data)

    def _delete(self, folder: str, files: Iterable[str]) -> None:
        for file in files:
            with _as_oserror(f"{folder}/{file}"), suppress(FileNotFoundError):
                self._fs.rm_file(f"{folder}/{file}")

    def _make(self, folder: str) -> None:
        if not self._local:
            return
        path, root = Path(folder), Path(self._root)
        if not path.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            for above in (*path.parents,)[: len(path.parts) - len(root.parts) + 1]:
                _sync(above)

    def _sweep(self, folder: str, mine: str) -> None:
        """Delete the manifests of older snapshots, then what no manifest stands for.

        Only what is not newer than `mine`: it may belong to a write of the worker that now owns the partition.
        """
        files = self._files(folder)
        manifests = _manifests(files)
        self._delete(folder, [f"{stem}.json" for stem in manifests[self._keep :]])
        kept = manifests[: self._keep]
        stems = {file: found[0] for file in files if (found := STEM.match(file.lstrip(".")))}
        self._delete(folder, [file for file, stem in stems.items() if stem <= mine and stem not in kept])


def _stem(snapshot: Snapshot) -> str:
    stem = f"{snapshot.epoch:010d}-{snapshot.generation:010d}-{snapshot.offset:020d}"
    if not STEM.fullmatch(stem):
        raise ValueError(f"epoch, generation and offset of a snapshot count from 0; got {stem}")
    return stem


def _manifests(files: Iterable[str]) -> list[str]:
    """Stems of the manifests, newest first."""
    stems = (file.removesuffix(".json") for file in files if file.endswith(".json"))
    return sorted((stem for stem in stems if STEM.fullmatch(stem)), reverse=True)


def _quoted(part: str) -> str:
    """A file name: no slash, and neither . nor .. nor empty."""
    return quote(part, safe="") if part.strip(".") else part.replace(".", "%2E") or "%"


def _sealed(snapshot: Snapshot, parts: Mapping[str, Any]) -> bytes:
    """The manifest with its own checksum: over its text without the checksum, which is the same after reading it."""
    manifest = {
        "format": FORMAT,
        "epoch": snapshot.epoch,
        "generation": snapshot.generation,
        "offset": snapshot.offset,
        "metadata": snapshot.metadata,
        "parts": parts,
    }
    told = json.dumps(manifest)
    return json.dumps({**json.loads(told), **_seal(told.encode())}, indent=1).encode()


def _opened(data: bytes) -> dict[str, Any]:
    """The manifest, once its checksum is found right. Raises Damaged."""
    try:
        manifest: dict[str, Any] = json.loads(data)
        seal = {"size": manifest.pop("size"), "blake2b": manifest.pop("blake2b")}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Damaged(f"the manifest cannot be read: {error!r}") from error
    if _seal(json.dumps(manifest).encode()) != seal:
        raise Damaged("the manifest is not what was written")
    return manifest


def _seal(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "blake2b": blake2b(data, digest_size=32).hexdigest()}


def _packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """An uncompressed .npz. np.savez would refuse an array named `file`."""
    packed = BytesIO()
    with ZipFile(packed, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                write_array(entry, np.asanyarray(array), allow_pickle=False)
    return packed.getvalue()


def _unpacked(data: bytes) -> dict[str, NDArray[Any]]:
    with ZipFile(BytesIO(data)) as archive:
        return {name.removesuffix(".npy"): _array(archive, name) for name in archive.namelist()}


def _array(archive: ZipFile, name: str) -> NDArray[Any]:
    with archive.open(name) as entry:
        array: NDArray[Any] = read_array(entry, allow_pickle=False)
        return array


def _replace(path: Path, data: bytes) -> None:
    """The file holds these bytes after a power cut, or what it held before."""
    rough = path.with_name(f".{path.name}.tmp")
    try:
        with rough.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        rough.replace(path)
    except OSError:
        rough.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Make names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(
                f"another watchkeeper uses {folder}; stop it first, or choose another snapshots.url"
            ) from error
        yield


@contextmanager
def _as_oserror(what: str) -> Iterator[None]:
    """Every store has errors of its own; a worker knows OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{what}: {error!r}") from error
