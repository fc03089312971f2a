"""An evaluation as files to keep and to show: a page that needs nothing else, a table and the figures."""

import csv
from collections.abc import Iterator, Mapping
from io import StringIO
from math import isfinite
from pathlib import Path

import orjson

from streams.evaluate import Evaluation
from streams.report.contents import Report
from streams.report.page import page

__all__ = ["Report", "write"]

FIRST = ("recording", "asset", "kinds", "rows", "watch")
"""columns that stand before the figures"""


def write(folder: Path, report: Report) -> list[Path]:
    """Write `figures.json`, `figures.csv` and `report.html` into a folder, which is made if it is not there.

    The page is one file without a script or a link to anywhere else. Raises ValueError if a recording cannot be read
    again for its plot, or the folder cannot be written.
    """
    contents = {
        "figures.json": orjson.dumps(report.figures, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY) + b"\n",
        "figures.csv": table(report.evaluation).encode(errors="backslashreplace"),
        "report.html": page(report).encode(),
    }
    return keep(folder, contents)


def keep(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Write files into a folder, which is made if it is not there. Raises ValueError if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise ValueError(f"cannot write the report into {folder}: {error}; name another folder") from error
    return [folder / name for name in contents]


def table(evaluation: Evaluation) -> str:
    """CSV (RFC 4180) with a line for each recording and watch; a figure that is not defined is an empty cell."""
    names = list(dict.fromkeys(name for one in evaluation.judged for name in one.figures))
    text = StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow([*FIRST, *names])
    lines.writerows(_lines(evaluation, names))
    return text.getvalue()


def _lines(evaluation: Evaluation, names: list[str]) -> Iterator[list[str]]:
    for one in evaluation.judged:
        of = one.recording
        values = [one.figures.get(name) for name in names]
        cells = ["" if value is None or not isfinite(value) else repr(float(value)) for value in values]
        yield [of.name, of.asset, "; ".join(of.kinds), str(len(of.labels)), one.watch, *cells]
