"""Where an InfluxDB is, and who we are to it."""

import re
from dataclasses import dataclass, field
from typing import Literal

from urllib3.exceptions import LocationValueError
from urllib3.util import parse_url


class InfluxDBUnreachable(ValueError):
    """An InfluxDB that cannot be used as configured: one line that names the setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InfluxDBConnection:
    """A bucket of InfluxDB 2, or a database of InfluxDB 3, and how it is written to. The token never prints.

    url:     http or https, host and port, and the path before /api if there is one
    bucket:  version 3: the database
    org:     version 2 asks for it
    lines:   in one request, which is also bounded in bytes
    timeout: seconds, to connect and to wait for bytes of an answer

    Raises InfluxDBUnreachable if a setting cannot be right.
    """

    url: str
    bucket: str
    token: str = field(repr=False)
    org: str = ""
    version: Literal[2, 3] = 2
    gzip: bool = True
    lines: int = 5000
    timeout: float = 10.0

    def __post_init__(self) -> None:
        _check_url(self.url)
        _check(bool(self.bucket), "influxdb.bucket must name the bucket, or the database of InfluxDB 3; it is empty")
        _check(bool(re.fullmatch(r"[!-~]+", self.token)), "influxdb.token must be printable ASCII without spaces")
        _check(self.version in (2, 3), f"influxdb.version must be 2 or 3; got {self.version!r}")
        _check(self.version == 3 or bool(self.org), "influxdb.org must name the bucket's organisation; it is empty")
        _check(self.lines >= 1, f"influxdb.lines must be at least 1; got {self.lines}")
        _check(0 < self.timeout <= 3600, f"influxdb.timeout must lie in (0, 3600] seconds; got {self.timeout}")


def _check(right: bool, told: str) -> None:
    if not right:
        raise InfluxDBUnreachable(told)


def _check_url(url: str) -> None:
    try:
        parts = parse_url(url)
    except LocationValueError:
        parts = parse_url("")
    # said before anything that shows the URL
    _check(not parts.auth, "influxdb.url must not hold a user or password; the token is in influxdb.token")
    right = parts.scheme in ("http", "https") and parts.host and not parts.query and not parts.fragment
    _check(bool(right), f"influxdb.url must be such as http://127.0.0.1:8086 or https://HOST; got {url!r}")
