"""What the layouts share: text to columns, clocks, and recordings of an unlabelled and a labelled part."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

Named = Iterator[tuple[str, pa.Table]]
"""Files of the suite: their paths in its folder, and what is in them."""

START = np.datetime64("2020-01-01", "us")
"""Where the clock of recordings without one begins."""


def bare(path: Path) -> pa.Table:
    """Numbers with commas, without a line of names."""
    return pyarrow.csv.read_csv(path, read_options=pyarrow.csv.ReadOptions(autogenerate_column_names=True))


def floats(names: Sequence[str]) -> pa.Schema:
    """Columns that a detector may read."""
    return pa.schema([(name, pa.float64()) for name in names])


def utc(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times without a zone, as instants."""
    return pc.assume_timezone(column.cast(pa.timestamp("us")), "UTC")


def clock(rows: int, *, seconds: int) -> pa.Array:
    """Times of rows that have none."""
    times: NDArray[np.datetime64] = START + np.arange(rows) * np.timedelta64(seconds, "s")
    return pa.array(times, pa.timestamp("us", "UTC"))


def numbered(letter: str, count: int) -> list[str]:
    """Names of variables that the publisher only counts, from 1."""
    return [f"{letter}{number:02d}" for number in range(1, count + 1)]


def split(train: int, test: int) -> pa.Array:
    """The column that says where the test part begins."""
    return pa.array(np.repeat(["train", "test"], [train, test])).dictionary_encode()


def halves(train: Floats, test: Floats, marks: Floats, *, names: Sequence[str], seconds: int) -> pa.Table:
    """A recording without a clock: the training part is not labelled, the test part is.

    train, test: (rows, variables), NaN = missing
    marks:       (rows of test,) 1 anomalous, 0 normal
    """
    if not train.shape[1] == test.shape[1] == len(names) or len(marks) != len(test):
        raise ValueError(
            f"the training part has {train.shape[1]} columns, the test part {test.shape[1]}, in {len(test)} rows, "
            f"of which {len(marks)} are labelled"
        )
    values = np.concatenate((train, test))
    columns = {name: pa.array(values[:, at], from_pandas=True) for at, name in enumerate(names)}
    label = pa.concat_arrays([pa.nulls(len(train), pa.int8()), pa.array(marks.astype(np.int8))])
    times = clock(len(values), seconds=seconds)
    return pa.table({"timestamp": times, **columns, "label": label, "split": split(len(train), len(test))})
