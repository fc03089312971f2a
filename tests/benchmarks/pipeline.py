"""Starts Kafka on one core and InfluxDB, and runs `watchkeeper bench pipeline` on another. Options are handed on."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.servers.influxdb import InfluxDB
from tests.servers.kafka import Kafka

SHARED = Path("../shared/peers").absolute()
PORT = 19092
"""where the scripts of ../shared/peers look for it"""


def main(options: list[str]) -> int:
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[0]})
    with TemporaryDirectory() as folder:
        (Path(folder) / "influxdb").mkdir()
        token = Path(folder) / "token"
        kafka = Kafka(Path(folder), port=PORT)
        influxdb = InfluxDB(Path(folder) / "influxdb")
        token.write_text(influxdb.token)
        os.sched_setaffinity(0, set(cores))
        command = [
            sys.executable, "-c", "from streams.cli import main; main()", "bench", "pipeline", "--core", str(cores[-1]),
            "--bootstrap", kafka.bootstrap, "--influxdb", f"{influxdb.url},{influxdb.org},{influxdb.bucket},{token}",
            *(["--peers", str(SHARED)] if SHARED.exists() else []), *options,
        ]  # fmt: skip
        try:
            return subprocess.run(command).returncode
        finally:
            kafka.stop()
            influxdb.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
