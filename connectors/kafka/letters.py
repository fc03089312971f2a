"""The dead-letter topic read back, and its letters sent to where their records came from."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from connectors.base import DeadLetter
from connectors.kafka.connection import Connection
from connectors.kafka.dead_letter import Stored, identity, stored
from connectors.kafka.producing import partition_of
from connectors.kafka.reading import read
from connectors.kafka.writing import Writer, writer

ATTEMPT = "watchkeeper-attempt"
"""header of a record that comes from the dead letters: how often it was replayed, in decimal digits"""


@dataclass(frozen=True, slots=True)
class Replayed:
    """records: sent again, each once though several readings of it were dead; letters: gone from the topic with them.

    left: letters that stay, and why
    """

    records: int
    letters: int
    left: Sequence[tuple[DeadLetter, str]]


def dead_letters(
    connection: Connection,
    topic: str,
    *,
    pipeline: str | None = None,
    reason: str | None = None,
    limit: int | None = None,
) -> list[DeadLetter]:
    """Dead letters, the newest record first, of one pipeline and reason if these are given.

    Each in its last version, without those that were replayed. The whole topic is read; it blocks. Records that are
    no dead letters are passed over. Raises MissingTopic, Unreachable.
    """
    found = [each.letter for each in asyncio.run(_present(connection, topic)).values()]
    chosen = [
        letter for letter in found
        if pipeline in (None, letter.pipeline) and reason in (None, letter.reason)
    ]  # fmt: skip
    return sorted(chosen, key=_age, reverse=True)[:limit]


def _age(letter: DeadLetter) -> tuple[int, str, str, int, int, int]:
    return letter.time, letter.pipeline, letter.topic, letter.partition, letter.offset, letter.index


def replay(
    connection: Connection, dead_topic: str, letters: Sequence[DeadLetter], *, skip: Collection[str] = ()
) -> Replayed:
    """Produce the records of these letters to where they came from, then delete the letters. It blocks.

    A record comes once, whole, with its key and value, its time, in its partition, and with the header
    `watchkeeper-attempt`: one more than before. The letters are deleted when all are acknowledged: a crash between
    the two leaves them, and they may be replayed twice. Where nobody reads the source topic, its retention may delete
    a record whose time is older than that, as it would have deleted the record itself.

    Left are letters that are no longer in the topic, that were cut, or whose reason is in `skip`.
    Raises MissingTopic, Unreachable.
    """
    return asyncio.run(_replay(connection, dead_topic, letters, skip))


async def _replay(
    connection: Connection, dead_topic: str, letters: Sequence[DeadLetter], skip: Collection[str]
) -> Replayed:
    present = await _present(connection, dead_topic)
    left, chosen = [], []
    for letter in letters:
        if why := _left(present.get(identity(letter)), skip):
            left.append((letter, why))
        else:
            chosen.append(present[identity(letter)].letter)
    records = _records(chosen)
    if chosen:
        async with writer(connection, topic=dead_topic) as out:
            for topic in sorted({letter.topic for letter in records}):
                await out.partitions(topic)  # a missing one is told before anything is sent
            for letter in records:
                await _again(out, letter)
            await out.flush()
            for key in sorted({identity(letter) for letter in chosen}):
                place = partition_of(key, await out.partitions(dead_topic))
                await out.put(dead_topic, place, key=key, value=None)
    return Replayed(len(records), len(chosen), left)


def _left(found: Stored | None, skip: Collection[str]) -> str:
    if found is None:
        return "it is no longer in the topic: replayed, or too old"
    if found.cut is not None:
        return f"it was cut: {found.cut} bytes were too large for the dead-letter topic"
    return f"its reason is {found.letter.reason}" if found.letter.reason in skip else ""


def _records(letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """One letter of each record, the one that was tried most often, in the order of the records."""
    records: dict[tuple[str, int, int], DeadLetter] = {}
    for letter in sorted(letters, key=lambda letter: letter.attempt):
        records[letter.topic, letter.partition, letter.offset] = letter
    return [records[place] for place in sorted(records)]


async def _again(out: Writer, letter: DeadLetter) -> None:
    partitions = await out.partitions(letter.topic)
    # its series' state is where it was, unless the topic was made anew with fewer partitions
    fitting = letter.partition if letter.partition in partitions else letter.partition % len(partitions)
    await out.put(
        letter.topic, fitting, key=letter.key, value=letter.value, time=max(0, letter.time // 1_000_000),
        headers=[(ATTEMPT, str(letter.attempt + 1).encode())],
    )  # fmt: skip


async def _present(connection: Connection, topic: str) -> dict[bytes, Stored]:
    """The last version of each letter by identity; a null value deletes."""
    found: dict[bytes, Stored] = {}
    async for records in read(connection, topic):
        for record in records:
            found.pop(record.key, None)
            if record.value is not None:
                with suppress(ValueError, msgspec.ValidationError):
                    found[record.key] = stored(record.value, record.headers)
    return found
