"""UCR anomaly archive: its text files."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from connectors.published.tables import Named, clock, split


def recordings(source: Path) -> Named:
    """NUMBER_UCR_Anomaly_NAME_TRAIN_BEGIN_END.txt: the anomaly is from row BEGIN to before END, counted from 0."""
    for path in sorted(source.glob("*_UCR_Anomaly_*_*_*_*.txt")):
        name, *bounds = path.stem.split("_UCR_Anomaly_")[1].rsplit("_", 3)
        train, begin, end = map(int, bounds)
        values = np.array(path.read_text().split(), np.float64)
        label = np.zeros(len(values), np.int8)
        label[begin : max(end, begin + 1)] = 1
        parts = split(train, len(values) - train)
        columns = {"timestamp": clock(len(values), seconds=1), "value": values, "label": label, "split": parts}
        yield f"{name}.parquet", pa.table(columns)
