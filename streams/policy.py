"""When alerts open and close: the configuration of the alert policy."""

import msgspec


class OpenAfter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many alarms among the last so many readings of a series open an alert."""

    alarms: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.alarms <= self.of <= 62:
            raise ValueError(f"open_after needs 1 <= alarms <= of <= 62; got alarms = {self.alarms}, of = {self.of}")


class AlertPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an alert opens and closes. One policy for all watches of a pipeline.

    open_after:  alarms among the last readings of a series
    close_after: quiet readings in a row
    quiet_below: share of the threshold; a reading that does not alarm but scores above it is not quiet (hysteresis)
    """

    open_after: OpenAfter = OpenAfter()
    close_after: int = 30
    quiet_below: float = 0.8

    def __post_init__(self) -> None:
        if self.close_after < 1:
            raise ValueError(f"close_after must be at least 1 reading; got {self.close_after}")
        if not 0 < self.quiet_below <= 1:
            raise ValueError(f"quiet_below must lie in (0, 1]; got {self.quiet_below}")
