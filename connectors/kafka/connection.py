"""Where a Kafka cluster is, how one is let in, and the same in the words of both client libraries."""

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class Unreachable(ValueError):
    """A cluster that cannot be used as configured: one line that names the setting and what to do."""


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


def ssl_context(tls: TLS) -> ssl.SSLContext:
    """What both libraries and the ssl module take. Raises Unreachable if a file cannot be used."""
    for name in ("ca", "certificate", "key"):
        if path := getattr(tls, name):
            _read(path, setting=f"kafka.tls.{name}")
    if tls.key and not tls.certificate:
        raise Unreachable("kafka.tls.certificate is missing: kafka.tls.key alone says nobody's name")
    try:
        context = ssl.create_default_context(cafile=tls.ca or None)
    except ssl.SSLError as error:
        raise Unreachable(f"kafka.tls.ca: no certificate in PEM form in {tls.ca}") from error
    context.check_hostname = tls.check_hostname
    if tls.certificate:
        _identify(context, tls)
    return context


def _read(path: str, *, setting: str) -> None:
    try:
        Path(path).read_bytes()
    except OSError as error:
        raise Unreachable(f"{setting}: cannot read {path} ({(error.strerror or str(error)).lower()})") from error


def _identify(context: ssl.SSLContext, tls: TLS) -> None:
    try:
        # a password of our own, because OpenSSL asks the terminal for one where a key has any
        context.load_cert_chain(tls.certificate, tls.key or None, password="")
    except ssl.SSLError as error:
        reason = (error.reason or "not in PEM form").lower().replace("_", " ")
        raise Unreachable(
            f"kafka.tls.certificate, kafka.tls.key: {tls.certificate} and {tls.key or 'the key in it'} cannot be used "
            f"({reason}); both in PEM form, one pair, the key without a password"
        ) from error


def aiokafka_settings(connection: Connection) -> dict[str, Any]:
    """Keyword arguments of every aiokafka client. They hold the password: not for printing."""
    return {"bootstrap_servers": list(connection.bootstrap), **_security(connection)}


def kafka_python_settings(connection: Connection) -> dict[str, Any]:
    """Keyword arguments of every kafka-python client. They hold the password: not for printing."""
    # the two libraries took the same names from the same ancestor
    return aiokafka_settings(connection)


def _security(connection: Connection) -> dict[str, Any]:
    tls, sasl = connection.tls, connection.sasl
    found: dict[str, Any] = {"security_protocol": ("SASL_" if sasl else "") + ("SSL" if tls else "PLAINTEXT")}
    if tls is not None:
        found["ssl_context"] = ssl_context(tls)
    if sasl is not None:
        found |= {
            "sasl_mechanism": sasl.mechanism,
            "sasl_plain_username": sasl.username,
            "sasl_plain_password": sasl.password,
        }
    return found


_LOGGERS = ("kafka", "aiokafka")
_lock = Lock()
_levels: list[int] = []
_quiet = 0


@contextmanager
def quiet() -> Iterator[None]:
    """The libraries' own log lines go nowhere meanwhile: what matters of them is raised, once, in one line."""
    global _quiet
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    with _lock:
        _quiet += 1
        if _quiet == 1:
            _levels[:] = [logger.level for logger in loggers]
            for logger in loggers:
                logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        with _lock:
            _quiet -= 1
            if not _quiet:
                for logger, level in zip(loggers, _levels, strict=True):
                    logger.setLevel(level)
