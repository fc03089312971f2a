"""Who took a partition over, and how often in a row from the same offset."""

import json
import re
from collections.abc import Iterable, Sequence

from connectors.base import Claim
from connectors.snapshot_files import SnapshotFiles

CLAIM = re.compile(r"\.?(\d{10})\.claim(\.tmp)?")
EPOCH = re.compile(r"\.?(\d{10})(?:\.claim|-\d{10}-\d{20}\.)")
STARTS = "starts.json"
"""where format 1 counted starts, without epochs"""


class Claims:
    """Files `<epoch>.claim` beside the snapshots, made once each and written by their maker only.

    A file holds the offset of the start and how often in a row it was started from; the newest one counts, so a worker
    that leaves late changes nothing for its successor. Where a store cannot create a file exclusively, two workers that
    claim at the same moment may get the same epoch: the later snapshot of the two is read then, and each is whole.
    """

    def __init__(self, files: SnapshotFiles) -> None:
        self._files = files
        self._mine: dict[str, int] = {}

    def claim(self, name: str, offset: int) -> Claim:
        folder = self._files.folder(name)
        self._files.make(folder)
        while True:
            found = self._files.names(folder)
            epoch = _highest(found) + 1
            starts = 1 + self._starts(folder, found, offset)
            created = self._files.create(folder, _file(epoch), _note(offset, starts))
            # A slow worker may have made anew what a faster one had made, passed and deleted.
            if created and _highest(self._files.names(folder)) == epoch:
                break
        self._mine[name] = epoch
        self._files.delete(folder, _old(found, epoch))
        return Claim(epoch, starts)

    def left(self, name: str, offset: int) -> None:
        if name in self._mine:
            self._files.put(self._files.folder(name), {_file(self._mine[name]): _note(offset, 0)})
            del self._mine[name]

    def forget(self, name: str) -> None:
        """Start counting anew, but never an epoch again: a worker from before may still be about to write."""
        folder = self._files.folder(name)
        found = self._files.names(folder)
        if highest := _highest(found):
            self._files.put(folder, {_file(highest): _note(-1, 0)})
        self._files.delete(folder, _old(found, highest))

    def _starts(self, folder: str, found: Sequence[str], offset: int) -> int:
        """How often in a row this offset was started from before; a claim cut short by a crash is passed over."""
        claims = sorted((file for file in found if CLAIM.fullmatch(file) and file.endswith(".claim")), reverse=True)
        for file in (*claims, STARTS):
            try:
                before = json.loads(self._files.get(folder, file))
                return int(before["count"]) if before["offset"] == offset else 0
            except (FileNotFoundError, ValueError, TypeError, KeyError):
                continue
        return 0


def _highest(files: Iterable[str]) -> int:
    """The highest epoch that was ever claimed or written; 0 if none was."""
    return max((int(found[1]) for file in files if (found := EPOCH.match(file))), default=0)


def _old(files: Iterable[str], epoch: int) -> list[str]:
    """Claims of lower epochs, and the file of format 1."""
    return [
        file for file in files if file == STARTS or ((found := CLAIM.fullmatch(file)) and int(found[1]) < epoch)
    ]  # fmt: skip


def _file(epoch: int) -> str:
    return f"{epoch:010d}.claim"


def _note(offset: int, count: int) -> bytes:
    return json.dumps({"offset": offset, "count": count}).encode()
