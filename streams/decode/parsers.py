"""msgspec decoders of one kind of record: many joined, or one alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from connectors.base import BoolArray, Column
from streams.decode.octets import joined

FAULTS = (msgspec.MsgspecError, UnicodeError)
Parse = Callable[[bytes], Any]
"""bytes to struct; raises FAULTS"""


def parse(kind: Any) -> Parse:
    """A decoder to this type."""
    return msgspec.json.Decoder(kind).decode


@dataclass(frozen=True, slots=True)
class Parsers:
    """How records of one kind are parsed: many joined, or one alone."""

    many: Parse
    one: Parse

    @classmethod
    def of(cls, kind: Any) -> "Parsers":
        """Parsers of records of this type."""
        return cls(parse(list[kind]), parse(kind))

    def structs(self, values: Column) -> tuple[list[Any], BoolArray | None]:
        """The structs of those values that can be decoded, and which these are; None = all.

        The values must be proven: each is one whole JSON value, if the joined text is JSON at all.
        """
        try:
            structs: list[Any] = self.many(joined(values))
            if len(structs) == len(values):
                return structs, None
        except FAULTS:
            pass
        each = [self._alone(value or b"") for value in values]
        good = np.array([struct is not None for struct in each])
        return [struct for struct in each if struct is not None], good

    def _alone(self, value: bytes) -> Any:
        try:
            return self.one(value)
        except FAULTS:
            return None
