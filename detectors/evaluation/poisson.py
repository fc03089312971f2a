"""What a count says about the expectation behind it."""

from scipy.special import gammaincinv

TAILS = (0.025, 0.975)


def poisson(count: int) -> tuple[float, float]:
    """The exact 95 % interval of the mean of which a count came (Garwood 1936).

    >>> [round(bound, 2) for bound in poisson(0)], [round(bound, 2) for bound in poisson(100)]
    ([0.0, 3.69], [81.36, 121.63])
    """
    low, high = TAILS
    return float(gammaincinv(count, low)) if count else 0.0, float(gammaincinv(count + 1, high))
