"""aiokafka's fetcher on undecoded record batches: what it fetched of a partition is one slice, not many records."""

from collections.abc import Iterator
from types import FunctionType, MethodType
from typing import Any

import aiokafka.consumer.fetcher as fetching

from streams.batches import Slice, take


class _Fetched:
    """Stands where aiokafka's MemoryRecords stands: holds the fetched bytes and parses nothing."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def size_in_bytes(self) -> int:
        return len(self.data)

    def has_next(self) -> bool:
        size = len(self.data)
        return size >= 12 and size >= 12 + int.from_bytes(self.data[8:12], "big")


class _Partition(fetching.PartitionRecords):  # type: ignore[misc]
    """Yields one slice in place of the records of a fetch. Also an empty one: the commit must pass control batches."""

    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[Slice]:
        committed = self._isolation_level == fetching.READ_COMMITTED
        aborted = self._aborted_transactions if committed else None
        topic, partition = self._tp
        slice_ = take(topic, partition, self._records.data, self.next_fetch_offset, aborted)
        self.next_fetch_offset = slice_.last + 1
        if slice_.last >= slice_.first:
            yield slice_


def use_slices(fetcher: Any, topic: str) -> None:
    """Give this one fetcher its own method with two names bound anew; no module is changed."""
    method = fetching.Fetcher._proc_fetch_request
    assert {"MemoryRecords", "PartitionRecords"} <= set(method.__code__.co_names)

    def partition_records(tp: Any, records: _Fetched, *arguments: Any) -> Any:
        if tp.topic == topic:
            return _Partition(tp, records, *arguments)
        return fetching.PartitionRecords(tp, fetching.MemoryRecords(records.data), *arguments)

    names = {**method.__globals__, "MemoryRecords": _Fetched, "PartitionRecords": partition_records}
    bound = FunctionType(method.__code__, names, None, method.__defaults__, method.__closure__)
    fetcher._proc_fetch_request = MethodType(bound, fetcher)
