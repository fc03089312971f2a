"""Arrays of numbers from .npy files, and from text with commas; pickled objects are not opened."""

from pathlib import Path

import numpy as np

from connectors.published.tables import Floats, bare, floats


def saved(path: Path, *, axes: int) -> Floats:
    """What numpy.save wrote, of 4 bytes if it is so: 0.1 as recorded is to stay 0.1, and not become 0.10000000149.

    Raises ValueError if it is anything but numbers along so many axes.
    """
    with path.open("rb") as file:
        try:
            found = np.lib.format.read_array(file, allow_pickle=False)
        except ValueError as error:
            raise ValueError(f"{path} must hold numbers written by numpy.save, and nothing pickled: {error}") from error
    if found.dtype.kind not in "biuf" or found.ndim != axes:
        raise ValueError(f"{path} must hold numbers along {axes} axes; got {found.dtype} of shape {found.shape}")
    return found.astype(np.float32 if found.dtype.kind == "f" and found.dtype.itemsize == 4 else np.float64)


def written(path: Path) -> Floats:
    """(rows, columns) of a text with commas and without a line of names; an empty cell is NaN."""
    table = bare(path)
    return np.column_stack([column.to_numpy() for column in table.cast(floats(table.column_names)).columns])
