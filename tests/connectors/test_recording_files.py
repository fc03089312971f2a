import csv
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.recording_files import Table, labels
from connectors.recordings import Recording

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)

CELLS: list[tuple[pa.DataType, list[Any], list[Any]]] = [
    (pa.float64(), [0.1, None, float("nan"), float("inf"), -1e-300], [0.1, None, None, None, -1e-300]),
    (pa.float32(), [0.1, None], [0.1, None]),
    (pa.float16(), [0.5, None], [0.5, None]),
    (pa.int64(), [2**62 + 1, None, -1], [2**62 + 1, None, -1]),
    (pa.uint64(), [2**64 - 1, 0], [2**64 - 1, 0]),
    (pa.int8(), [1, -1], [1, -1]),
    (pa.bool_(), [True, False], [True, False]),
    (pa.bool_(), [True, None], [True, None]),
    (pa.string(), ['a "b", c', None, "", "ü%s\n"], ['a "b", c', None, "", "ü%s\n"]),
    (pa.dictionary(pa.int32(), pa.string()), ["on", None, "on"], ["on", None, "on"]),
    (pa.decimal128(6, 2), [Decimal("1.25"), None], [1.25, None]),
    (pa.list_(pa.float64()), [[1.5, None], None], [[1.5, None], None]),
    (pa.date32(), [date(2024, 5, 1), None], ["2024-05-01T00:00:00Z", None]),
    (pa.timestamp("s"), [NOON, None], ["2024-05-01T12:00:00Z", None]),
    (pa.timestamp("us", "UTC"), [NOON.replace(microsecond=5)], ["2024-05-01T12:00:00.000005Z"]),
    (pa.timestamp("ms", "Europe/Oslo"), [NOON, NOON.replace(microsecond=7000)],
     ["2024-05-01T12:00:00Z", "2024-05-01T12:00:00.007Z"]),
    (pa.timestamp("ns"), [1714564800000000001, None], ["2024-05-01T12:00:00.000000001Z", None]),
    (pa.null(), [None, None], [None, None]),
]  # fmt: skip


def objects(path: Path, chunk: int = 2) -> list[Any]:
    table = Table(path, time="timestamp", series="series")
    parts = [table.records(at, min(at + chunk, table.rows))[1] for at in range(0, table.rows, chunk)]
    return [json.loads(value or b"") for part in parts for value in part]


@pytest.mark.parametrize(
    ("kind", "cells", "expected"), CELLS, ids=lambda it: str(it) if isinstance(it, pa.DataType) else ""
)
def test_a_cell_of_any_kind_is_its_json(
    tmp_path: Path, kind: pa.DataType, cells: list[Any], expected: list[Any]
) -> None:
    path = tmp_path / "100% p.parquet"
    pq.write_table(pa.table({'%s "x"': pa.array(cells, kind)}), path)
    assert objects(path) == [{'%s "x"': cell, "series": "100% p"} for cell in expected]


def test_bytes_are_refused_by_the_columns_name(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [b"\xff"]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="column image holds bytes"):
        objects(tmp_path / "a.parquet")


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y,x\n1,2,3\n")
    with pytest.raises(ValueError, match="every column needs a name of its own; got x, y, x"):
        objects(tmp_path / "a.csv")


texts = st.text("ab,\"'; \nü%{}", min_size=1).filter(str.strip)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(numbers, texts), min_size=1))
def test_whatever_a_csv_quotes_is_read_back(cells: list[tuple[float, str]]) -> None:
    with TemporaryDirectory() as folder, (path := Path(folder, "a.csv")).open("w", newline="") as file:
        csv.writer(file).writerows([("x", "said"), *cells])
        file.flush()
        found = objects(path)
    assert [(float(row["x"]), row["said"]) for row in found] == cells


def test_quoted_line_breaks_do_not_split_a_large_csv(tmp_path: Path) -> None:
    rows = 100_000
    (tmp_path / "a.csv").write_text("x,said\n" + '1,"a\n\nb, c\nd"\n' * rows)
    assert Table(tmp_path / "a.csv", time="timestamp", series="series").rows == rows


def test_two_files_that_would_name_the_same_series_are_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "pump.csv").write_text("x\n1\n")
    paths = [tmp_path / "a" / "pump.csv", tmp_path / "b" / "pump.csv"]
    with pytest.raises(ValueError, match="several are called pump; rename them"):
        Recording(paths, topic="t")
    for at, path in enumerate(paths):
        path.write_text(f"x,series\n1,pump-{at}\n")
    assert Recording(paths, topic="t").bounds(1) == (0, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x,label\n5,1\n5,0\n5,\n", [1, 0, -1]),
        ("x,label\n5,true\n5,false\n", [1, 0]),
        ("x,label_window,label\n5,0,1\n5,1,0\n", [0, 1]),
        ("x,label_point\n5,0\n", None),
    ],
)
def test_labels_are_1_0_or_unknown(tmp_path: Path, text: str, expected: list[int] | None) -> None:
    (tmp_path / "a.csv").write_text(text)
    found = labels(tmp_path / "a.csv")
    assert (None if found is None else found.tolist()) == expected


@pytest.mark.parametrize("text", ["x,label\n1,yes\n", "x,label\n1,2\n", "x,label\n1,0.5\n"])
def test_a_label_that_is_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match="labels must be 1, 0 or null"):
        labels(tmp_path / "a.csv")


def test_a_file_of_lines_has_no_labels(tmp_path: Path) -> None:
    assert labels(tmp_path / "a.jsonl") is None


def test_one_word_among_the_numbers_of_a_csv_does_not_make_words_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "pump.csv"
    path.write_text('timestamp,flow,note\n1,5.25,"12 l"\n2,broken,\n3,-4e2,007\n')
    values = Table(path, time="timestamp", series="series").records(0, 3)[1]
    rows = [json.loads(value or b"") for value in values]
    assert [row["flow"] for row in rows] == [5.25, "broken", -400.0]
    assert [row["note"] for row in rows] == ["12 l", None, "007"]
