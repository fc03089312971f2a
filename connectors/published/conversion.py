"""From the folder of a publisher to the folder of a suite."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from connectors.published import aiops_kpi, asd, ferrybox, nab, nasa, skab, smd, tep, ucr
from connectors.published.tables import Named

LAYOUTS: Mapping[str, Callable[[Path], Named]] = {
    "nab": nab.recordings,
    "skab": skab.recordings,
    "smd": smd.recordings,
    "asd": asd.recordings,
    "nasa": nasa.recordings,
    "ucr": ucr.recordings,
    "aiops_kpi": aiops_kpi.recordings,
    "tep": tep.recordings,
    "ferrybox": ferrybox.recordings,
}


def convert(source: Path, into: Path) -> list[Path]:
    """Write the recordings below `source` into the folder `into`, which names the suite; their paths.

    source: a copy of what the publisher hands out; each module of this package says which folder of it, and what
            must lie there. Times without a zone are taken as UTC; rows without a time get a row clock.

    Nothing is unpickled, unpacked or downloaded. Raises ValueError if there is no such suite, if nothing is found, or
    if a file cannot be read or written; what was written before stays.
    """
    suite = into.resolve().name
    if suite not in LAYOUTS:
        raise ValueError(f"{into}: the folder must be named {', '.join(LAYOUTS)}; got {suite!r}")
    written = [_write(table, into / name) for name, table in _read(source, suite)]
    if not written:
        raise ValueError(f"{source}: no recording is where the publisher of {suite} puts it")
    return [path for path in written if path.suffix == ".parquet"]


def _read(source: Path, suite: str) -> Named:
    try:
        yield from LAYOUTS[suite](source)
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise ValueError(f"cannot read {source} as the publisher of {suite} lays it out: {error}") from error


def _write(table: pa.Table, path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".csv":
            pyarrow.csv.write_csv(table, path)
        else:
            pq.write_table(table, path, compression="zstd")
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error}") from error
    return path
