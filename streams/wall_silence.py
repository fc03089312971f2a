"""Silence by the wall clock: of series that are not heard, while the log clock stands still and cannot know it yet."""

from collections.abc import Sequence
from typing import Any

import msgspec

from connectors.base import Alert
from streams.book import SILENCE, AlertBook
from streams.series import SeriesTable


class WallSilence:
    """Alerts that were raised by the wall clock, until the log clock raises the same one, or the series is heard again.

    The log clock usually follows, with the same id. It does not where the records were only held up on their way, and
    come with the times at which they were made: then such an alert is closed here. It is written down before it is
    told, so that a worker that is killed in between still knows what to close.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Alert]] = {}
        self._untold: list[str] = []

    def note(self, slot: int, alert: Alert) -> bool:
        """Whether this alert is new."""
        if alert.id in self._known:
            return False
        self._known[alert.id] = (slot, alert)
        self._untold.append(alert.id)
        return True

    def take_untold(self) -> list[Alert]:
        """What is to be told once it is written down."""
        taken, self._untold = [self._known[name][1] for name in self._untold if name in self._known], []
        return taken

    def tell_later(self, alerts: Sequence[Alert]) -> None:
        """These could not be written down."""
        self._untold = [*(alert.id for alert in alerts if alert.id in self._known), *self._untold]

    def settle(self, series: SeriesTable, book: AlertBook) -> list[Alert]:
        """Let go of what the log clock knows by now; what it will never know is closed."""
        closed = []
        for name, (slot, alert) in list(self._known.items()):
            followed = book.open.get((slot, "", SILENCE))
            heard = series.known[slot] and series.name(slot) == alert.series and series.seen.clock[slot] > alert.started
            if name in book.silences_ended or (followed is not None and followed.id == name):
                del self._known[name]
            elif heard or not series.known[slot]:
                del self._known[name]
                closed.append(_closed(alert, int(series.seen.clock[slot]) if heard else alert.opened))
        book.silences_ended.clear()
        return closed

    def dump(self) -> list[Any]:
        """As plain values."""
        return [[slot, msgspec.to_builtins(alert)] for slot, alert in self._known.values()]

    def load(self, dumped: Sequence[Any]) -> None:
        """What a snapshot knew. It may have been told or not: it is told again."""
        alerts = [(int(slot), msgspec.convert(alert, Alert)) for slot, alert in dumped]
        self._known = {alert.id: (slot, alert) for slot, alert in alerts}
        self._untold = list(self._known)


def _closed(alert: Alert, at: int) -> Alert:
    reason = "heard again: its records were held up"
    return msgspec.structs.replace(alert, state="closed", closed=max(at, alert.opened), reason=reason)
