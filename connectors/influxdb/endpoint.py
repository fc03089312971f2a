"""The write endpoint of an InfluxDB, and its answers in our words."""

import gzip
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError, SSLError, TimeoutError

from connectors.base import SinkBusy
from connectors.influxdb.connection import InfluxDBConnection, InfluxDBUnreachable

UNTIL_SET_RIGHT = 10.0
"""seconds until it is asked again after an answer that somebody has to do something about"""

_LATER = {429, 500, 502, 503, 504}


class Answer(NamedTuple):
    """`accepted`: all lines are durable. Otherwise some or all were refused, as the server's `message` says.

    dropped: lines that it says it dropped, the others being stored or dropped as well; 0 = it says nothing
    """

    accepted: bool
    message: str = ""
    dropped: int = 0


class Endpoint:
    """Posts lines over one connection, which stays open. Blocks; not for several threads at once."""

    def __init__(self, connection: InfluxDBConnection) -> None:
        self._connection = connection
        self._pool = urllib3.PoolManager(maxsize=1, retries=False, timeout=urllib3.Timeout(connection.timeout))
        path, scheme, query = "/api/v3/write_lp", "Bearer", {"db": connection.bucket, "precision": "nanosecond"}
        if connection.version == 2:
            path, scheme = "/api/v2/write", "Token"
            query = {"org": connection.org, "bucket": connection.bucket, "precision": "ns"}
        self._url = f"{connection.url.rstrip('/')}{path}?{urlencode(query)}"
        self._headers = {"Authorization": f"{scheme} {connection.token}", "Content-Type": "text/plain; charset=utf-8"}

    def post(self, lines: bytes) -> Answer:
        """The verdict on these lines. Raises SinkBusy, which names the setting that may be wrong, if there is none."""
        headers = self._headers
        if self._connection.gzip and lines:
            lines, headers = gzip.compress(lines, 1, mtime=0), {**headers, "Content-Encoding": "gzip"}
        try:
            response = self._pool.request("POST", self._url, body=lines, headers=headers, redirect=False)
        except HTTPError as error:
            raise SinkBusy(f"influxdb.url: {_silence(self._connection, error)}") from error
        message = _message(response.data)
        if 200 <= response.status < 300:
            return Answer(True)
        # a 400 without InfluxDB's own words is of something between us, and says nothing about the lines
        if response.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or (response.status in (400, 422) and message):
            return Answer(False, message or "the request is too large", _dropped(response.status, message))
        raise _busy(self._connection, response.status, message, response.headers)

    def close(self) -> None:
        """Let go of the connection."""
        self._pool.clear()


class Later(SinkBusy):
    """The server is the right one and cannot take lines now."""


def check(connection: InfluxDBConnection) -> str:
    """Raise InfluxDBUnreachable, in one line that names the setting, unless lines would be taken. Writes nothing.

    Returns what a server says that cannot take them just now, such as 503; empty if it can.
    """
    endpoint = Endpoint(connection)
    try:
        answer = endpoint.post(b"")
    except Later as later:
        return str(later)
    except SinkBusy as busy:
        raise InfluxDBUnreachable(str(busy)) from None
    finally:
        endpoint.close()
    # InfluxDB 3 may say of an empty request that it holds no lines: we were let in
    if not answer.accepted and connection.version == 2:
        raise InfluxDBUnreachable(f"influxdb.url: {connection.url} refused an empty request: {answer.message}")
    return ""


def _message(body: bytes) -> str:
    """InfluxDB's own words (`message`; version 3: `error`, and what is wrong with the first line), in one line."""
    try:
        found: Any = msgspec.json.decode(body)
        lines = found.get("data") or [{}]
        told = [found.get("message") or found.get("error"), lines[0].get("error_message")]
    except (ValueError, AttributeError, LookupError, TypeError):
        return ""
    whole = " ".join(": ".join(str(each) for each in told if each).split())
    return whole if len(whole) <= 500 else f"{whole[:400]} ... {whole[-90:]}"


def _dropped(status: int, message: str) -> int:
    """A 400 quotes the line, which may say anything; a 422 ends in the number."""
    found = re.findall(r" dropped=(\d+)\b", message) if status == HTTPStatus.UNPROCESSABLE_ENTITY else []
    return int(found[-1]) if found else 0


def _silence(connection: InfluxDBConnection, error: HTTPError) -> str:
    """Why no answer came."""
    match error:
        case SSLError():
            return f"no trusted connection to {connection.url}: {error}"
        case NewConnectionError():
            cause = error.__cause__
            why = (cause.strerror or str(cause)).lower() if isinstance(cause, OSError) else str(error)
            return f"nothing answers at {connection.url} ({why})"
        case TimeoutError():
            return f"no answer from {connection.url} within {connection.timeout:g} s"
        case ProtocolError():
            return f"{connection.url} broke the connection off ({error.args[-1]})"
    return f"{connection.url}: {error}"


def _busy(connection: InfluxDBConnection, status: int, message: str, headers: Mapping[str, str]) -> SinkBusy:
    if status in _LATER:
        told = f"InfluxDB at {connection.url} answered {status}: {message or _phrase(status)}"
        return Later(told, _retry_after(headers.get("Retry-After", "")))
    return SinkBusy(_to_set_right(connection, status, message), UNTIL_SET_RIGHT)


def _to_set_right(connection: InfluxDBConnection, status: int, message: str) -> str:
    said = message or _phrase(status)
    if status == HTTPStatus.UNAUTHORIZED:
        return f"influxdb.token: InfluxDB at {connection.url} refused it ({said})"
    if status == HTTPStatus.FORBIDDEN:
        return f"influxdb.token: it may not write to {connection.bucket!r} at {connection.url} ({said})"
    if status == HTTPStatus.NOT_FOUND and message.startswith("organization"):
        return f"influxdb.org: there is no organisation {connection.org!r} at {connection.url} ({said})"
    if status == HTTPStatus.NOT_FOUND and message:
        return f"influxdb.bucket: there is no bucket {connection.bucket!r} at {connection.url} ({said})"
    return f"influxdb.url: no InfluxDB {connection.version} answers at {connection.url} ({status}: {said})"


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "no reason given"


def _retry_after(text: str) -> float:
    """Seconds, from a number of them or a date; 1 if it is neither."""
    if re.fullmatch(r"\d{1,9}", text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 1.0
