"""Which kinds of anomaly the publisher names for each event."""

from collections.abc import Iterator, Sequence

import numpy as np

from connectors.published.tables import Floats

Segment = tuple[int, int, str]
"""First and last row, and the kind of anomaly in them."""


def events(marks: Floats, segments: Sequence[Segment]) -> Iterator[Segment]:
    """Each run of labelled rows, with the kinds of the listed segments in it.

    Segments that overlap or touch are one event, so that there are as many kinds as events. It is of the kinds of all
    of them: metric-temporal and temporal make metric-temporal. A run that no segment touches has none.
    """
    edges = np.flatnonzero(np.diff(np.r_[0, marks != 0, 0]))
    for first, last in zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True):
        found = {word for low, high, kind in segments if low <= last and high >= first for word in kind.split("-")}
        yield first, last, "-".join(sorted(found))
