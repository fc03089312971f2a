"""A dead letter as a Kafka record: the original bytes, and the rest in headers."""

from typing import NamedTuple

import msgspec

from connectors.base import DeadLetter
from connectors.kafka.producing import Headers, Message

KEPT = 1024
"""bytes of a value, and of a key, that stay of a letter too large for the topic"""

_NUMBERS = {
    "source_partition": "partition", "source_offset": "offset", "index": "index", "time": "time", "attempt": "attempt",
}  # fmt: skip
_TEXTS = {"pipeline": "pipeline", "source_topic": "topic", "reason": "reason", "message": "detail"}


class Stored(NamedTuple):
    """A letter as it stands in the topic. `cut`: bytes its value had, if it is not whole; else None."""

    letter: DeadLetter
    cut: int | None


def identity(letter: DeadLetter) -> bytes:
    """PIPELINE/TOPIC/PARTITION/OFFSET/INDEX: the record's key, so that compaction keeps the last version."""
    return f"{letter.pipeline}/{letter.topic}/{letter.partition}/{letter.offset}/{letter.index}".encode()


def message(letter: DeadLetter) -> Message:
    """Headers are text, but for the original key. Raises ValueError if a text is not UTF-8.

    A null value would read as a deletion: it is an empty one with the header `null_value`. A null key is no
    `source_key`.
    """
    return _message(letter, [])


def cut_message(letter: DeadLetter) -> Message:
    """The same with 1024 bytes of value and key, 1024 characters of the reason, and the header `cut`: bytes before."""
    value, key = letter.value, letter.key
    short = msgspec.structs.replace(
        letter,
        value=None if value is None else value[:KEPT],
        key=None if key is None else key[:KEPT],
        detail=letter.detail[:KEPT],
    )
    return _message(short, [("cut", str(len(value or b"")).encode())])


def _message(letter: DeadLetter, more: Headers) -> Message:
    headers: list[tuple[str, bytes | None]] = [
        (header, str(getattr(letter, field)).encode()) for header, field in {**_TEXTS, **_NUMBERS}.items()
    ]
    if letter.key is not None:
        headers.append(("source_key", letter.key))
    if letter.value is None:
        headers.append(("null_value", b"1"))
    key = identity(letter)
    return Message(key, key, letter.value or b"", [*headers, *more])


def stored(value: bytes, headers: Headers) -> Stored:
    """What `message` wrote. Raises ValueError for a record that is no dead letter."""
    found = dict(headers)
    fields = {field: (found[name] or b"").decode() for name, field in {**_TEXTS, **_NUMBERS}.items() if name in found}
    bytes_of = {"key": found.get("source_key"), "value": None if "null_value" in found else value}
    letter = msgspec.convert({**fields, **bytes_of}, DeadLetter, strict=False, builtin_types=(bytes,))
    return Stored(letter, int(found["cut"] or b"0") if "cut" in found else None)
