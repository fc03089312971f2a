"""Files of snapshots on a local disk or in an object store: whole or not at all, and durable."""

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from fsspec.core import url_to_fs

Data = bytes | memoryview
T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 8
"""files on their way at a time: syncs and requests are waits, which overlap"""


class SnapshotFiles:
    """Folders of files below a URL. A local file is renamed once it is synced; an object store does as much by itself.

    Whatever goes wrong is an OSError; a file that is not there is a FileNotFoundError.
    """

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        self._fs, root = url_to_fs(url, use_listings_cache=False, **options)
        self._root = str(root)
        self._local = "file" in ([self._fs.protocol] if isinstance(self._fs.protocol, str) else self._fs.protocol)

    def folder(self, name: str) -> str:
        """Where the files of a name are; no name leads out of the root, and no two meet."""
        return "/".join([self._root.rstrip("/"), *(_quoted(part) for part in name.split("/"))])

    def make(self, folder: str) -> None:
        """See that the folder exists, durably; an object store has none."""
        if not self._local:
            return
        path, root = Path(folder), Path(self._root)
        if not path.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            for above in (*path.parents,)[: len(path.parts) - len(root.parts) + 1]:
                _sync(above)

    def names(self, folder: str) -> list[str]:
        """Names of the files that are in it now."""
        with _as_oserror(folder), suppress(FileNotFoundError):
            return [str(path).rsplit("/", 1)[-1] for path in self._fs.ls(folder, detail=False)]
        return []

    def get(self, folder: str, file: str) -> bytes:
        with _as_oserror(f"{folder}/{file}"):
            return bytes(self._fs.cat_file(f"{folder}/{file}"))

    def get_all(self, folder: str, files: Sequence[str]) -> Iterator[bytes]:
        """The files one by one, a few fetched ahead."""
        for at in range(0, len(files), AT_ONCE):
            yield from _each(lambda file: self.get(folder, file), files[at : at + AT_ONCE])

    def put(self, folder: str, files: Mapping[str, Data]) -> int:
        """Every one of these files whole, all of them durable on return; their bytes."""
        _each(lambda file: self._put(f"{folder}/{file}", files[file]), list(files))
        if self._local and files:
            _sync(Path(folder))
        return sum(len(data) for data in files.values())

    def create(self, folder: str, file: str, data: bytes) -> bool:
        """Write a file that must not exist yet, durably; False if it does.

        Of several that create the same local file, or the same object in a store that refuses to overwrite when asked
        to (fsspec's mode `create`), one gets True. Where fsspec only looks first, all may that look at the same moment.
        """
        try:
            if self._local:
                _create(Path(folder, file), data)
            else:
                with _as_oserror(f"{folder}/{file}"):
                    self._fs.pipe_file(f"{folder}/{file}", data, mode="create")
        except FileExistsError:
            return False
        except OSError:
            # some stores refuse with errors of their own
            if file in self.names(folder):
                return False
            raise
        return True

    def delete(self, folder: str, files: Iterable[str]) -> None:
        """Delete those that are there, in no particular order."""
        _each(lambda file: self._delete(f"{folder}/{file}"), list(files))

    def lock(self) -> AbstractContextManager[None]:
        """Keep other workers of this machine out of a local root meanwhile. Raises RuntimeError if one is in."""
        return _locked(Path(self._root)) if self._local else nullcontext()

    def _put(self, path: str, data: Data) -> None:
        if self._local:
            _replace(Path(path), data)
            return
        with _as_oserror(path):
            self._fs.pipe_file(path, bytes(data))

    def _delete(self, path: str) -> None:
        with _as_oserror(path), suppress(FileNotFoundError):
            self._fs.rm_file(path)


def _each(fn: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """All are tried before the first error is raised."""
    if len(items) < 2:
        return [fn(item) for item in items]
    with ThreadPoolExecutor(min(AT_ONCE, len(items))) as pool:
        return list(pool.map(fn, items))


def _quoted(part: str) -> str:
    """A file name: no slash, and neither . nor .. nor empty."""
    return quote(part, safe="") if part.strip(".") else part.replace(".", "%2E") or "%"


def _replace(path: Path, data: Data) -> None:
    """The file holds these bytes, or what it held before; durable once its folder is synced."""
    rough = path.with_name(f".{path.name}.tmp")
    try:
        _write(rough, "wb", data)
        rough.replace(path)
    except OSError:
        rough.unlink(missing_ok=True)
        raise


def _create(path: Path, data: bytes) -> None:
    """Raises FileExistsError if it exists."""
    try:
        _write(path, "xb", data)
    except FileExistsError:
        raise
    except OSError:
        path.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _write(path: Path, mode: str, data: Data) -> None:
    with path.open(mode, buffering=0) as out:
        left = memoryview(data)
        while left:
            left = left[out.write(left) :]
        os.fsync(out.fileno())


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
