"""FerryBox of the One Ocean Expedition: the repository DirSwe-Art/RoLA_DirSweArt."""

from pathlib import Path

import numpy as np
import pyarrow.csv

from connectors.published.tables import Named, floats, utc


def recordings(source: Path) -> Named:
    """dataset/multivariate_dataset.csv, and dataset/labels.txt with the anomalous minutes, one a line.

    A labelled minute that was not recorded labels nothing.
    """
    path = source / "dataset/multivariate_dataset.csv"
    table = pyarrow.csv.read_csv(path)
    times, names = utc(table.column("TimeStamp")), [name for name in table.column_names if name != "TimeStamp"]
    minutes = np.array((source / "dataset/labels.txt").read_text().strip().split("\n"), "datetime64[us]")
    marks = np.isin(times.to_numpy(), minutes).astype(np.int8)
    found = table.select(names).cast(floats(names)).add_column(0, "timestamp", times).append_column("label", [marks])
    yield "one_ocean_2021.parquet", found
