"""What can be said of a record before it is parsed: no value, too large, a key that cannot name a series."""

import numpy as np

from connectors.base import Column, IntArray, Records
from connectors.octets import octets
from streams.decode.octets import not_utf8
from streams.decode.readings import Reject


def screen(records: Records, *, max_bytes: int, max_name: int, keyed: bool) -> tuple[IntArray, list[Reject]]:
    """Rows of the records worth parsing, and a reject for each of the others. `keyed`: the key names the series."""
    lengths = records.values.ends - records.values.starts
    reasons = np.select([lengths < 0, lengths == 0, lengths > max_bytes], [1, 2, 3], 0)
    if keyed:
        reasons = np.where(reasons, reasons, _keys(records.keys, max_name))
    good, bad = np.flatnonzero(reasons == 0), np.flatnonzero(reasons)
    return good, [_reject(records, int(row), int(reasons[row])) for row in bad]


def _keys(keys: Column, max_name: int) -> IntArray:
    lengths = keys.ends - keys.starts
    bad = np.zeros(len(keys), np.int8)
    not_utf8(octets(keys.data), np.ascontiguousarray(keys.starts), np.ascontiguousarray(keys.ends), bad)
    return np.select([lengths <= 0, lengths > max_name, bad > 0], [4, 5, 6], 0)


def _reject(records: Records, row: int, reason: int) -> Reject:
    size = int(records.values.ends[row] - records.values.starts[row])
    named = (
        ("tombstone", ""),
        ("empty", ""),
        ("too_large", f"{size} bytes"),
        ("missing_series", "the record has no key"),
        ("name_too_long", f"the key has {int(records.keys.ends[row] - records.keys.starts[row])} bytes"),
        ("invalid_utf8", "the key"),
    )
    return Reject(row, -1, *named[reason - 1])
