"""JSON numbers in kernels: the grammar, and the nearest 64-bit float where that is certain."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from connectors.octets import Octets

LOWEST, HIGHEST = -290, 290
"""powers of ten for which the product below stays a normal float"""

NEGATIVE, FLOAT, LONG = 1, 2, 4


def _powers_of_five() -> NDArray[np.uint64]:
    """(581, 2) the first 128 bits of 5**q, q from LOWEST to HIGHEST; rounded up below q = 0, cut off above."""
    rows = []
    for q in range(LOWEST, HIGHEST + 1):
        power = 5 ** abs(q)
        inverse = (1 << (power.bit_length() + 127)) // power + 1
        bits = power << 128 >> power.bit_length() if q >= 0 else inverse
        rows.append((bits >> 64, bits & 0xFFFFFFFFFFFFFFFF))
    return np.array(rows, np.uint64)


POWERS_OF_FIVE = _powers_of_five()
POWERS_OF_TEN = np.array([10.0**k for k in range(23)])

ZERO, ONE, TEN, MASK32 = np.uint64(0), np.uint64(1), np.uint64(10), np.uint64(0xFFFFFFFF)
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@njit(cache=True, nogil=True)
def number(b: Octets, p: int) -> tuple[int, np.uint64, int, int]:
    """The JSON number at p: (end, mantissa, power of ten, flags); end -1 = no number.

    NEGATIVE; FLOAT = it has a point or an exponent; LONG = more than 19 digits or a huge exponent, so that the mantissa
    means nothing. What follows the number must be a byte that cannot belong to it.
    """
    flags, digits, power = 0, 0, 0
    mantissa = ZERO
    if b[p] == 45:
        flags = NEGATIVE
        p += 1
    if b[p] == 48:
        p += 1
    elif 49 <= b[p] <= 57:
        while 48 <= b[p] <= 57:
            mantissa = mantissa * TEN + np.uint64(b[p] - 48)
            digits += 1
            p += 1
    else:
        return -1, mantissa, 0, 0
    if b[p] == 46:
        flags |= FLOAT
        first = p + 1
        p = first
        while 48 <= b[p] <= 57:
            mantissa = mantissa * TEN + np.uint64(b[p] - 48)
            digits += 1 if digits > 0 or b[p] != 48 else 0
            p += 1
        if p == first:
            return -1, mantissa, 0, 0
        power = first - p
    if b[p] == 101 or b[p] == 69:
        p, exponent = _exponent(b, p + 1)
        flags |= FLOAT
        if p < 0:
            return -1, mantissa, 0, 0
        power += exponent
        if exponent < -9999 or exponent > 9999:
            flags |= LONG
    if digits > 19:
        flags |= LONG
    return p, mantissa, power, flags


@njit(cache=True, nogil=True)
def _exponent(b: Octets, p: int) -> tuple[int, int]:
    """The exponent at p, behind its e: (end, exponent, no longer exact beyond 10,000); end -1 = none."""
    negative = b[p] == 45
    if negative or b[p] == 43:
        p += 1
    first, exponent = p, 0
    while 48 <= b[p] <= 57:
        exponent = exponent * 10 + b[p] - 48 if exponent < 10_000 else exponent
        p += 1
    if p == first:
        return -1, 0
    return p, -exponent if negative else exponent


@njit(cache=True, nogil=True)
def nearest(mantissa: np.uint64, power: int, flags: int) -> tuple[float, bool]:
    """The 64-bit float nearest to a number, as `float()` has it; False = not certain, take another way."""
    if flags & LONG:
        return 0.0, False
    if mantissa == ZERO:
        return (-0.0 if flags == NEGATIVE | FLOAT else 0.0), True
    if mantissa <= np.uint64(1 << 53) and -22 <= power <= 22:
        short = float(mantissa)
        value = short * POWERS_OF_TEN[power] if power >= 0 else short / POWERS_OF_TEN[-power]
    else:
        value, certain = _rounded(mantissa, power)
        if not certain:
            return 0.0, False
    return (-value if flags & NEGATIVE else value), True


@njit(cache=True, nogil=True)
def _product(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """The upper and lower 64 bits of a * b."""
    low_a, high_a, low_b, high_b = a & MASK32, a >> np.uint64(32), b & MASK32, b >> np.uint64(32)
    low = low_a * low_b
    middle = high_a * low_b + (low >> np.uint64(32))
    other = low_a * high_b + (middle & MASK32)
    return high_a * high_b + (middle >> np.uint64(32)) + (other >> np.uint64(32)), a * b


@njit(cache=True, nogil=True)
def _rounded(mantissa: np.uint64, power: int) -> tuple[float, bool]:
    """The float nearest to mantissa * 10**power, by one or two 64-bit products with a table of powers of five.

    D. Lemire, "Number parsing at a gigabyte per second", Software: Practice and Experience 51 (2021), algorithm 1.
    """
    if power < LOWEST or power > HIGHEST - 20:
        return 0.0, False
    zeros = 0
    for step in (32, 16, 8, 4, 2, 1):
        if mantissa >> np.uint64(64 - step) == ZERO:
            mantissa <<= np.uint64(step)
            zeros += step
    high, low = _product(mantissa, POWERS_OF_FIVE[power - LOWEST, 0])
    if high & np.uint64(0x1FF) == np.uint64(0x1FF):
        more, _ = _product(mantissa, POWERS_OF_FIVE[power - LOWEST, 1])
        low += more
        if low < more:
            high += ONE
    if low == ALL and (power < -27 or power > 55):
        return 0.0, False
    upper = 1 if high >> np.uint64(63) else 0
    shift = np.uint64(upper + 9)
    bits = high >> shift
    if low <= ONE and -4 <= power <= 23 and bits & np.uint64(3) == ONE and bits << shift == high:
        bits -= ONE
    bits = (bits + (bits & ONE)) >> ONE
    exponent = ((217706 * power) >> 16) + 63 + upper - zeros
    return math.ldexp(float(bits), exponent - 52), True
