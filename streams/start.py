"""Where a partition starts: the snapshot's offset, the committed one, or what the configuration says."""

from typing import Literal, NamedTuple

Position = Literal["earliest", "latest"] | int
"""of a first start; an integer is a time, ns since 1970"""


class Start(NamedTuple):
    """The next offset to read.

    cold: there is no state to go on with
    lost: first and last offset that can no longer be read, None = nothing is lost
    note: what an operator should know, empty = nothing out of the ordinary
    """

    offset: int
    cold: bool
    lost: tuple[int, int] | None = None
    note: str = ""


class OtherSource(ValueError):
    """The snapshot belongs to another cluster, topic or recording."""


def decide(*, saved: int | None, committed: int | None, first: int, end: int | None, start: int) -> Start:
    """The start of a partition that can be read from `first` up to, but not including, `end` (None = unknown).

    saved:     next offset by the snapshot; it wins over the commit, since it belongs to the state
    committed: next offset by the commit
    start:     the offset that the configuration asks for on a first start
    """
    if saved is None and committed is None:
        return Start(min(max(start, first), end if end is not None else start), True)
    wanted = saved if saved is not None else committed
    assert wanted is not None
    cold = saved is None
    note = "there is a commit but no snapshot: starting cold at the commit" if cold else ""
    if wanted < first:
        return Start(first, cold, (wanted, first - 1), note or "records were deleted before they were read")
    if end is not None and wanted > end:
        return Start(end, cold, (end, wanted - 1), note or "the log is shorter than it was: its end was lost")
    return Start(wanted, cold, None, note)


def same_source(saved: str, now: str, name: str) -> None:
    """Raise OtherSource unless the snapshot was made of this source."""
    if saved != now:
        raise OtherSource(
            f"the snapshot of {name} was made of {saved}, but this is {now}; offsets of one mean nothing in the other. "
            f"To start afresh: watchkeeper snapshots forget {name}"
        )
