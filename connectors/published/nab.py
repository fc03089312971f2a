"""Numenta Anomaly Benchmark: the repository numenta/NAB."""

from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.csv

from connectors.published.tables import Named, utc


def recordings(source: Path) -> Named:
    """data/FOLDER/SERIES.csv, and labels/combined_windows.json with the windows by the same names."""
    spans = orjson.loads((source / "labels/combined_windows.json").read_bytes())
    for path in sorted(source.glob("data/*/*.csv")):
        table = pyarrow.csv.read_csv(path)
        times = utc(table.column("timestamp"))
        at, inside = times.to_numpy(), np.zeros(len(times), np.int8)
        for first, last in spans[f"{path.parent.name}/{path.name}"]:
            inside[(at >= np.datetime64(first)) & (at <= np.datetime64(last))] = 1
        values = table.column("value").cast(pa.float64())
        columns = {"timestamp": times, "value": values, "label_window": inside}
        yield f"{path.parent.name}/{path.stem}.parquet", pa.table(columns)
