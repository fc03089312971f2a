"""Service indicators of the AIOps challenge of 2018: NetManAIOps/KPI-Anomaly-Detection, or CSTCloudOps/datasets.

The first is as recorded, with gaps; the second is a copy whose gaps were filled by linear interpolation.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from connectors.published.arrays import saved
from connectors.published.tables import Floats, Named, split

NAME = 8
"""Letters of an indicator's id that tell it from the others."""

ROW = pa.schema([("timestamp", pa.float64()), ("value", pa.float64()), ("label", pa.float64())])

TRUTH = (
    "the second half is published as HDF, which Watchkeeper does not open; save it as phase2_ground_truth.csv "
    "with the columns of phase2_train.csv (timestamp,value,label,KPI ID)"
)


def recordings(source: Path) -> Named:
    """Finals_dataset/phase2_train.csv and phase2_ground_truth.csv, there or here; or UTS/AIOPS, there or here."""
    folder = _below(source, "Finals_dataset")
    if (folder / "phase2_train.csv").exists():
        yield from _final(folder)
    else:
        yield from _reformatted(_below(source, "UTS/AIOPS"))


def _below(source: Path, folder: str) -> Path:
    return source / folder if (source / folder).is_dir() else source


def _final(folder: Path) -> Named:
    """All indicators in one file for each half, with seconds since 1970."""
    if not (folder / "phase2_ground_truth.csv").exists():
        raise ValueError(f"{folder / 'phase2_ground_truth.csv'} is not there: {TRUTH}")
    halves = [pyarrow.csv.read_csv(folder / f"phase2_{half}.csv") for half in ("train", "ground_truth")]
    for name in sorted(pc.unique(halves[0].column("KPI ID")).to_pylist()):
        own = [half.filter(pc.equal(half.column("KPI ID"), name)).select(ROW.names).cast(ROW) for half in halves]
        times, values, marks = (column.to_numpy() for column in pa.concat_tables(own).columns)
        yield f"{name[:NAME]}.parquet", _table(times, values, marks, train=len(own[0]))


def _reformatted(folder: Path) -> Named:
    """ID/HALF_timestamp.npy, ID/HALF.npy and ID/HALF_label.npy, where a half is train or test."""
    for path in sorted(folder.glob("*/train.npy")):
        halves = [
            [saved(path.with_name(half + what + ".npy"), axes=1) for what in ("_timestamp", "", "_label")]
            for half in ("train", "test")
        ]
        times, values, marks = (np.concatenate(parts) for parts in zip(*halves, strict=True))
        yield f"{path.parent.name[:NAME]}.parquet", _table(times, values, marks, train=len(halves[0][0]))


def _table(times: Floats, values: Floats, marks: Floats, *, train: int) -> pa.Table:
    columns = {
        "timestamp": pa.array((times * 1e6).astype(np.int64)).cast(pa.timestamp("us", "UTC")),
        "value": pa.array(values, from_pandas=True),
        "label": marks.astype(np.int8),
        "split": split(train, len(values) - train),
    }
    return pa.table(columns)
