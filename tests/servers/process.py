"""A server process of the tests: started, asked whether it is ready, stopped, killed."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

SERVERS = Path(__file__).parents[2] / ".servers"


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(ready: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Ask again and again; AssertionError when the time is up."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.05)


class Process:
    """A command whose output goes to a file."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=log.parent, start_new_session=True,
                env={**os.environ, **(environment or {})},
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def send(self, name: signal.Signals) -> None:
        if self.running:
            self._process.send_signal(name)

    def stop(self, name: signal.Signals = signal.SIGTERM, seconds: float = 30.0) -> int:
        """Ask it to end and wait; killed when the time is up. The exit status."""
        self.send(name)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def kill(self) -> int:
        return self.stop(signal.SIGKILL)

    def wait_for(self, ready: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Wait until it is ready; the end of its log if it ended instead."""

        def alive() -> bool:
            assert self.running, f"{what} ended: {self.log.read_text(errors='replace')[-2000:]}"
            return ready()

        wait_until(alive, seconds=seconds, what=what)
