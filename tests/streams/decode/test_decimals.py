"""Numbers of the kernel are Python's floats, bit for bit, or it says that it is not certain."""

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numba import njit

from connectors.octets import octets
from streams.decode.decimals import nearest, number

WRITTEN = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers().map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=9).map(str),
    st.builds("{}.{}e{}".format, st.integers(-(10**17), 10**17), st.integers(0, 999), st.integers(-320, 320)),
    # halfway between two floats, and a hair beside
    st.builds("{}{}".format, st.integers(1 << 53, 1 << 54), st.sampled_from(["", ".0", ".5", ".00001"])),
)


@njit
def _read(b: Any) -> tuple[int, float, bool]:
    end, mantissa, power, flags = number(b, 0)
    if end < 0:
        return end, 0.0, False
    value, certain = nearest(mantissa, power, flags)
    return end, value, certain


def read(text: str) -> tuple[int, float, bool]:
    return _read(octets(text.encode() + b"}"))  # type: ignore[no-any-return]


@settings(deadline=None, max_examples=1000)
@given(WRITTEN)
@example("9007199254740993")
@example("-0.0")
@example("0.00012345678901234567")
def test_a_number_is_the_nearest_float(text: str) -> None:
    text = text.replace("E+", "e").lower()
    end, value, certain = read(text)
    assert end == len(text)
    if certain:
        # an integer is read as one, so that -0 is 0
        expected = float(text) if set(text) & set(".e") else float(int(text))
        assert struct.pack("d", value) == struct.pack("d", expected)


@given(st.floats(1e-270, 1e250))
def test_it_is_certain_of_what_python_writes(value: float) -> None:
    assert read(repr(value)) == (len(repr(value)), value, True)


@pytest.mark.parametrize(
    "text", ["1e400", "1e99999999999999999999", "5e-324", "123456789012345678901", "1" + "0" * 400]
)
def test_it_is_not_certain_of_the_very_long_the_huge_and_the_tiny(text: str) -> None:
    assert read(text)[2] is False


@pytest.mark.parametrize("text", ["", "-", "+1", ".5", "1.", "1.e5", "1e", "1e+", "NaN", "Infinity", "-x", '"1"'])
def test_what_is_no_json_number(text: str) -> None:
    assert read(text)[0] == -1


@pytest.mark.parametrize(("text", "end"), [("01", 1), ("1.5.5", 3), ("-00", 2), ("1e5e5", 3)])
def test_it_stops_where_the_number_ends(text: str, end: int) -> None:
    assert read(text)[0] == end


def test_the_bits_are_those_of_the_typed_decoder() -> None:
    rng = np.random.default_rng(7)
    bits = rng.integers(0, 1 << 63, 20_000, dtype=np.uint64).view(np.float64)
    values = bits[np.isfinite(bits)].tolist()
    wrong = [v for v in values if (got := read(repr(v)))[2] and got[1] != v]
    assert wrong == []
