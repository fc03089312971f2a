"""Numbers and times that are written as plain text, as in CSV and line protocol."""

import math
import re

_INTEGER = re.compile(r"[+-]?\d++", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE | re.ASCII)


def number(text: str) -> tuple[float, str]:
    """The number that a text writes, and "" or the reason why it is none."""
    if _NUMBER.fullmatch(text):
        value = float(text)
        return (value, "") if math.isfinite(value) else (math.nan, "not_finite")
    return math.nan, "not_finite" if _NOT_FINITE.fullmatch(text) else "wrong_type"


def time(text: str) -> int | float | str | None:
    """A time as the number it writes, or as the text it is; None if there is none."""
    if _INTEGER.fullmatch(text) and len(text) < 400:
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text or None
