"""What a worker tells InfluxDB of itself: the measurement `worker`, one point a partition and checkpoint."""

from collections.abc import Mapping

import numpy as np

from connectors.base import Column, Points
from streams.owned import Owned


def worker_points(pipeline: str, owned: Mapping[int, Owned], lags: Mapping[int, int], *, now: int) -> Points:
    """Counts of each partition since its state began, its lag and sizes. The series is TOPIC/PARTITION; now: ns."""
    each = list(owned.values())
    places = [f"{one.partition.topic}/{one.partition.number}".encode() for one in each]
    counts = [one.partition.counts for one in each]
    fields = {
        "records": np.array([count["records"] for count in counts], np.int64),
        "readings": np.array([count["accepted"] for count in counts], np.int64),
        "rejects": np.array([sum(n for name, n in count.items() if name.startswith("rejected.")) for count in counts]),
        "offset": np.array([one.partition.offset for one in each], np.int64),
        "lag": np.array([lags[number] for number in owned], np.int64),
        "series_known": np.array([len(one.partition.series.names) for one in each], np.int64),
        "state_bytes": np.array([one.partition.size for one in each], np.int64),
        "snapshot_bytes": np.array([one.snapshot_bytes for one in each], np.int64),
    }
    return Points("worker", {"pipeline": pipeline}, Column.of(places), np.full(len(each), now), fields)
