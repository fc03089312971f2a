"""Labelled recordings of public benchmarks: where each begins to count, and to which slice it belongs."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.base import IntArray
from connectors.recording_files import HIDDEN, event_kinds, labels, numbers, open_file

DAY = 86_400 * 10**9
"""ns"""

SKAB_BEGIN = 400
"""Rows that its publisher trains on: normal in every run but one, whose fault begins at row 104."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A recording, and what its publisher says about it.

    name:         unique within its suite
    variables:    the columns that a detector may read, in the file's order
    labels:       (rows,) 1 anomalous, 0 normal, -1 unknown
    begin:        first row that counts: of the test part, or after a probation
    suite:        that it belongs to; empty = none
    asset:        what was measured, a slice of the report
    kinds:        of its anomalies, where the publisher names them: slices of the report
    event_kinds:  of each run of anomalous rows, in their order; empty = all of the one in `kinds`, or not known
    rows_per_day: None = the sampling is not known, so nothing can be said per day
    """

    name: str
    path: Path
    variables: tuple[str, ...]
    labels: IntArray
    begin: int
    asset: str
    kinds: tuple[str, ...] = ()
    event_kinds: tuple[str, ...] = ()
    rows_per_day: float | None = None
    suite: str = ""


def load(folder: Path) -> list[Labelled]:
    """The recordings of a suite in the order of their names; a suite is named by its folder.

    Raises ValueError if no suite has this name, if the folder holds no recording, or if one cannot be read.
    """
    name = folder.resolve().name
    if name not in SUITES:
        raise ValueError(f"{folder}: no suite is called {name!r}; there are {', '.join(SUITES)}. Rename the folder")
    try:
        found = [replace(one, suite=name) for one in SUITES[name](folder)]
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"cannot read suite {folder}: {error}") from error
    if not found:
        raise ValueError(f"{folder}: suite {name} expects .parquet files, and there is none")
    return found


def own(path: Path) -> Labelled:
    """Anybody's CSV or Parquet file with a column `label`, whose clock is taken to be true.

    A column `label_kind` names the kinds of its anomalies. Raises ValueError.
    """
    names, values = numbers(path)
    known = labels(path)
    if known is None:
        raise ValueError(f"{path}: there is no column `label` (1 anomalous, 0 normal, empty unknown) to judge by")
    kinds = event_kinds(path, known)
    return Labelled(
        name=path.stem, path=path, variables=names, labels=known, begin=_probation(len(values)), asset=path.stem,
        kinds=_distinct(kinds), event_kinds=kinds, rows_per_day=_rows_per_day(path),
    )  # fmt: skip


def nab(folder: Path) -> list[Labelled]:
    """Numenta Anomaly Benchmark: a folder for each origin of series; published scores lie deeper."""
    paths = sorted(folder.glob("*/*.parquet"))
    return [_probed(path, name=f"{path.parent.name}/{path.stem}", asset=path.parent.name) for path in paths]


def skab(folder: Path) -> list[Labelled]:
    """Skoltech water loop: one rig, one induced fault in each run. Some runs repeat rows of others."""
    found = []
    for path in _files(folder):
        note = _note(path)
        kinds = () if note in ("", "normal operation") else (note,)
        found.append(_labelled(path, asset="water loop", begin=SKAB_BEGIN, kinds=kinds, sampled=True))
    return found


def smd(folder: Path) -> list[Labelled]:
    """Server Machine Dataset: an unlabelled and a labelled half of each machine."""
    return [_split(path, asset=path.stem, sampled=True) for path in _files(folder)]


def asd(folder: Path) -> list[Labelled]:
    """Application Server Dataset: as SMD, and the kinds of anomalies in each server."""
    kinds = _asd_kinds(folder / "anomaly_type.csv")
    return [_split(path, asset=path.stem, listed=kinds.get(path.stem, ()), sampled=True) for path in _files(folder)]


def nasa(folder: Path) -> list[Labelled]:
    """Telemetry of two spacecraft, SMAP and MSL, an unlabelled and a labelled part of each channel."""
    found = []
    for path in _files(folder):
        listed = [kind.strip() for kind in _note(path).partition("anomaly kinds:")[2].split(",")]
        found.append(_split(path, asset=path.stem.partition("_")[0], listed=listed))
    return found


def ucr(folder: Path) -> list[Labelled]:
    """UCR anomaly archive: exactly one anomaly each. Series with artefacts added belong to the one they repeat."""
    paths = _files(folder)
    return [_split(path, asset=path.stem.removeprefix("DISTORTED").removeprefix("NOISE")) for path in paths]


def aiops_kpi(folder: Path) -> list[Labelled]:
    """Service indicators of the AIOps 2018 challenge, labelled in both halves."""
    return [_split(path, asset=path.stem, sampled=True) for path in _files(folder)]


def tep(folder: Path) -> list[Labelled]:
    """Tennessee Eastman, simulated: the runs in which a fault sets in at row 160, and a normal one.

    Its training runs are left out: a run that is faulty from its first row says nothing to who learns as it goes.
    """
    found = []
    for path in _files(folder):
        fault, _, part = path.stem.removeprefix("fault").partition("_")
        if part == "test":
            found.append(_probed(path, asset="plant", kinds=(f"fault {int(fault)}",) if int(fault) else ()))
    return found


def ferrybox(folder: Path) -> list[Labelled]:
    """FerryBox of a research ship, four events, the first of them on the first day: every row counts."""
    return [_labelled(path, asset=path.stem, begin=0, sampled=True) for path in _files(folder)]


SUITES: Mapping[str, Callable[[Path], list[Labelled]]] = {
    suite.__name__: suite for suite in (nab, skab, smd, asd, nasa, ucr, aiops_kpi, tep, ferrybox)
}


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def _probed(path: Path, *, asset: str, name: str = "", kinds: tuple[str, ...] = ()) -> Labelled:
    """A recording without a training part."""
    begin = _probation(pq.read_metadata(path).num_rows)
    return _labelled(path, name=name, asset=asset, begin=begin, kinds=kinds, sampled=True)


def _probation(rows: int) -> int:
    """First rows that do not count where there is no training part: 15 %, 750 at most, as NAB has it."""
    return min(rows * 15 // 100, 750)


def _split(path: Path, *, asset: str, listed: Sequence[str] = (), sampled: bool = False) -> Labelled:
    """A recording whose column `split` says where the test part begins, which reaches to its end.

    listed: kinds of its anomalies, in their order
    """
    parts = pq.read_table(path, columns=["split"]).column("split").cast(pa.string())
    tested = pc.fill_null(pc.equal(parts, "test"), False).to_numpy()
    begin = int(np.argmax(tested)) if tested.any() else 0
    if not tested[begin:].all():
        raise ValueError(f"{path}: rows of column split must be 'test' from some row to the end, and are not")
    one = _labelled(path, asset=asset, begin=begin, kinds=_distinct(listed), sampled=sampled)
    return replace(one, event_kinds=tuple(listed)) if len(set(listed)) > 1 else one


def _labelled(
    path: Path, *, asset: str, begin: int, name: str = "", kinds: tuple[str, ...] = (), sampled: bool = False
) -> Labelled:
    """sampled: the publisher names the sampling, so that the times of the file are true to it."""
    known = labels(path)
    if known is None:
        raise ValueError(f"{path}: a recording of a suite needs a column label or label_window; it has neither")
    columns = pq.read_schema(path).names
    return Labelled(
        name=name or path.stem,
        path=path,
        variables=tuple(column for column in columns if column != "timestamp" and not column.startswith(HIDDEN)),
        labels=known,
        begin=begin,
        asset=asset,
        kinds=kinds,
        rows_per_day=_rows_per_day(path) if sampled else None,
    )


def _rows_per_day(path: Path) -> float | None:
    """By the median step, which gaps and clock changes do not move; None if there is none above 0."""
    steps = np.diff(open_file(path, time="timestamp", series="series").times)
    step = np.median(steps) if len(steps) else 0
    return float(DAY / step) if step > 0 else None


def _note(path: Path) -> str:
    """What the publisher says about this file; empty where it says nothing."""
    metadata: Mapping[bytes, bytes] = pq.read_schema(path).metadata or {}
    return metadata.get(b"note", b"").decode()


def _asd_kinds(path: Path) -> dict[str, tuple[str, ...]]:
    """Server -> kinds of its anomalies, in their order; empty where the publisher's list is absent."""
    if not path.exists():
        return {}
    with path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    names = {row["dataset"] for row in rows}
    return {name: tuple(row["anomaly_type"] for row in rows if row["dataset"] == name) for name in names}


def _distinct(kinds: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({kind for kind in kinds if kind}))
