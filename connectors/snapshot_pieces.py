"""The arrays of a snapshot as pieces of bytes, cut so that what did not change can be told from what did."""

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.lib.format import read_array
from numpy.typing import NDArray

Parts = Mapping[str, Mapping[str, NDArray[Any]]]
Layout = dict[str, dict[str, tuple[str, list[int]]]]
"""part -> array -> type and shape"""

Span = tuple[str, str, int, int]
"""part, array, and which of its bytes: first, one past the last"""

PIECE = 1 << 20
"""bytes; small enough that a piece is worth leaving out, large enough that files stay few"""


def layout(parts: Parts) -> Layout:
    """What the arrays look like. Raises ValueError for arrays of anything but plain numbers, flags, times and text."""
    return {part: {name: _form(f"{part}/{name}", array) for name, array in parts[part].items()} for part in parts}


def cut(parts: Parts) -> Iterator[tuple[list[Span], bytes | memoryview]]:
    """All bytes of the arrays, C order, in pieces of at most PIECE.

    A large array is cut at multiples of PIECE, whatever its shape: rows that are added leave the pieces before them
    as they were. Smaller ones share pieces, in their order. Of contiguous arrays nothing large is copied.
    """
    small: list[tuple[Span, memoryview]] = []
    for part, arrays in parts.items():
        for name, array in arrays.items():
            data = _bytes(np.ascontiguousarray(array))
            if len(data) >= PIECE:
                for start in range(0, len(data), PIECE):
                    piece = data[start : start + PIECE]
                    yield [(part, name, start, start + len(piece))], piece
                continue
            if sum(len(other) for _, other in small) + len(data) > PIECE:
                yield _joined(small)
                small = []
            if data:
                small.append(((part, name, 0, len(data)), data))
    if small:
        yield _joined(small)


def blank(forms: Layout) -> dict[str, dict[str, NDArray[Any]]]:
    """Arrays of this layout, to be filled."""
    return {
        part: {name: np.empty(shape, np.dtype(kind)) for name, (kind, shape) in arrays.items()}
        for part, arrays in forms.items()
    }


def fill(parts: Parts, spans: Sequence[Span], data: bytes) -> None:
    """Put the bytes of a piece where they belong."""
    at = 0
    for part, name, start, stop in spans:
        _bytes(parts[part][name])[start:stop] = data[at : at + stop - start]
        at += stop - start


def unpacked(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz: a part in format 1."""
    with ZipFile(BytesIO(data)) as archive:
        return {name.removesuffix(".npy"): _array(archive, name) for name in archive.namelist()}


def _form(where: str, array: NDArray[Any]) -> tuple[str, list[int]]:
    if array.dtype.hasobject or np.dtype(array.dtype.str) != array.dtype:
        raise ValueError(
            f"an array of a snapshot holds plain numbers, flags, times or text of fixed length; got {array.dtype} in "
            f"{where}: nothing is pickled, so save it as columns"
        )
    return array.dtype.str, list(array.shape)


def _bytes(array: NDArray[Any]) -> memoryview:
    """The memory of a contiguous array."""
    return array.reshape(-1).view(np.uint8).data


def _joined(small: Sequence[tuple[Span, memoryview]]) -> tuple[list[Span], bytes]:
    return [span for span, _ in small], b"".join(data for _, data in small)


def _array(archive: ZipFile, name: str) -> NDArray[Any]:
    with archive.open(name) as entry:
        array: NDArray[Any] = read_array(entry, allow_pickle=False)
        return array
