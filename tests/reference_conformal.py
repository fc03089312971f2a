"""The conformal calibrator once more, plainly: one series, one score at a time, Python's own lists."""

from dataclasses import dataclass, field
from math import exp, expm1, isnan, log, log1p, nan

from detectors.conformal import DEEP, HUGE, REACH, TAIL, TINY, Conformal


@dataclass
class PlainConformal:
    """One series."""

    method: Conformal
    held: list[float] = field(default_factory=list)
    level: float = nan
    since: int | None = None
    """readings since the last alarm; None = there was none"""
    episodes: int = 0

    def __post_init__(self) -> None:
        self.level = log(self.method.budget)

    def judge(self, x: float) -> tuple[float, float, bool]:
        """Score, threshold and alarm."""
        if isnan(x):
            return nan, nan, False
        threshold, alarm, most = nan, False, HUGE
        if len(self.held) >= self.method.warm_up:
            threshold, spread = self.threshold(), self.spread()
            alarm = x > threshold
            self.adapt(alarm)
            most = max(self.held) + spread if spread > 0 else HUGE
        self.held = [*self.held, max(min(x, HUGE, most), -HUGE)][-self.method.window :]
        return (nan if isnan(threshold) else x), threshold, alarm

    def spread(self) -> float:
        falling = sorted(self.held, reverse=True)
        k = max(len(falling) // TAIL, 1)
        total = 0.0
        for score in reversed(falling[:k]):  # the smallest first: the order of a sum shows in its last bit
            total += score - falling[k]
        return max(total / k, TINY * abs(falling[0]))

    def threshold(self) -> float:
        expected_above = self.level + log(len(self.held) + 1)
        if expected_above < 0:
            return max(self.held) - self.spread() * expected_above
        return sorted(self.held, reverse=True)[int(exp(expected_above)) - 1]

    def adapt(self, alarm: bool) -> None:
        starts = alarm and (self.since is None or self.since >= self.method.quiet)
        self.since = 0 if alarm else None if self.since is None else self.since + 1
        self.episodes += starts
        step = self.method.gain * (self.method.budget - starts)
        edge = -log(self.method.window + 1)
        self.level = min(level_at(control_of(self.level, edge) + step, edge), -log(self.method.quiet + 1))


def control_of(level: float, edge: float) -> float:
    """What the budget moves: ln a, but below the edge of the sample the logarithm of how far."""
    return level if level >= edge else edge - log1p(REACH * (edge - level)) / REACH


def level_at(control: float, edge: float) -> float:
    """The inverse."""
    return control if control >= edge else max(edge - expm1(REACH * (edge - control)) / REACH, -DEEP)
