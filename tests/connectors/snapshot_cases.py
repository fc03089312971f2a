"""Snapshots that tell where they come from, and what to find in a folder of them. Light, for processes of tests."""

from pathlib import Path

import numpy as np

from connectors.base import Snapshot
from connectors.snapshot_manifest import Seal, entries, opened, seal

NAME = "pumps/sensors.pumps/3"

RING = 131_072
"""integers in a piece"""


def snapshot(epoch: int, generation: int, offset: int = 0) -> Snapshot:
    """One that tells where it comes from, in its metadata and in both of its parts."""
    number = epoch * 1000 + generation
    state = {"level.mean": np.full(100, float(number)), "seen": np.arange(number % 7)}
    return Snapshot(
        epoch, generation, offset, {"number": number}, {"watch/level": state, "series": {"n": state["seen"]}}
    )


def number(found: Snapshot | None) -> int | None:
    """Of a snapshot that is whole; None if there is none."""
    if found is None:
        return None
    expected = snapshot(found.epoch, found.generation, found.offset)
    assert found.metadata == expected.metadata
    assert_same(found, expected)
    return int(found.metadata["number"])


def assert_same(found: Snapshot, expected: Snapshot) -> None:
    assert (found.epoch, found.generation, found.offset) == (expected.epoch, expected.generation, expected.offset)
    assert repr(found.metadata) == repr(expected.metadata)
    assert found.parts.keys() == expected.parts.keys()
    for part, state in expected.parts.items():
        assert found.parts[part].keys() == state.keys()
        for name, array in state.items():
            got = found.parts[part][name]
            assert (got.dtype, got.shape, got.tobytes()) == (array.dtype, array.shape, array.tobytes())


def files(folder: Path, ending: str = "") -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name.endswith(ending))


def sharing(epoch: int, generation: int) -> Snapshot:
    """A large state of which every generation changes one piece of three; a small array tells all of them apart."""
    ring = [max((g for g in range(generation + 1) if g % 3 == third), default=-1) for third in range(3)]
    state = {"ring": np.repeat(np.array(ring) * 1000 + epoch, RING), "n": np.array([epoch, generation])}
    return Snapshot(epoch, generation, 0, {}, {"state": state})


def torn(folder: Path) -> int:
    """Files that a manifest names and that are not there or not whole."""
    named = [(path, told) for path in files(folder, ".json") for told in entries(opened(path.read_bytes()))]
    return sum(
        not (piece := path.with_name(told["file"])).exists()
        or seal(piece.read_bytes()) != Seal(told["size"], told["blake2b"])
        for path, told in named
    )


def left_over(folder: Path) -> int:
    """Files that are neither manifests nor named by one."""
    named = {told["file"] for path in files(folder, ".json") for told in entries(opened(path.read_bytes()))}
    return sum(path.suffix != ".json" and path.name not in named for path in files(folder))
