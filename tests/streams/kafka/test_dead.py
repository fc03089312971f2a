"""Whatever bytes are sent, they end as a reading or as a dead letter with its reason; and they can be tried again."""

import asyncio
import time
from pathlib import Path

import pytest

from connectors.kafka import letters
from tests.servers.process import wait_until
from tests.streams.kafka import broker
from tests.streams.kafka.site import Site

pytestmark = pytest.mark.servers

GOOD = b'{"series": "a", "time": 1700000000, "value": 20.5}'

BAD: list[tuple[str, bytes | None]] = [
    ("tombstone", None),
    ("empty", b""),
    ("empty", b"[]"),
    ("too_large", b'{"series": "a", "time": 1700000000, "value": 1, "more": "' + b"x" * 300 + b'"}'),
    ("invalid_utf8", b'{"series": "\xff", "time": 1700000000, "value": 1}'),
    ("invalid_json", b'{"series": "a", "time": 1700000000, "val'),
    ("too_deep", b"[" * 80 + b"]" * 80),
    ("not_an_object", b"17"),
    ("missing_series", b'{"time": 1700000000, "value": 1}'),
    ("name_too_long", b'{"series": "a name of more than nineteen", "time": 1700000000, "value": 1}'),
    ("missing_time", b'{"series": "a", "value": 1}'),
    ("invalid_time", b'{"series": "a", "time": "yesterday", "value": 1}'),
    ("before_1970", b'{"series": "a", "time": -5, "value": 1}'),
    ("time_out_of_range", b'{"series": "a", "time": 1700000000000000, "value": 1}'),
    ("missing_field", b'{"series": "a", "time": 1700000000}'),
    ("wrong_type", b'{"series": "a", "time": 1700000000, "value": "1"}'),
    ("not_finite", b'{"series": "a", "time": 1700000000, "value": 1e999}'),
    ("duplicate", GOOD),
    ("late", GOOD.replace(b"1700000000", b"1600000000")),
    ("future", GOOD.replace(b"1700000000", b"4000000000")),
    ("time_unit", GOOD.replace(b"1700000000", b"%d" % (time.time() // 1000))),
]


@pytest.fixture
def site(bootstrap: str, topic: str, tmp_path: Path) -> Site:
    made = Site(tmp_path, bootstrap, topic)
    made.create_topics()
    return made


def send(site: Site, *values: bytes | None) -> None:
    async def all_of_them() -> None:
        async with broker.producer(site.bootstrap) as producer:
            for value in values:
                await producer.send_and_wait(site.topic, value, key=b"k", partition=0)

    asyncio.run(all_of_them())


def test_malformed_input_of_every_kind_ends_with_its_reason_and_the_lag_returns_to_zero(site: Site) -> None:
    send(site, GOOD, *(value for _, value in BAD))
    with site.work() as worker:
        site.until_read(worker)
    told = site.json("dead", "list")
    found = {letter["offset"]: letter for letter in told["dead_letters"]}
    assert [found[offset]["reason"] for offset in sorted(found)] == [reason for reason, _ in BAD]
    assert sum(told["counts"].values()) == len(BAD)
    stored = letters.dead_letters(broker.at(site.bootstrap), f"{site.topic}.dead")
    assert {letter.offset: letter.value for letter in stored} == {i: sent for i, (_, sent) in enumerate(BAD, 1)}
    shown = site.run("dead", "show", f"desk/{site.topic}/0/6")
    assert shown.status == 0
    assert '{"series": "a", "time": 1700000000, "val' in shown.out
    assert site.run("dead", "list", "--reason", "too_deep").out.count("too_deep") >= 1


def test_after_the_configuration_was_mended_dead_letters_are_scored_by_the_running_worker(site: Site) -> None:
    long_name = b'{"series": "a name of more than nineteen", "time": 1700000001, "value": 1}'
    send(site, GOOD, long_name, b"{")
    with site.work() as worker:
        site.until_read(worker)
    site.change("max_name = 19", "max_name = 99")
    with site.work() as worker:
        replayed = site.json("dead", "replay", "-p", "desk")
        assert (replayed["records"], replayed["letters"], replayed["left"]) == (2, 2, {})
        site.until_read(worker)
        wait_until(lambda: len(listed(site)) == 1, seconds=30, what="the letter that fails again")
    (again,) = listed(site)
    assert (again["reason"], again["attempt"], again["offset"]) == ("invalid_json", 1, 4)


def listed(site: Site) -> list[dict[str, object]]:
    found: list[dict[str, object]] = site.json("dead", "list")["dead_letters"]
    return found
