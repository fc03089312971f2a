"""Drifts that the SPRT finds in the normal parts of real recordings, beside those that it promises at most.

`python -m tests.benchmarks.drift_recordings` reads ../shared/data/{smd,asd,aiops_kpi} as far as they are there: of SMD
and ASD the training half, of the service KPIs all rows that are not labelled. Such rows still hold lasting changes,
which nobody labelled: not every drift there is a false one.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from detectors.base import Batch, FloatArray
from detectors.gaussian import Gaussian
from detectors.sprt import SPRT

DATA, SUITES = Path("../shared/data"), ("smd", "asd", "aiops_kpi")

TESTS: Mapping[str, SPRT] = {
    "score": SPRT(),
    "score, widen 1": SPRT(widen=1.0),
    "score, 0.2 to 0.4": SPRT(p_null=0.2, p_alt=0.4, alpha=0.02),
    "score, 0.2 to 0.4, widen 1": SPRT(p_null=0.2, p_alt=0.4, alpha=0.02, widen=1.0),
    "residual": SPRT(input="residual"),
    "residual, widen 1": SPRT(input="residual", widen=1.0),
    "residual, majority, widen 1": SPRT(input="residual", rule="majority", widen=1.0),
    "likelihood": SPRT(input="likelihood", window=10, warm_up=50),
    "likelihood, widen 1": SPRT(input="likelihood", window=10, warm_up=50, widen=1.0),
}


def normal(path: Path) -> FloatArray:
    """The readings (rows, d) that have no label, or, where all have one, that are not labelled anomalous."""
    columns = pq.read_table(path)
    label = columns["label"].to_numpy(zero_copy_only=False).astype(float)
    names = [name for name in columns.column_names if not name.startswith(("timestamp", "label", "split"))]
    values = np.column_stack([columns[name].to_numpy(zero_copy_only=False).astype(float) for name in names])
    unlabelled = np.isnan(label)
    return np.ascontiguousarray(values[unlabelled if unlabelled.any() else label == 0])


def drifts(values: FloatArray) -> dict[str, int]:
    """How many drifts each test finds behind a z-score."""
    n, d = values.shape
    batch = Batch(np.zeros(n, np.int64), np.arange(n), values)
    gaussian = Gaussian()
    scores = gaussian.update(gaussian.init(1, (d,)), batch)
    states = {name: test.init(1, (d,)) for name, test in TESTS.items()}
    return {name: int((test.update(states[name], batch, scores).statistic >= 1).sum()) for name, test in TESTS.items()}


def main() -> None:
    for suite in SUITES:
        recordings = [normal(path) for path in sorted((DATA / suite).glob("*.parquet"))]
        if not recordings:
            print(f"\n{suite}: not there, skipped")
            continue
        found = [drifts(values) for values in recordings]
        readings, cells = (sum(count) for count in zip(*((len(v), v.size) for v in recordings), strict=True))
        print(
            f"\n{suite}: {readings} normal readings\n{'':30} {'drifts':>8} {'promised':>9} {'times':>8}  by recording"
        )
        for name, test in TESTS.items():
            counts = [one[name] for one in found]
            promised = test.false_drifts * (cells if test.input == "residual" else readings)
            print(f"{name:30} {sum(counts):8} {promised:9.1f} {sum(counts) / promised:8.1f}  {counts}")


if __name__ == "__main__":
    main()
