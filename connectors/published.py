"""Benchmarks as their publishers lay them out, written once as recordings in the layout of `suites`."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

Named = Iterator[tuple[str, pa.Table]]

START = np.datetime64("2020-01-01", "us")
"""Where the clock of recordings without one begins."""


def convert(source: Path, into: Path) -> list[Path]:
    """Write the recordings below `source` into the folder `into`, which names the suite: nab, skab, smd or ucr.

    source: the publisher's repository (nab, skab), the folder that holds `train`, `test` and `test_label` (smd), or
            the text files (ucr). Times without a zone are taken as UTC; rows without a time get a row clock.

    Raises ValueError if the suite is none of these, if nothing is found, or if a file cannot be read.
    """
    name = into.resolve().name
    if name not in LAYOUTS:
        raise ValueError(f"{into}: the folder must be named {', '.join(LAYOUTS)}; got {name!r}")
    written = []
    try:
        for recording, table in LAYOUTS[name](source):
            path = into / f"{recording}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path, compression="zstd")
            written.append(path)
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise ValueError(f"cannot read {source} as the publisher of {name} lays it out: {error}") from error
    if not written:
        raise ValueError(f"{source}: no recording is where the publisher of {name} puts it")
    return written


def _nab(source: Path) -> Named:
    """data/FOLDER/SERIES.csv, and the windows by the same names."""
    spans = orjson.loads((source / "labels/combined_windows.json").read_bytes())
    for path in sorted(source.glob("data/*/*.csv")):
        table = pyarrow.csv.read_csv(path)
        times = _utc(table.column("timestamp"))
        at, inside = times.to_numpy(), np.zeros(len(times), np.int8)
        for first, last in spans[f"{path.parent.name}/{path.name}"]:
            inside[(at >= np.datetime64(first)) & (at <= np.datetime64(last))] = 1
        values = table.column("value").cast(pa.float64())
        yield (
            f"{path.parent.name}/{path.stem}",
            pa.table({"timestamp": times, "value": values, "label_window": inside}),
        )


def _skab(source: Path) -> Named:
    """data/GROUP/RUN.csv with semicolons; the run without a fault has no labels. The group names the fault."""
    for path in sorted(source.glob("data/*/*.csv")):
        table = pyarrow.csv.read_csv(path, parse_options=pyarrow.csv.ParseOptions(delimiter=";"))
        times = _utc(table.column("datetime"))
        names = [name for name in table.column_names if name not in ("datetime", "anomaly", "changepoint")]
        sensors = table.select(names).cast(_floats(names)).rename_columns([name.replace(" ", "_") for name in names])
        faulty = "anomaly" in table.column_names
        marks = table.column("anomaly").cast(pa.int8()) if faulty else pa.array(np.zeros(len(table), np.int8))
        found = sensors.add_column(0, "timestamp", times).append_column("label", marks)
        name = f"{path.parent.name}_{path.stem}" if faulty else "anomaly_free"
        yield name, found.replace_schema_metadata({"note": path.parent.name if faulty else "normal operation"})


def _smd(source: Path) -> Named:
    """train, test and test_label, each with MACHINE.txt: numbers with commas, one row a minute."""
    for path in sorted(source.glob("train/*.txt")):
        parts = [_rows(path), _rows(source / "test" / path.name)]
        known = _rows(source / "test_label" / path.name).column(0).cast(pa.int8())
        names = [f"m{number:02d}" for number in range(1, parts[0].num_columns + 1)]
        table = pa.concat_tables([part.rename_columns(names).cast(_floats(names)) for part in parts])
        lengths = [len(part) for part in parts]
        label = pa.chunked_array([pa.nulls(lengths[0], pa.int8()), *known.chunks])
        split = np.repeat(["train", "test"], lengths)
        columns = dict(zip(names, table.columns, strict=True))
        times = _clock(sum(lengths), seconds=60)
        yield path.stem, pa.table({"timestamp": times, **columns, "label": label, "split": split})


def _ucr(source: Path) -> Named:
    """NUMBER_UCR_Anomaly_NAME_TRAIN_BEGIN_END.txt: the anomaly is from row BEGIN to before END, counted from 0."""
    for path in sorted(source.glob("*_UCR_Anomaly_*_*_*_*.txt")):
        name, *bounds = path.stem.split("_UCR_Anomaly_")[1].rsplit("_", 3)
        train, begin, end = map(int, bounds)
        values = np.array(path.read_text().split(), np.float64)
        label = np.zeros(len(values), np.int8)
        label[begin : max(end, begin + 1)] = 1
        split = np.repeat(["train", "test"], [train, len(values) - train])
        times = _clock(len(values), seconds=1)
        yield name, pa.table({"timestamp": times, "value": values, "label": label, "split": split})


LAYOUTS: Mapping[str, Callable[[Path], Named]] = {"nab": _nab, "skab": _skab, "smd": _smd, "ucr": _ucr}


def _rows(path: Path) -> pa.Table:
    return pyarrow.csv.read_csv(path, read_options=pyarrow.csv.ReadOptions(autogenerate_column_names=True))


def _floats(names: list[str]) -> pa.Schema:
    return pa.schema([(name, pa.float64()) for name in names])


def _utc(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.assume_timezone(column.cast(pa.timestamp("us")), "UTC")


def _clock(rows: int, *, seconds: int) -> pa.Array:
    times: NDArray[np.datetime64] = START + np.arange(rows) * np.timedelta64(seconds, "s")
    return pa.array(times, pa.timestamp("us", "UTC"))
