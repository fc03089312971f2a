"""What became of labelled events: found, missed, and alerts about nothing. The demo's table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connectors.base import Alert
from detectors.base import IntArray
from detectors.evaluation.events import events


@dataclass(frozen=True, slots=True)
class Verdict:
    """Counts over the recordings of a pipeline.

    events: runs of rows that the publisher labels anomalous; found: an alert opened inside
    false:  alerts that opened on a row labelled normal
    """

    events: int
    found: int
    false: int

    @property
    def missed(self) -> int:
        """Events in which no alert opened."""
        return self.events - self.found


def judge(labels: Mapping[int, IntArray], alerts: Sequence[Alert]) -> Verdict:
    """Hold alerts against the labels (rows,) of each partition: 1 anomalous, 0 normal, -1 unknown.

    An alert counts where it opened: its first offset is a row number. Silence is judged by nobody's labels.
    """
    total = found = false = 0
    for partition, rows in labels.items():
        opened = [a.first_offset for a in alerts if a.partition == partition and a.kind != "silence"]
        spans = events(rows)
        total += len(spans)
        found += sum(any(first <= row <= last for row in opened) for first, last in spans)
        false += sum(rows[row] == 0 for row in opened)
    return Verdict(total, found, int(false))
