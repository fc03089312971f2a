"""/metrics and /health of a real worker, and Faust's own pages where they are asked for."""

import asyncio
import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.servers.process import free_port, wait_until
from tests.streams.kafka import broker
from tests.streams.kafka.site import Site

pytestmark = pytest.mark.servers

SPIKE = 900.0


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{url}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def value(text: str, name: str, **labels: str) -> float:
    """The one sample of this name with these labels among its own."""
    wanted = [f'{label}="{each}"' for label, each in labels.items()]
    lines = [line for line in text.splitlines() if re.match(rf"{name}[{{ ]", line) and all(w in line for w in wanted)]
    assert len(lines) == 1, lines or text
    return float(lines[0].rpartition(" ")[2])


def send(site: Site, n: int) -> None:
    """Readings, then one that stands out, and one that cannot be read."""
    values = [20.0 + i % 5 for i in range(n - 1)] + [SPIKE]
    rows = [b'{"series": "a", "time": %d, "value": %.1f}' % (1_700_000_000 + i, v) for i, v in enumerate(values)]

    async def all_of_them() -> None:
        async with broker.producer(site.bootstrap) as producer:
            for row in [*rows, b"{"]:
                await producer.send(site.topic, row, partition=0)
            await producer.flush()

    asyncio.run(all_of_them())


def test_a_worker_tells_how_it_is(bootstrap: str, topic: str, tmp_path: Path) -> None:
    site, url = Site(tmp_path, bootstrap, topic), f"127.0.0.1:{free_port()}"
    site.create_topics()
    site.change("[snapshots]", f'[metrics]\nlisten = "{url}"\n\n[snapshots]')
    send(site, 60)
    with site.work() as worker:
        site.until_read(worker)
        wait_until(lambda: get(f"{url}/health")[0] == 200, seconds=30, what="health")
        told = json.loads(get(f"{url}/health")[1])
        assert told == {"status": "scoring", "reasons": [], "pipeline": "desk", "lag": {"0": 0}}
        text = get(f"{url}/metrics")[1]
    place = {"pipeline": "desk", "partition": "0"}
    assert value(text, "watchkeeper_readings_total", **place) == 60
    assert value(text, "watchkeeper_rejects_total", reason="invalid_json", **place) == 1
    assert value(text, "watchkeeper_lag_records", **place) == 0
    assert value(text, "watchkeeper_series", **place) == 1
    assert value(text, "watchkeeper_batch_records_sum", pipeline="desk") == 61
    assert value(text, "watchkeeper_event_to_alert_seconds_count", pipeline="desk") == 1
    for name in ("state_bytes", "snapshot_bytes"):
        assert value(text, f"watchkeeper_{name}", **place) > 0
    for name in ("snapshot_age_seconds", "last_score_age_seconds"):
        assert 0 <= value(text, f"watchkeeper_{name}", **place) < 60
    for stage in ("decode", "score", "write"):
        assert value(text, "watchkeeper_seconds_total", stage=stage) > 0
    assert value(text, "watchkeeper_sink_retries_total", sink="kafka") == 0
    assert value(text, "watchkeeper_watch_info", watch="level", model="Gaussian") == 1


def test_fausts_own_pages_are_off_unless_asked_for_and_then_on_loopback(
    bootstrap: str, topic: str, tmp_path: Path
) -> None:
    site, port = Site(tmp_path, bootstrap, topic), free_port()
    site.create_topics()
    with site.work() as worker:
        worker.wait_for(lambda: "event=assigned" in worker.log.read_text(), seconds=60, what="an assignment")
        assert listening(worker.pid) == set()
    site.change('session_timeout = "6s"', f'session_timeout = "6s"\nweb_port = {port}')
    with site.work() as worker:
        worker.wait_for(lambda: listening(worker.pid) != set(), seconds=60, what="the pages")
        assert listening(worker.pid) == {("127.0.0.1", port)}


def listening(pid: int) -> set[tuple[str, int]]:
    """Addresses that a process listens on."""
    found = psutil.Process(pid).net_connections("inet")
    return {(each.laddr.ip, each.laddr.port) for each in found if each.status == psutil.CONN_LISTEN}
