"""Snapshots in a folder, or in any object store that fsspec reaches."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

import structlog

from connectors.base import Claim, Snapshot
from connectors.snapshot_claims import Claims
from connectors.snapshot_files import AT_ONCE, Data, SnapshotFiles
from connectors.snapshot_manifest import (
    Damaged,
    Piece,
    Seal,
    entries,
    head,
    opened,
    readable,
    seal,
    sealed,
    stem,
    stem_of,
    stems,
)
from connectors.snapshot_pieces import Parts, blank, cut, fill, unpacked

log = structlog.get_logger()


class FolderSnapshots:
    """Each snapshot is a manifest, `<epoch>-<generation>-<offset>.json`, that names the files which hold its pieces.

    Pieces are `<epoch>-<generation>-<offset>.<checksum>.bin`, of the snapshot that wrote them. A piece that is the same
    as in the snapshot before is not written again: the manifest names the older file, so that a large state costs what
    changed of it. The manifest is written last: a snapshot without it does not exist. What makes sharing safe:

    - Only files of the same epoch are shared, and only those that this object wrote itself, in its last snapshot that
      became durable. An epoch starts with everything anew, so nothing that an old owner deletes or writes late, and
      nothing that befell its files, reaches the snapshots of the new one.
    - A file is shared only if it is there at the beginning of the write. Until its end nobody deletes it: it belongs to
      the last snapshot, which is among those that stay.
    - After a write, manifests beyond `keep` are deleted first, then files that no manifest names. Both only if they are
      not newer than the snapshot just written: a newer file may belong to a write of the worker that now owns the name.
    - A file's name holds its checksum: a write that is tried again, or two workers that share an epoch by accident,
      never leave other bytes under a name that a manifest knows.

    What sharing costs: a file that rots on the disk spoils all snapshots that name it, until the piece changes or a new
    epoch begins. Hashing takes about 1 s per GB, also for what did not change.

    url:  a path, or file://, memory://, s3:// and whatever else fsspec knows
    keep: how many snapshots of a name stay
    """

    def __init__(self, url: str, *, keep: int = 3, options: Mapping[str, str] | None = None) -> None:
        if keep < 1:
            raise ValueError(f"FolderSnapshots.keep must be at least 1 snapshot; got {keep}")
        self._files, self._keep = SnapshotFiles(url, options or {}), keep
        self._claims = Claims(self._files)
        self._last: dict[str, tuple[int, dict[Seal, str]]] = {}
        """name -> epoch and pieces of the last snapshot that this object wrote"""
        self._files_of: dict[str, dict[str, set[str]]] = {}
        """name -> stem of a snapshot that this object wrote and that stays -> its files"""

    def read(self, name: str) -> Snapshot | None:
        """The whole snapshot of the highest epoch and generation; one that is damaged is passed over, with a warning.

        Raises ValueError if a newer version of Watchkeeper wrote it, OSError if the file system fails.
        """
        folder = self._files.folder(name)
        found = stems(self._files.names(folder))
        for one in found:
            try:
                return self._load(folder, one)
            except (Damaged, FileNotFoundError) as error:
                log.warning("snapshot_damaged", name=name, snapshot=one, reason=str(error))
        # Another worker may have replaced all of them meanwhile; to start cold would be wrong then.
        return None if stems(self._files.names(folder)) == found else self.read(name)

    def newest(self, name: str) -> tuple[int, int, int] | None:
        """Epoch, generation and offset of the newest manifest, by its name alone. Raises OSError."""
        found = stems(self._files.names(self._files.folder(name)))
        if not found:
            return None
        epoch, generation, offset = map(int, found[0].split("-"))
        return epoch, generation, offset

    def write(self, name: str, snapshot: Snapshot) -> int:
        """All or nothing, and durable on return; the bytes written. The arrays must stand still meanwhile.

        Raises OSError if it could not be written, TypeError or ValueError for what no snapshot can hold.
        """
        folder, mine, told = self._files.folder(name), stem(snapshot), head(snapshot)
        self._files.make(folder)
        try:
            pieces, size = self._put(folder, mine, snapshot.parts, self._shared(name, snapshot.epoch))
            size += self._files.put(folder, {f"{mine}.json": sealed(told, pieces)})
        except OSError:
            self._sweep(name, mine)
            raise
        self._last[name] = snapshot.epoch, {piece.seal: piece.file for piece in pieces}
        self._files_of.setdefault(name, {})[mine] = {piece.file for piece in pieces}
        self._sweep(name, mine)
        return size

    def claim(self, name: str, offset: int) -> Claim:
        """Take a name over, to start from this offset. Raises OSError.

        The epoch is one more than every one that was ever claimed or written, for any number of workers that claim a
        local folder at once; see Claims for object stores. It stays taken when the name is forgotten.
        """
        return self._claims.claim(name, offset)

    def left(self, name: str, offset: int) -> None:
        """Let go, in order, of what this object claimed: the next start at this offset is the first. Raises OSError."""
        self._claims.left(name, offset)

    def forget(self, name: str) -> None:
        """Delete all snapshots of a name, and the count of its starts. Raises OSError."""
        folder = self._files.folder(name)
        self._claims.forget(name)
        files = [file for file in self._files.names(folder) if stem_of(file)]
        self._files.delete(folder, [file for file in files if file.endswith(".json")])
        self._files.delete(folder, [file for file in files if not file.endswith(".json")])

    def lock(self) -> AbstractContextManager[None]:
        """Keep other workers of this machine out of a local folder meanwhile. Raises RuntimeError if one is in."""
        return self._files.lock()

    def _shared(self, name: str, epoch: int) -> dict[Seal, str]:
        """Pieces that need not be written again."""
        last, pieces = self._last.get(name, (epoch, {}))
        if last != epoch or not pieces:
            return {}
        there = set(self._files.names(self._files.folder(name)))
        return {told: file for told, file in pieces.items() if file in there}

    def _put(self, folder: str, mine: str, parts: Parts, stored: dict[Seal, str]) -> tuple[list[Piece], int]:
        """Write the pieces that are not stored yet, a few at a time."""
        pieces: list[Piece] = []
        fresh: dict[str, Data] = {}
        size = 0
        for spans, data in cut(parts):
            told = seal(data)
            if told not in stored:
                stored[told] = f"{mine}.{told.blake2b[:32]}.bin"
                fresh[stored[told]] = data
            pieces.append(Piece(stored[told], told, spans))
            if len(fresh) == AT_ONCE:
                size += self._files.put(folder, fresh)
                fresh = {}
        return pieces, size + self._files.put(folder, fresh)

    def _load(self, folder: str, one: str) -> Snapshot:
        manifest = opened(self._files.get(folder, f"{one}.json"))
        readable(manifest, f"{folder}/{one}.json")
        told = entries(manifest)
        if manifest["format"] == 1:
            parts = dict(zip(manifest["parts"], map(unpacked, self._whole(folder, told)), strict=True))
        else:
            parts = blank(manifest["arrays"])
            for piece, data in zip(told, self._whole(folder, told), strict=True):
                fill(parts, piece["spans"], data)
        return Snapshot(manifest["epoch"], manifest["generation"], manifest["offset"], manifest["metadata"], parts)

    def _whole(self, folder: str, told: Sequence[Mapping[str, Any]]) -> Iterator[bytes]:
        """The contents of these files. Raises Damaged."""
        for one, data in zip(told, self._files.get_all(folder, [one["file"] for one in told]), strict=True):
            if seal(data) != Seal(one["size"], one["blake2b"]):
                raise Damaged(f"{one['file']} is not what was written: {len(data)} of {one['size']} bytes")
            yield data

    def _sweep(self, name: str, mine: str) -> None:
        """Delete what no snapshot that stays stands for; what cannot be deleted now is deleted later."""
        folder = self._files.folder(name)
        try:
            files = self._files.names(folder)
            found = stems(files)
            go = {one for one in found[self._keep :] if one <= mine}
            self._files.delete(folder, [f"{one}.json" for one in go])
            named = self._named(name, [one for one in found if one not in go])
            dated = {file: one for file in files if (one := stem_of(file))}
            self._files.delete(folder, [file for file, one in dated.items() if one <= mine and file not in named])
        except (OSError, ValueError) as error:
            log.warning("snapshot_sweep_failed", folder=folder, error=str(error))

    def _named(self, name: str, stay: Sequence[str]) -> set[str]:
        """The files of these snapshots: from memory, or out of the manifests that others wrote."""
        folder, known = self._files.folder(name), self._files_of.get(name, {})
        known = self._files_of[name] = {one: known[one] for one in stay if one in known}
        named = {f"{one}.json" for one in stay}.union(*known.values())
        for one in stay:
            if one in known:
                continue
            with suppress(Damaged, FileNotFoundError):
                manifest = opened(self._files.get(folder, f"{one}.json"))
                readable(manifest, f"{folder}/{one}.json")
                named |= {told["file"] for told in entries(manifest)}
        return named
