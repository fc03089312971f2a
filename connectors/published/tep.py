"""Tennessee Eastman process: the repository camaramm/tennessee-eastman-profBraatz."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from connectors.base import FloatArray
from connectors.published.tables import Named, clock, numbered

NAMES = [*numbered("xmeas_", 41), *numbered("xmv_", 11)]

SETS_IN = 160
"""Row of a test run in which its fault sets in; a training run is faulty from its first."""


def recordings(source: Path) -> Named:
    """dNN.dat and dNN_te.dat: numbers with blanks, one row in three minutes; NN is the fault, 00 none."""
    for path in sorted((*source.glob("d[0-9][0-9].dat"), *source.glob("d[0-9][0-9]_te.dat"))):
        values, fault, test = _values(path), int(path.stem[1:3]), path.stem.endswith("_te")
        label = np.zeros(len(values), np.int8)
        label[SETS_IN if test else 0 :] = fault > 0
        columns = dict(zip(NAMES, values.T, strict=True))
        table = pa.table({"timestamp": clock(len(values), seconds=180), **columns, "label": label})
        note = f"simulated; fault {fault}" if fault else "simulated; normal run"
        name = f"fault{fault:02d}_{'test' if test else 'train'}.parquet"
        yield name, table.replace_schema_metadata({"note": note})


def _values(path: Path) -> FloatArray:
    """(rows, variables). One of the publisher's files, d00.dat, lies on its side."""
    values = np.loadtxt(path, ndmin=2)
    if values.shape[1] != len(NAMES) and len(values) == len(NAMES):
        values = values.T
    if values.shape[1] != len(NAMES):
        raise ValueError(f"{path} must have {len(NAMES)} columns; got {values.shape[1]}")
    return values
