"""InfluxDB 2, set up with an organisation, a bucket and a token of our choice."""

import http.client
import json
from pathlib import Path
from typing import Any

from tests.servers.process import SERVERS, Process, free_port

BINARY = SERVERS / "influxdb" / "influxd"
ORG, BUCKET, TOKEN = "plant", "watchkeeper", "only-for-tests"


class InfluxDB:
    """A server of our own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self.org, self.bucket, self.token = ORG, BUCKET, TOKEN
        self.start()
        setup = {"username": "admin", "password": "only-for-tests", "org": ORG, "bucket": BUCKET, "token": TOKEN}
        status, body = self._request("POST", "/api/v2/setup", setup)
        assert status == 201, body

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start the server, again on the same data and port, and wait until it answers."""
        command = [
            str(BINARY), "--bolt-path", f"{self._folder}/influxd.bolt", "--engine-path", f"{self._folder}/engine",
            "--sqlite-path", f"{self._folder}/influxd.sqlite", "--http-bind-address", f"127.0.0.1:{self._port}",
            "--reporting-disabled", "--log-level", "warn",
        ]  # fmt: skip
        self.process = Process(command, self._folder / "influxd.log")
        self.process.wait_for(self._answers, seconds=60, what="InfluxDB")

    def _answers(self) -> bool:
        try:
            return self._request("GET", "/health")[0] == 200
        except OSError:
            return False

    def _request(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        self.process.kill()
