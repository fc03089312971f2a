"""Where a Kafka cluster is and how one is let in."""

from dataclasses import dataclass
from typing import Literal

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TLS:
    """Files in PEM form; empty = the system's certificate authorities, and no certificate of our own.

    check_hostname: the broker's certificate must name the host that was asked for
    """

    ca: str = ""
    certificate: str = ""
    key: str = ""
    check_hostname: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SASL:
    """A user of the cluster. The password never prints."""

    mechanism: Mechanism
    username: str
    password: str

    def __repr__(self) -> str:
        return f"SASL(mechanism={self.mechanism!r}, username={self.username!r}, password=***)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """bootstrap: addresses as host:port; tls, sasl: None = without."""

    bootstrap: tuple[str, ...]
    tls: TLS | None = None
    sasl: SASL | None = None
