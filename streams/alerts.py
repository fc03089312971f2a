"""Alarms to alerts: open after k of the last m readings, hold, close after n quiet ones."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from detectors.base import BoolArray, FloatArray, IntArray, Scores
from streams.policy import AlertPolicy

OPENED, HIGHER, CLOSED = 0, 1, 2
"""Events: an alert opened; its score is higher than ever since; it closed."""


@dataclass(slots=True)
class PolicyState:
    """Arrays (n, channels): a channel is a kind of the watch, the last one is drift.

    recent:         bits, newest lowest: which of the last readings alarmed
    open:           whether an alert is open
    quiet:          quiet readings in a row
    alarms:         alarms since the first that led to the alert
    started, first: time and offset of that first alarm
    peak:           highest score since it opened
    """

    recent: IntArray
    open: BoolArray
    quiet: IntArray
    alarms: IntArray
    started: IntArray
    first: IntArray
    peak: FloatArray

    @classmethod
    def init(cls, n: int, channels: int) -> "PolicyState":
        """`n` series without alarms."""
        shape = (n, channels)
        whole = [np.zeros(shape, np.int64) for _ in range(5)]
        return cls(whole[0], np.zeros(shape, np.bool_), whole[1], whole[2], whole[3], whole[4], np.zeros(shape))


class Event(NamedTuple):
    """What happened: at which row of the batch, to which channel, and the alarms that led to it."""

    row: int
    channel: int
    what: int
    """OPENED, HIGHER or CLOSED"""
    started: int
    first: int
    alarms: int


def judge(
    policy: AlertPolicy, state: PolicyState, slots: IntArray, times: IntArray, offsets: IntArray, scores: Scores
) -> list[Event]:
    """Walk the scored rows; `state` changes in place."""
    n, channels = len(slots), state.open.shape[1]
    drift = np.full(n, np.nan) if scores.drift is None else scores.drift.statistic
    columns = (scores.score, scores.threshold, scores.alarm, scores.kind, drift)
    memory = (state.recent, state.open, state.quiet, state.alarms, state.started, state.first, state.peak)
    rules = (policy.open_after.alarms, policy.open_after.of, policy.close_after, policy.quiet_below)
    events: list[Event] = []
    out = np.empty((1024, len(Event._fields)), np.int64)
    row, channel = 0, 0
    while row < n:
        row, channel, count = _walk(slots, times, offsets, columns, memory, rules, channels, row, channel, out)
        events += (Event(*event) for event in out[:count].tolist())
    return events


@njit(cache=True, nogil=True)
def _bits(mask: int) -> int:
    count = 0
    while mask:
        mask &= mask - 1
        count += 1
    return count


@njit(cache=True, nogil=True)
def _walk(
    slots: IntArray,
    times: IntArray,
    offsets: IntArray,
    columns: tuple[FloatArray, FloatArray, BoolArray, IntArray, FloatArray],
    memory: tuple[IntArray, BoolArray, IntArray, IntArray, IntArray, IntArray, FloatArray],
    rules: tuple[int, int, int, float],
    channels: int,
    row: int,
    channel: int,
    out: IntArray,
) -> tuple[int, int, int]:
    """Go on from (row, channel) until the end or until `out` is full; where to go on, and the number of events."""
    score, threshold, alarm, kind, drift = columns
    recent, is_open, quiet, alarms, started, first, peak = memory
    need, of, close_after, quiet_below = rules
    window = (1 << of) - 1
    count = 0
    while row < slots.size:
        s = slots[row]
        while channel < channels:
            c = channel
            value, limit = (drift[row], 1.0) if c == channels - 1 else (score[row], threshold[row])
            if np.isnan(value):
                channel += 1
                continue
            if count == len(out):
                return row, channel, count
            channel += 1
            hit = value >= 1.0 if c == channels - 1 else alarm[row] and kind[row] == c
            event = -1
            if hit:
                if not is_open[s, c] and recent[s, c] == 0:
                    started[s, c], first[s, c], alarms[s, c] = times[row], offsets[row], 0
                alarms[s, c] += 1
            recent[s, c] = ((recent[s, c] << 1) | hit) & window
            if not is_open[s, c]:
                if hit and _bits(recent[s, c]) >= need:
                    is_open[s, c], quiet[s, c], peak[s, c] = True, 0, value
                    event = OPENED
            else:
                quiet[s, c] = 0 if hit or value >= quiet_below * limit else quiet[s, c] + 1
                if quiet[s, c] >= close_after:
                    is_open[s, c], recent[s, c] = False, 0
                    event = CLOSED
                elif value > peak[s, c]:
                    peak[s, c] = value
                    event = HIGHER
            if event >= 0:
                out[count, 0], out[count, 1], out[count, 2] = row, c, event
                out[count, 3], out[count, 4], out[count, 5] = started[s, c], first[s, c], alarms[s, c]
                count += 1
        channel = 0
        row += 1
    return row, channel, count
