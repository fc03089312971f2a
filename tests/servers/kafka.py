"""Apache Kafka, one KRaft node, with a plain listener and, if asked for, TLS and SASL ones."""

import socket
import subprocess
from base64 import urlsafe_b64encode
from pathlib import Path
from uuid import uuid4

from tests.servers.certificates import PASSWORD as STORE_PASSWORD
from tests.servers.process import SERVERS, Process, free_port

LIB = SERVERS / "kafka" / "lib"
USER, PASSWORD = "watchkeeper", "right"

_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={listeners}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,OLD:SSL
log.dirs={folder}/data
num.partitions=4
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.retention.check.interval.ms=1000
log.segment.delete.delay.ms=1000
log.message.timestamp.before.max.ms=9223372036854775807
log.message.timestamp.after.max.ms=9223372036854775807
"""

_SECURE = """
listener.name.ssl.ssl.keystore.location={keystore}
listener.name.ssl.ssl.keystore.password={password}
listener.name.ssl.ssl.keystore.type=PKCS12
listener.name.old.ssl.keystore.location={expired}
listener.name.old.ssl.keystore.password={password}
listener.name.old.ssl.keystore.type=PKCS12
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_plaintext.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
username="admin" password="admin" user_{user}="{secret}";
listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
"""


class Kafka:
    """A broker of our own. `listeners`: addresses by name: PLAINTEXT, and if secure SSL, OLD, SASL_PLAINTEXT.

    OLD has a certificate that has expired.
    """

    def __init__(self, folder: Path, *, keystores: tuple[Path, Path] | None = None, port: int | None = None) -> None:
        self._folder = folder
        names = ["PLAINTEXT"] if keystores is None else ["PLAINTEXT", "SSL", "OLD", "SASL_PLAINTEXT"]
        self.listeners = {name: f"127.0.0.1:{free_port()}" for name in names}
        if port is not None:
            self.listeners["PLAINTEXT"] = f"127.0.0.1:{port}"
        text = _PROPERTIES.format(
            folder=folder, controller=free_port(),
            listeners=",".join(f"{name}://{address}" for name, address in self.listeners.items()),
        )  # fmt: skip
        if keystores is not None:
            text += _SECURE.format(
                keystore=keystores[0], expired=keystores[1], password=STORE_PASSWORD, user=USER, secret=PASSWORD
            )
        self._properties = folder / "server.properties"
        self._properties.write_text(text)
        self._format(scram=keystores is not None)
        self.start()

    @property
    def bootstrap(self) -> str:
        return self.listeners["PLAINTEXT"]

    def _format(self, *, scram: bool) -> None:
        cluster = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=").replace("-", "_")
        users = [
            part for bits in (256, 512)
            for part in ("--add-scram", f"SCRAM-SHA-{bits}=[name={USER},password={PASSWORD}]")
        ]  # fmt: skip
        command = [*_java(128), "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties)]
        subprocess.run([*command, *(users if scram else [])], check=True, capture_output=True)

    def start(self) -> None:
        """Start the broker, again on the same data and ports, and wait until it answers."""
        self.process = Process([*_java(1024), "kafka.Kafka", str(self._properties)], self._folder / "kafka.log")
        self.process.wait_for(self._answers, seconds=60, what="Kafka")

    def _answers(self) -> bool:
        for address in self.listeners.values():
            host, port = address.split(":")
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))):
                    return False
        return "Kafka Server started" in self.process.log.read_text(errors="replace").rpartition("STARTING")[2]

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        self.process.kill()


def _java(heap: int) -> list[str]:
    return [
        "java", f"-Xmx{heap}m", "-XX:+UseSerialGC" if heap < 512 else "-XX:+UseG1GC",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=info", "-cp", f"{LIB}/*",
    ]  # fmt: skip
