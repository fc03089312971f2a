"""Application Server Dataset: the repository zhhlee/InterFusion, whose matrices must be saved anew.

ASD is published as pickles, and opening a pickle runs whatever program is in it. Watchkeeper opens none: whoever trusts
them saves each matrix with numpy.save, or as text with numpy.savetxt(delimiter=","), beside the pickle and under its
name.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from connectors.published.arrays import saved, written
from connectors.published.kinds import Segment, events
from connectors.published.tables import Floats, Named, halves, numbered

PICKLED = (
    "ASD is published as pickles, which Watchkeeper does not open; save them with numpy.save as "
    "NAME_train.npy, NAME_test.npy, NAME_test_label.npy"
)


def recordings(source: Path) -> Named:
    """data/processed/omi-N_PART.npy or .csv, one row in five minutes; data/interpretation_label/anomaly_type.txt."""
    folder = source / "data/processed"
    servers = sorted({path.name.removesuffix("_train" + path.suffix) for path in folder.glob("omi-*_train.*")})
    for server in servers:
        train, test = (_matrix(folder / f"{server}_{part}") for part in ("train", "test"))
        names = numbered("m", train.shape[1])
        yield f"{server}.parquet", halves(train, test, _marks(folder, server), names=names, seconds=300)
    if servers:
        yield "anomaly_type.csv", _types(source, servers)


def _marks(folder: Path, server: str) -> Floats:
    return _matrix(folder / f"{server}_test_label", axes=1).ravel()


def _matrix(stem: Path, *, axes: int = 2) -> Floats:
    """The .npy file of this name, else the .csv file, which is always a matrix."""
    array, text, pickled = (stem.with_name(stem.name + suffix) for suffix in (".npy", ".csv", ".pkl"))
    if not array.exists() and not text.exists() and pickled.exists():
        raise ValueError(f"{pickled}: {PICKLED}")
    return written(text) if text.exists() and not array.exists() else saved(array, axes=axes)


def _types(source: Path, servers: list[str]) -> pa.Table:
    """The publisher's list of segments, which names rows of the test part, with a line for each event."""
    listed = pyarrow.csv.read_csv(source / "data/interpretation_label/anomaly_type.txt").to_pylist()
    lines = []
    for server in servers:
        marks = _marks(source / "data/processed", server)
        segments = [_segment(line) for line in listed if line["dataset"] == server]
        lines += [(server, f"{first}-{last}", kind) for first, last, kind in events(marks, segments)]
    names = ("dataset", "anomaly_segment", "anomaly_type")
    return pa.table([pa.array([line[at] for line in lines], pa.string()) for at in range(3)], names=names)


def _segment(line: dict[str, str]) -> Segment:
    first, last = map(int, line["anomaly_segment"].split("-"))
    return first, last, line["anomaly_type"]
