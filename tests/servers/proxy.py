"""A small HTTP proxy on loopback, in front of a real server, that can be told to answer for it, fail, or be away."""

import http.client
import socket
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.servers.process import free_port

_OF_THE_CONNECTION = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


class Seen(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Fault(NamedTuple):
    """status: what to answer instead of the server; 0 = nothing, although the server was asked."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


class Proxy:
    """Forwards everything to `upstream`, until it is told otherwise. Its methods may be called from any thread.

    counts: forwarded, lost, delayed, and a status for each answer of its own; seen: the last requests
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._port = free_port()
        self._lock = threading.Lock()
        self._faults: deque[Fault] = deque()
        self._always: Fault | None = None
        self._delay = 0.0
        self.stopping = threading.Event()
        self._server: _Server | None = None
        self.counts: Counter[str] = Counter()
        self.seen: deque[Seen] = deque(maxlen=64)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> "Proxy":
        """Listen; again on the same port after `stop`."""
        self.stopping.clear()
        self._server = _Server(("127.0.0.1", self._port), self)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def stop(self) -> None:
        """Refuse connections and cut those that are open."""
        if self._server is not None:
            self.stopping.set()
            self._server.shutdown()
            self._server.server_close()
            self._server.cut()
            self._server = None

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody listens meanwhile."""
        self.stop()
        yield
        self.start()

    def answer(self, status: int, times: int = 1, *, body: bytes = b"", **headers: str) -> None:
        """Answer the next requests with this status; headers as Retry_After="2"."""
        fault = Fault(status, _named(headers), body)
        with self._lock:
            self._faults.extend([fault] * times)

    def always(self, status: int | None, **headers: str) -> None:
        """Answer all requests with this status, until told None."""
        fault = None if status is None else Fault(status, _named(headers))
        with self._lock:
            self._always = fault

    def lose(self, times: int = 1) -> None:
        """Forward the next requests, then cut the connection instead of handing the answer on."""
        with self._lock:
            self._faults.extend([Fault(0, {})] * times)

    def delay(self, seconds: float) -> None:
        """Wait so long before each request is forwarded."""
        with self._lock:
            self._delay = seconds

    def fault(self, seen: Seen) -> tuple[Fault | None, float]:
        """What to do with this request, and after how many seconds."""
        with self._lock:
            self.seen.append(seen)
            fault = self._faults.popleft() if self._faults else self._always
            kind = "forwarded" if fault is None else str(fault.status) if fault.status else "lost"
            self.counts[kind] += 1
            if self._delay:
                self.counts["delayed"] += 1
            return fault, self._delay

    def forward(self, seen: Seen) -> tuple[int, dict[str, str], bytes]:
        """The answer of the server behind."""
        connection = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            connection.request(seen.method, seen.path, seen.body, seen.headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        except OSError as error:
            return 502, {}, str(error).encode()
        finally:
            connection.close()


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


class _Server(ThreadingHTTPServer):
    """Knows its open connections, so that they can be cut."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], proxy: Proxy) -> None:
        self.proxy = proxy
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or was cut off, is nothing to report."""

    def cut(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_THE_CONNECTION}
        proxy, seen = self.server.proxy, Seen(self.command, self.path, headers, body)
        fault, delay = proxy.fault(seen)
        proxy.stopping.wait(delay)
        if fault is not None and fault.status:
            self._reply(*fault)
            return
        answer = proxy.forward(seen)
        if fault is None:
            self._reply(*answer)
        else:
            self.close_connection = True

    def _reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _OF_THE_CONNECTION:
                self.send_header(name, value)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
