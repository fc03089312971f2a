"""InfluxDB, a real one behind a proxy that fails: nothing is lost, and who has to set something right is told so."""

import asyncio
import re
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import numpy as np
import orjson
import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient

from connectors.base import Alerts, Column, DeadLetters, Points, Refused, Rows, SinkBusy
from connectors.influxdb import InfluxDB, InfluxDBConnection, InfluxDBUnreachable, check
from connectors.influxdb.lines import lines
from connectors.influxdb.sink import LARGEST, _requests
from tests.connectors.buckets import connection, new_bucket, stored, stored_alerts
from tests.connectors.test_sinks import alert, letter
from tests.servers.fixtures import Bucket, Secure
from tests.servers.process import free_port
from tests.servers.proxy import Proxy

pytestmark = pytest.mark.servers

NOW = 1_764_000_000 * 10**9
DAY = 86_400 * 10**9
TAGS = {"pipeline": "pumps", "watch": "spikes"}


@pytest.fixture
def proxy(bucket: Bucket) -> Iterator[Proxy]:
    started = Proxy(bucket.url).start()
    yield started
    started.stop()


@pytest.fixture
def sink(bucket: Bucket, proxy: Proxy) -> InfluxDB:
    """Through the proxy, ten lines a request."""
    return InfluxDB(connection(bucket, url=proxy.url, lines=10))


def points(n: int, /, measurement: str = "scores", every: int = 10**9, **fields: Any) -> Points:
    series = Column.of([b"pump-%d" % (row % 7) for row in range(n)])
    return Points(measurement, TAGS, series, NOW + every * np.arange(n), fields or {"score": np.arange(n) / 7})


def numbers(bucket: Bucket, field: str = "score") -> list[Any]:
    """This field of every point, by time."""
    found = sorted(stored(bucket).items(), key=lambda item: item[0][2])
    return [fields[field] for _, fields in found if field in fields]


def once(n: int) -> list[float]:
    return [row / 7 for row in range(n)]


# what is stored


async def test_drift_is_a_measurement_of_its_own(bucket: Bucket, sink: InfluxDB) -> None:
    drift, score = np.array([0.5, np.nan, 1.25, np.nan]), np.array([1.0, 2.0, np.nan, np.nan])
    refused = await sink.write(points(4, score=score, drift=drift))
    assert (refused.rows, refused.reasons) == ((3,), ("no field holds a number",))
    found = {(measurement, at - NOW): fields for (measurement, _, at), fields in stored(bucket).items()}
    assert found == {
        ("scores", 0): {"score": 1.0}, ("scores", 10**9): {"score": 2.0},
        ("drift", 0): {"statistic": 0.5}, ("drift", 2 * 10**9): {"statistic": 1.25},
    }  # fmt: skip
    assert {tags for _, tags, _ in stored(bucket)} == {
        (("pipeline", "pumps"), ("series", f"pump-{n}"), ("watch", "spikes")) for n in range(3)
    }
    await sink.close()


def test_a_row_that_cannot_be_written_is_refused_once_for_scores_and_drift() -> None:
    both = replace(points(3, score=np.ones(3), drift=np.ones(3)), series=Column.of([b"a", b"b\\", b"c"]))
    written = lines(both)
    assert written.refused.rows == (1,)
    assert written.rows.tolist() == [0, 2, 0, 2]
    assert written.between(2, 4).split(b"\n")[0] == b"drift,pipeline=pumps,series=a,watch=spikes statistic=1.0 %d" % NOW


async def test_an_alert_comes_back_as_it_was_written(bucket: Bucket, sink: InfluxDB) -> None:
    full = alert(
        'id "1"\\', opened=NOW, closed=NOW + 5, state="closed", asset="line 1, left=\\x", alarms=3, opening_score=0.1,
        peak_score=-1e-300, peak_time=2**63 - 1, threshold=1e16, actual={"flow": 0.1, 'a"b': -0.0}, reason="a\nb\\n",
        expected={"flow": 1.0}, contributions={"é": 0.5}, parameters={"half_life": 240, "of": [1, {"x": None}]},
        evidence={"voters": ["\\", '"']},
    )  # fmt: skip
    bare = alert("2", opened=NOW - 1)
    gaps = [
        alert(f"gap {n}", opened=NOW - 9 + n, series="", watch="", kind="gap", partition=n, reason="lost")
        for n in (1, 0)
    ]
    assert await sink.write(Alerts([full, bare, *gaps])) == Refused()
    assert stored_alerts(bucket) == [full, bare, *gaps]
    await sink.close()


async def test_gaps_of_several_partitions_at_one_time_are_several_alerts(bucket: Bucket, sink: InfluxDB) -> None:
    gaps = [alert(f"gap {n}", opened=0, series="", watch="", kind="gap", partition=n) for n in range(3)]
    await sink.write(Alerts(gaps))
    assert sorted(each.id for each in stored_alerts(bucket)) == ["gap 0", "gap 1", "gap 2"]
    await sink.close()


async def test_a_later_version_of_an_alert_leaves_nothing_of_the_earlier(bucket: Bucket, sink: InfluxDB) -> None:
    earlier = alert(reason="x", actual={"flow": 1.0}, contributions={"flow": 1.0}, evidence={"a": 1}, peak_score=1.0)
    later = alert(state="closed", closed=9, peak_score=2.0)
    for version in (earlier, later, later):
        await sink.write(Alerts([version]))
    assert stored_alerts(bucket) == [later]
    await sink.close()


async def test_an_alert_that_no_line_can_hold_is_refused_and_the_rest_stored(bucket: Bucket, sink: InfluxDB) -> None:
    bad = {
        "no json": alert("no json", evidence={"what": object()}),
        "no utf": alert("no utf", reason="\ud800"),
        "line break": alert("line break", series="a\nb"),
        "backslash": alert("backslash", asset="a\\"),
    }
    refused = await sink.write(Alerts([alert("first", opened=1), *bad.values(), alert("last", opened=2)]))
    assert refused.rows == (1, 2, 3, 4)
    assert refused.values == (b"no json", b"no utf", b"line break", b"backslash")
    assert [why.split(",")[0] for why in refused.reasons[2:]] == [
        "the series holds a line break", "the asset ends in a backslash",
    ]  # fmt: skip
    assert "object" in refused.reasons[0]
    assert "surrogates" in refused.reasons[1]
    assert [each.id for each in stored_alerts(bucket)] == ["last", "first"]
    await sink.close()


async def test_dead_letters_are_neither_written_nor_refused(proxy: Proxy, sink: InfluxDB) -> None:
    assert await sink.write(DeadLetters([letter()])) == Refused()
    assert not proxy.seen
    await sink.close()


# requests


@pytest.mark.parametrize("packed", [True, False])
async def test_requests_hold_so_many_lines_packed_or_not(bucket: Bucket, proxy: Proxy, packed: bool) -> None:
    sink = InfluxDB(connection(bucket, url=proxy.url, lines=10, gzip=packed))
    assert await sink.write(points(25)) == Refused()
    bodies = [zlib.decompress(seen.body, 31) if packed else seen.body for seen in proxy.seen]
    assert [body.count(b"\n") for body in bodies] == [10, 10, 5]
    assert {seen.headers.get("Content-Encoding") for seen in proxy.seen} == {"gzip" if packed else None}
    assert numbers(bucket) == once(25)
    await sink.close()


def test_requests_are_bounded_in_bytes() -> None:
    sizes = np.array([LARGEST // 2, LARGEST // 2, 1, LARGEST + 1, LARGEST - 1, 1, 1])
    assert list(_requests(np.cumsum(sizes), 100)) == [(0, 2), (2, 3), (3, 4), (4, 6), (6, 7)]
    assert list(_requests(np.cumsum(sizes), 1)) == [(n, n + 1) for n in range(7)]
    assert list(_requests(np.zeros(0, np.int64), 10)) == []


async def test_what_a_request_to_influxdb_3_looks_like(proxy: Proxy) -> None:
    """There is no InfluxDB 3 among the servers of the tests: this is the request as its documentation has it."""
    sink = InfluxDB(InfluxDBConnection(url=f"{proxy.url}/a/", bucket="d b", token="apiv3_x", version=3, gzip=False))
    proxy.answer(204)
    assert await sink.write(points(1)) == Refused()
    seen = proxy.seen[0]
    assert (seen.method, seen.path) == ("POST", "/a/api/v3/write_lp?db=d+b&precision=nanosecond")
    assert seen.headers["Authorization"] == "Bearer apiv3_x"
    assert seen.body == b"scores,pipeline=pumps,series=pump-0,watch=spikes score=0.0 %d\n" % NOW
    detail = {"original_line": "x", "line_number": 1, "error_message": "invalid column type"}
    body = orjson.dumps({"error": "partial write of line protocol occurred", "data": [detail]})
    proxy.answer(400, body=body)
    refused = await sink.write(points(1))
    assert refused.reasons == ("partial write of line protocol occurred: invalid column type",)
    assert refused.values == (seen.body[:-1],)
    await sink.close()


# a server that is busy, away, or whose answer is lost


async def written_after(sink: InfluxDB, rows: Rows) -> list[SinkBusy]:
    """Write until it is accepted; how often it was busy."""
    busy: list[SinkBusy] = []
    while len(busy) < 20:
        try:
            assert await sink.write(rows) == Refused()
            return busy
        except SinkBusy as again:
            busy.append(again)
    raise AssertionError(f"still busy: {busy[-1]}")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_busy_server_loses_nothing(bucket: Bucket, proxy: Proxy, sink: InfluxDB, status: int) -> None:
    proxy.answer(status, times=2, Retry_After="7")
    busy = await written_after(sink, points(30))
    assert [each.retry_after for each in busy] == [7.0, 7.0]
    assert str(busy[0]).startswith(f"InfluxDB at {proxy.url} answered {status}: ")
    assert numbers(bucket) == once(30)
    assert proxy.counts == {str(status): 2, "forwarded": 3}
    await sink.close()


@pytest.mark.parametrize(
    ("told", "seconds"), [("0", 0), ("", 1), ("soon", 1), ("-5", 1), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)]
)
async def test_what_retry_after_may_be(proxy: Proxy, sink: InfluxDB, told: str, seconds: float) -> None:
    proxy.answer(429, Retry_After=told)
    with pytest.raises(SinkBusy) as busy:
        await sink.write(points(1))
    assert busy.value.retry_after == seconds
    await sink.close()


async def test_retry_after_may_be_a_date(proxy: Proxy, sink: InfluxDB) -> None:
    proxy.answer(503, Retry_After=formatdate(time.time() + 3600, usegmt=True))
    with pytest.raises(SinkBusy) as busy:
        await sink.write(points(1))
    assert 3000 < busy.value.retry_after <= 3600
    await sink.close()


async def test_the_third_request_of_five_may_be_busy(bucket: Bucket, proxy: Proxy, sink: InfluxDB) -> None:
    for _ in range(2):
        proxy.answer(204)
    proxy.answer(503)
    with pytest.raises(SinkBusy):
        await sink.write(points(50))
    assert (len(proxy.seen), numbers(bucket)) == (3, [])
    assert await sink.write(points(50)) == Refused()
    assert numbers(bucket) == once(50)
    await sink.close()


async def test_a_server_that_is_away_is_busy_and_loses_nothing(bucket: Bucket, proxy: Proxy, sink: InfluxDB) -> None:
    assert await sink.write(points(5)) == Refused()
    with proxy.away():
        for _ in range(2):
            with pytest.raises(SinkBusy, match=r"^influxdb\.url: ") as busy:
                await sink.write(points(30))
    assert str(busy.value) == f"influxdb.url: nothing answers at {proxy.url} (connection refused)"
    await written_after(sink, points(30))
    assert numbers(bucket) == once(30)
    await sink.close()


async def test_a_lost_answer_is_busy_and_writing_again_changes_nothing(
    bucket: Bucket, proxy: Proxy, sink: InfluxDB
) -> None:
    proxy.lose(2)
    busy = await written_after(sink, points(30))
    assert [str(each).split(" broke")[0] for each in busy] == [f"influxdb.url: {proxy.url}"] * 2
    assert proxy.counts == {"lost": 2, "forwarded": 3}
    assert numbers(bucket) == once(30)
    await sink.close()


async def test_an_answer_that_does_not_come_in_time_is_busy(bucket: Bucket, proxy: Proxy) -> None:
    sink = InfluxDB(connection(bucket, url=proxy.url, timeout=0.2))
    proxy.delay(30)
    with pytest.raises(SinkBusy, match=r"^influxdb\.url: no answer from http://127\.0\.0\.1:\d+ within 0\.2 s$"):
        await sink.write(points(3))
    proxy.delay(0)
    await written_after(sink, points(3))
    assert numbers(bucket) == once(3)
    await sink.close()


async def test_a_400_of_something_between_is_no_verdict_on_the_lines(
    bucket: Bucket, proxy: Proxy, sink: InfluxDB
) -> None:
    proxy.answer(400, body=b"<html>the plain HTTP request was sent to an HTTPS port</html>")
    proxy.answer(301, Location="https://elsewhere")
    busy = await written_after(sink, points(3))
    assert [each.retry_after for each in busy] == [10.0, 10.0]
    assert str(busy[0]) == f"influxdb.url: no InfluxDB 2 answers at {proxy.url} (400: Bad Request)"
    assert numbers(bucket) == once(3)
    await sink.close()


# lines that are refused


async def test_a_line_of_another_type_is_refused_and_the_others_stored(
    bucket: Bucket, proxy: Proxy, sink: InfluxDB
) -> None:
    taken = replace(points(1, "m", score=np.array([1])), times=np.array([NOW - 1]))
    assert await sink.write(taken) == Refused()
    mixed = points(64, "m")
    fields = {"score": np.where(np.arange(64) == 37, 0.5, np.nan), "n": np.where(np.arange(64) == 37, np.nan, 1.0)}
    sink_of_all = InfluxDB(connection(bucket, url=proxy.url))
    proxy.seen.clear()
    refused = await sink_of_all.write(replace(mixed, fields=fields))
    assert refused.rows == (37,)
    assert 'input field "score" on measurement "m" is type float, already exists as type integer' in refused.reasons[0]
    assert refused.values == (b"m,pipeline=pumps,series=pump-2,watch=spikes score=0.5 %d" % mixed.times[37],)
    assert len(proxy.seen) == 13, "1 request, and 2 for each half"
    assert numbers(bucket, "n") == [1.0] * 63
    assert numbers(bucket) == [1]
    await sink.close()
    await sink_of_all.close()


async def test_refused_lines_of_several_shards_are_all_found(bucket: Bucket, sink: InfluxDB) -> None:
    """InfluxDB tells of one shard only, and counts its lines only."""
    assert await sink.write(points(8, "m", 30 * DAY, score=np.arange(8))) == Refused()
    bad = np.arange(8) % 3 == 0
    fields = {"score": np.where(bad, 0.5, np.nan), "n": np.where(bad, np.nan, 1.0)}
    refused = await sink.write(points(8, "m", 30 * DAY, **fields))
    assert refused.rows == (0, 3, 6)
    assert numbers(bucket, "n") == [1.0] * 5
    await sink.close()


async def test_points_beyond_the_retention_are_refused_in_a_few_requests(influxdb: Bucket) -> None:
    with new_bucket(influxdb, keep=7 * 86_400) as bucket:
        proxy = Proxy(bucket.url).start()
        sink = InfluxDB(connection(bucket, url=proxy.url))
        now = time.time_ns()
        times = np.where(np.arange(3000) < 1234, now - 30 * DAY, now - DAY) + np.arange(3000)
        refused = await sink.write(replace(points(3000), times=times))
        assert refused.rows == tuple(range(1234))
        assert all("outside retention policy" in why for why in refused.reasons)
        assert len(proxy.seen) < 40
        assert numbers(bucket) == once(3000)[1234:]
        await sink.close()
        proxy.stop()


async def test_what_influxdb_cannot_parse_is_refused_alone(bucket: Bucket, sink: InfluxDB) -> None:
    """Times and lengths that line protocol could hold, and InfluxDB does not."""
    bad = replace(points(4), series=Column.of([b"a", b"x" * 70_000, b"b", b"c"]))
    times = bad.times.copy()
    times[2] = 2**63 - 1
    refused = await sink.write(replace(bad, times=times))
    assert refused.rows == (1, 2)
    assert "max key length exceeded" in refused.reasons[0]
    assert "time outside range" in refused.reasons[1]
    assert max(map(len, refused.reasons)) <= 500
    assert numbers(bucket) == [0.0, 3 / 7]
    await sink.close()


async def test_what_a_line_says_is_not_taken_for_the_words_of_the_server(bucket: Bucket, sink: InfluxDB) -> None:
    bad = alert("bad", opened=2**63 - 1, reason="records dropped=2 since then")
    refused = await sink.write(Alerts([alert("good"), bad]))
    assert refused.rows == (1,)
    assert " dropped=2 " in refused.reasons[0]
    assert [each.id for each in stored_alerts(bucket)] == ["good"]
    await sink.close()


async def test_a_request_that_is_too_large_is_halved(bucket: Bucket, proxy: Proxy, sink: InfluxDB) -> None:
    proxy.answer(413)
    assert await sink.write(points(8)) == Refused()
    assert len(proxy.seen) == 3
    assert numbers(bucket) == once(8)
    await sink.close()


# settings


def test_a_bucket_that_can_be_written_passes_and_is_left_empty(bucket: Bucket) -> None:
    check(connection(bucket))
    assert stored(bucket) == {}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"token": "not-it"}, r"influxdb\.token: InfluxDB at http\S+ refused it \(unauthorized access\)"),
        ({"bucket": "no"}, r"influxdb\.bucket: there is no bucket 'no' at http\S+ \(bucket \"no\" not found\)"),
        ({"org": "no"}, r"influxdb\.org: there is no organisation 'no' at http\S+ \(organization .* not found\)"),
        ({"path": "/x"}, r"influxdb\.url: no InfluxDB 2 answers at http\S+/x \(404: Not Found\)"),
        ({"scheme": "https"}, r"influxdb\.url: no trusted connection to https\S+: .*WRONG_VERSION.*"),
        ({"port": 0}, r"influxdb\.url: nothing answers at http://127\.0\.0\.1:\d+ \(connection refused\)"),
        ({"host": "nowhere.invalid"}, r"influxdb\.url: nothing answers at http://nowhere\.invalid:1 \(.*\)"),
    ],
)
async def test_a_wrong_setting_is_named(bucket: Bucket, wrong: dict[str, Any], told: str) -> None:
    urls = {
        "path": f"{bucket.url}/x", "scheme": bucket.url.replace("http", "https"),
        "port": f"http://127.0.0.1:{free_port()}", "host": "http://nowhere.invalid:1",
    }  # fmt: skip
    (name,) = wrong
    settings = {"url": urls[name]} if name in urls else wrong
    with pytest.raises(InfluxDBUnreachable) as unreachable:
        check(connection(bucket, **settings))
    assert re.fullmatch(told, str(unreachable.value)), str(unreachable.value)
    sink = InfluxDB(connection(bucket, **settings))
    with pytest.raises(SinkBusy) as busy:
        await sink.write(points(3))
    assert str(busy.value) == str(unreachable.value)
    assert busy.value.retry_after == (10.0 if "url" not in settings or "path" in wrong else 1.0)
    assert bucket.token not in str(busy.value)
    await sink.close()


async def test_a_token_that_may_only_read_is_named(bucket: Bucket) -> None:
    with InfluxDBClient(bucket.url, bucket.token, org=bucket.org) as client:
        org = client.organizations_api().find_organizations(org=bucket.org)[0]
        found = client.buckets_api().find_bucket_by_name(bucket.bucket)
        resource = {"type": "buckets", "id": found.id, "orgID": org.id}
        permissions = [{"action": "read", "resource": resource}]
        reader = client.authorizations_api().create_authorization(org_id=org.id, permissions=permissions)
    with pytest.raises(InfluxDBUnreachable, match=r"^influxdb\.token: it may not write to '\w+' at http\S+ \(.+\)$"):
        check(connection(bucket, token=reader.token))


def test_a_certificate_that_nobody_vouches_for_is_named(secure: Secure) -> None:
    (listener,) = [address for name, address in secure.listeners.items() if name == "SSL"]
    there = InfluxDBConnection(url=f"https://{listener}", bucket="b", org="o", token="t")
    with pytest.raises(InfluxDBUnreachable, match=r"^influxdb\.url: no trusted .*certificate verify failed: self"):
        check(there)


def test_a_server_that_is_busy_at_the_start_is_told_of_and_no_fault_of_the_settings(
    bucket: Bucket, proxy: Proxy
) -> None:
    proxy.answer(503)
    assert check(connection(bucket, url=proxy.url)) == f"InfluxDB at {proxy.url} answered 503: Service Unavailable"
    assert check(connection(bucket, url=proxy.url)) == ""


def test_influxdb_3_may_complain_of_a_request_without_lines(proxy: Proxy) -> None:
    there = InfluxDBConnection(url=proxy.url, bucket="d", token="t", version=3)
    proxy.answer(400, body=b'{"error": "no lines"}')
    check(there)
    proxy.answer(401)
    with pytest.raises(InfluxDBUnreachable, match=r"^influxdb\.token: "):
        check(there)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"url": "127.0.0.1:8086"}, "influxdb.url must be such as"),
        ({"url": "ftp://h"}, "influxdb.url must be such as http://127.0.0.1:8086 or https://HOST; got 'ftp://h'"),
        ({"url": "http://"}, "influxdb.url must be such as"),
        ({"url": "http://h:99999999"}, "influxdb.url must be such as"),
        ({"url": "http://h?a=b"}, "influxdb.url must be such as"),
        ({"url": "http://me:secret@h"}, "influxdb.url must not hold a user or password"),
        ({"bucket": ""}, "influxdb.bucket must name the bucket"),
        ({"org": ""}, "influxdb.org must name the bucket's organisation"),
        ({"token": "se cret"}, "influxdb.token must be printable ASCII without spaces"),
        ({"token": "secret\n"}, "influxdb.token must be printable ASCII without spaces"),
        ({"version": 1}, "influxdb.version must be 2 or 3; got 1"),
        ({"lines": 0}, "influxdb.lines must be at least 1; got 0"),
        ({"timeout": float("nan")}, "influxdb.timeout must lie in (0, 3600] seconds; got nan"),
    ],
)
def test_a_setting_that_cannot_be_right_is_refused(wrong: dict[str, Any], told: str) -> None:
    right = {"url": "http://h:1/path", "bucket": "b", "org": "o", "token": "t"}
    assert InfluxDBConnection(**right) == InfluxDBConnection(**right)  # type: ignore[arg-type]
    with pytest.raises(InfluxDBUnreachable) as refused:
        InfluxDBConnection(**{**right, **wrong})
    assert str(refused.value).startswith(told)
    assert "cret" not in str(refused.value)


async def test_the_token_never_prints(bucket: Bucket, proxy: Proxy) -> None:
    there = connection(bucket, url=proxy.url)
    assert bucket.token not in f"{there} {there!r} {InfluxDB(there)!r}"
    sink = InfluxDB(there)
    proxy.lose()
    with pytest.raises(SinkBusy) as busy:
        await sink.write(points(1))
    error: BaseException | None = busy.value
    while error is not None:
        assert bucket.token not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    await sink.close()


# order, and the end


async def test_a_closed_sink_may_not_be_written_to(sink: InfluxDB) -> None:
    await sink.close()
    await sink.close()
    with pytest.raises(ValueError, match=r"the sink of http://127\.0\.0\.1:\d+ is closed; nothing may be written"):
        await sink.write(points(1))


async def test_writes_that_overlap_are_stored_in_the_order_of_their_calls(bucket: Bucket, sink: InfluxDB) -> None:
    await asyncio.gather(*[sink.write(Alerts([alert(alarms=version)])) for version in range(20)])
    assert [each.alarms for each in stored_alerts(bucket)] == [19]
    await sink.close()


async def test_a_write_that_is_cancelled_leaves_the_sink_usable(bucket: Bucket, sink: InfluxDB) -> None:
    writing = asyncio.create_task(sink.write(points(100)))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert await sink.write(points(50)) == Refused()
    await sink.close()
    assert numbers(bucket) in (once(50), once(100))
