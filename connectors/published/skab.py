"""Skoltech Anomaly Benchmark: the repository waico/SKAB."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from connectors.published.tables import Named, floats, utc


def recordings(source: Path) -> Named:
    """data/GROUP/RUN.csv with semicolons; the run without a fault has no labels. The group names the fault."""
    for path in sorted(source.glob("data/*/*.csv")):
        table = pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(delimiter=";"))
        times = utc(table.column("datetime"))
        names = [name for name in table.column_names if name not in ("datetime", "anomaly", "changepoint")]
        sensors = table.select(names).cast(floats(names)).rename_columns([name.replace(" ", "_") for name in names])
        faulty = "anomaly" in table.column_names
        marks = table.column("anomaly").cast(pa.int8()) if faulty else pa.array(np.zeros(len(table), np.int8))
        found = sensors.add_column(0, "timestamp", times).append_column("label", marks)
        name = f"{path.parent.name}_{path.stem}" if faulty else "anomaly_free"
        note = path.parent.name if faulty else "normal operation"
        yield f"{name}.parquet", found.replace_schema_metadata({"note": note})
