"""How fast the past fades."""


def newest_weight(half_life: float) -> float:
    """Weight of the newest reading in an exponential mean in which a reading weighs half after so many more.

    >>> newest_weight(1.0)
    0.5
    """
    return 1.0 - float(0.5 ** (1.0 / half_life))
