"""Telemetry of SMAP and MSL: khundman/telemanom with its data unpacked, or data/SMAP_MSL of imperial-qore/TranAD."""

from pathlib import Path

import numpy as np
import orjson
import pyarrow.csv

from connectors.published.arrays import saved
from connectors.published.kinds import Segment, events
from connectors.published.tables import Named, halves, numbered


def recordings(source: Path) -> Named:
    """labeled_anomalies.csv; train and test, there or in data, each with CHANNEL.npy: telemetry first, then commands.

    A channel that is not listed belongs to neither spacecraft and is left out.
    """
    folder = source / "data" if (source / "data/train").is_dir() else source
    listed = pyarrow.csv.read_csv(source / "labeled_anomalies.csv").to_pylist()
    for path in sorted(folder.glob("train/*.npy")):
        lines = [line for line in listed if line["chan_id"] == path.stem]
        if not lines:
            continue
        train, test = saved(path, axes=2), saved(folder / "test" / path.name, axes=2)
        segments = [segment for line in lines for segment in _segments(line)]
        marks = np.zeros(len(test))
        for first, last, _ in segments:
            marks[first : last + 1] = 1
        names = ["telemetry", *numbered("cmd_", train.shape[1] - 1)]
        table = halves(train, test, marks, names=names, seconds=60)
        note = "anomaly kinds: " + ", ".join(kind for *_, kind in events(marks, segments))
        yield f"{lines[0]['spacecraft'].lower()}_{path.stem}.parquet", table.replace_schema_metadata({"note": note})


def _segments(line: dict[str, str]) -> list[Segment]:
    """The sequences of a channel are not listed in the order of their rows; the last row of each is anomalous."""
    spans = orjson.loads(line["anomaly_sequences"])
    kinds = [kind.strip() for kind in line["class"].strip("[]").split(",")]
    return [(first, last, kind) for (first, last), kind in zip(spans, kinds, strict=True)]
