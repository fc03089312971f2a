"""Where a partition starts, as a table."""

import pytest

from streams.start import OtherSource, Start, decide, same_source

LOG = {"first": 100, "end": 200}
COLD = "there is a commit but no snapshot: starting cold at the commit"
DELETED = "records were deleted before they were read"
SHORTER = "the log is shorter than it was: its end was lost"


@pytest.mark.parametrize(
    ("saved", "committed", "start", "expected"),
    [
        (150, None, 0, Start(150, False)),
        (150, 120, 0, Start(150, False)),
        (150, 180, 0, Start(150, False)),
        (100, None, 0, Start(100, False)),
        (200, None, 0, Start(200, False)),
        (60, None, 0, Start(100, False, (60, 99), DELETED)),
        (60, 150, 0, Start(100, False, (60, 99), DELETED)),
        (230, None, 0, Start(200, False, (200, 229), SHORTER)),
        (None, 150, 0, Start(150, True, None, COLD)),
        (None, 60, 0, Start(100, True, (60, 99), COLD)),
        (None, 230, 0, Start(200, True, (200, 229), COLD)),
        (None, None, 0, Start(100, True)),
        (None, None, 150, Start(150, True)),
        (None, None, 999, Start(200, True)),
    ],
)
def test_the_snapshot_wins_over_the_commit_and_what_is_lost_is_named(
    saved: int | None, committed: int | None, start: int, expected: Start
) -> None:
    assert decide(saved=saved, committed=committed, start=start, **LOG) == expected


def test_an_endless_source_has_no_end_to_lose() -> None:
    assert decide(saved=10**9, committed=None, first=0, end=None, start=0) == Start(10**9, False)


def test_offsets_of_another_source_are_refused_with_the_way_out() -> None:
    same_source("topic:a", "topic:a", "p/t/0")
    with pytest.raises(OtherSource, match=r"made of topic:a, but this is topic:b.*watchkeeper snapshots forget p/t/0"):
        same_source("topic:a", "topic:b", "p/t/0")
