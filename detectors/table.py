"""Structs of arrays: take, put, grow, dump and load, written once for the state of every method.

A state is a dataclass whose fields are arrays with the series as first axis, other states, tuples of states, or None.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors.base import IntArray

S = TypeVar("S")
Array = NDArray[Any]


def _map(fn: Callable[..., Array], first: Any, *others: Any) -> Any:
    """A state of the same form whose arrays are `fn` of the corresponding arrays."""
    if first is None:
        return None
    if isinstance(first, np.ndarray):
        return fn(first, *others)
    if isinstance(first, tuple):
        return tuple(_map(fn, *members) for members in zip(first, *others, strict=True))
    if not is_dataclass(first) or isinstance(first, type):
        raise TypeError(f"a state holds arrays, states, tuples of states or None; got {type(first).__name__}")
    names = [f.name for f in fields(first)]
    return type(first)(*(_map(fn, *(getattr(state, name) for state in (first, *others))) for name in names))


def take(state: S, rows: IntArray) -> S:
    """A copy of these rows."""
    return _map(lambda a: a[rows], state)  # type: ignore[no-any-return]


def put(state: S, rows: IntArray, part: S) -> None:
    """Overwrite these rows with those of `part`, in place."""

    def overwrite(into: Array, other: Array) -> Array:
        into[rows] = other
        return into

    _map(overwrite, state, part)


def grow(state: S, more: S) -> S:
    """A state with the rows of `more` behind those of `state`."""
    return _map(lambda a, b: np.concatenate([a, b]), state, more)  # type: ignore[no-any-return]


def copy(state: S) -> S:
    """A state that shares no memory with this one."""
    return _map(lambda a: a.copy(), state)  # type: ignore[no-any-return]


def dump(state: object, prefix: str = "") -> dict[str, Array]:
    """Named arrays; the names are the paths of the fields, joined by dots. Shares memory with the state."""
    if state is None:
        return {}
    if isinstance(state, np.ndarray):
        return {prefix: state}
    if isinstance(state, tuple):
        members = [(str(i), member) for i, member in enumerate(state)]
    else:
        members = [(f.name, getattr(state, f.name)) for f in fields(state)]  # type: ignore[arg-type]
    named: dict[str, Array] = {}
    for name, member in members:
        named |= dump(member, f"{prefix}.{name}" if prefix else name)
    return named


def load(like: S, named: Mapping[str, Array]) -> S:
    """A state of the form of `like` with the arrays of a dump.

    Raises ValueError where an array is absent, or differs from `like` in type or in any axis but the first.
    """
    wanted = dump(like)
    if absent := sorted(wanted.keys() ^ named.keys()):
        raise ValueError(f"these arrays are in the saved or in the expected state only: {', '.join(absent)}")
    for name, array in wanted.items():
        saved = named[name]
        if saved.dtype != array.dtype or saved.shape[1:] != array.shape[1:]:
            came, allowed = f"{saved.dtype}{saved.shape[1:]}", f"{array.dtype}{array.shape[1:]}"
            raise ValueError(f"{name} was saved as {came}, expected {allowed}")
    arrays = iter(np.array(named[name], order="C") for name in wanted)
    return _map(lambda _: next(arrays), like)  # type: ignore[no-any-return]


def size(state: object) -> int:
    """Bytes in all arrays together."""
    return sum(array.nbytes for array in dump(state).values())
