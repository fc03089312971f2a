"""Before anything else: can this cluster be used as configured, and if not, which setting is wrong."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from connectors.kafka.connection import TLS, Connection, Unreachable, aiokafka_settings, quiet, ssl_context

PATIENCE = 3.0
"""seconds for one step: an open port, a handshake, an answer"""

EXPIRED, NOT_YET, OTHER_NAME, OTHER_ADDRESS = 10, 9, 62, 64
"""OpenSSL's X509_V_ERR_*"""

_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which the ssl module does not name"""

Address = tuple[str, int]


def check(connection: Connection) -> None:
    """Knock, shake hands, log in and ask for the brokers, once, in about 10 s at most. It blocks; call it in a thread.

    Raises Unreachable with one line that names the setting: kafka.bootstrap, kafka.tls.*, kafka.sasl.
    """
    asyncio.run(preflight(connection))


async def preflight(connection: Connection) -> None:
    """The same, in a running loop."""
    addresses = [address(text) for text in connection.bootstrap]
    if not addresses:
        raise Unreachable("kafka.bootstrap: no address; name at least one broker as host:port")
    settings = aiokafka_settings(connection)
    del settings["bootstrap_servers"]
    patience = max(1.0, PATIENCE / len(addresses))
    silent = []
    for place in addresses:
        if reason := await _knock(place, patience):
            silent.append(f"{_text(place)} ({reason})")
            continue
        with quiet():
            await _enter(connection, place, settings)
        return
    raise Unreachable(f"kafka.bootstrap: nothing answers at {', '.join(silent)}")


def address(text: str) -> Address:
    """host:port or [host]:port. Raises Unreachable."""
    host, colon, port = text.strip().rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not (colon and bare and port.isascii() and port.isdigit() and 0 < int(port) < 65536) or "/" in bare:
        raise Unreachable(f"kafka.bootstrap: an address is host:port, such as 127.0.0.1:9092; got '{text}'")
    return bare, int(port)


def _text(place: Address) -> str:
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _knock(place: Address, seconds: float) -> str:
    """Why nobody opens; empty if somebody does."""
    try:
        opened = await asyncio.to_thread(socket.create_connection, place, seconds)
    except TimeoutError:
        return f"no answer within {seconds:.0f} s"
    except (socket.gaierror, UnicodeError):
        return "the name does not resolve"
    except OSError as error:
        return os.strerror(error.errno).lower() if error.errno else str(error)
    opened.close()
    return ""


async def _enter(connection: Connection, place: Address, settings: dict[str, Any]) -> None:
    try:
        async with _greeted(place, settings) as greeted:
            try:
                answer = await greeted.send(MetadataRequest([]))
            except (KafkaError, OSError, TimeoutError) as error:
                # a listener that wants a user answers the greeting of one without, and hangs up at the first question
                raise Unreachable(_no_user(connection, place)) from error
    except ssl.SSLCertVerificationError as error:
        raise await _distrust(connection, place, error) from error
    except (KafkaError, OSError, TimeoutError) as error:
        raise await _refused(connection, place, error) from error
    await _reach([(host, port) for _, host, port, *_ in answer.brokers], asked=place)


@asynccontextmanager
async def _greeted(place: Address, settings: dict[str, Any]) -> AsyncIterator[AIOKafkaConnection]:
    """One connection, on which nothing is tried twice."""
    opened = AIOKafkaConnection(*place, request_timeout_ms=int(PATIENCE * 1000), **settings)
    try:
        await opened.connect()
        yield opened
    finally:
        await asyncio.wait([opened.close()], timeout=0.25)


async def _distrust(connection: Connection, place: Address, error: ssl.SSLCertVerificationError) -> Unreachable:
    where = f"the broker's certificate at {_text(place)}"
    if error.verify_code in (EXPIRED, NOT_YET):
        said = "has expired" if error.verify_code == EXPIRED else "is not valid yet"
        return Unreachable(
            f"kafka.tls.ca: {where} {said}{await _dates(connection.tls or TLS(), place)}; the broker needs a new one"
        )
    if error.verify_code in (OTHER_NAME, OTHER_ADDRESS):
        return Unreachable(
            f"kafka.bootstrap: {where} is not made out to '{place[0]}'; use a name that stands in it, "
            "or set kafka.tls.check_hostname = false"
        )
    authority = (connection.tls and connection.tls.ca) or "the system's authorities"
    return Unreachable(
        f"kafka.tls.ca: {where} is not signed by {authority} ({error.verify_message}); "
        "name the file of the authority that signed it"
    )


async def _dates(tls: TLS, place: Address) -> str:
    """Another handshake that does not mind the time, to read when the certificate is valid."""
    context = ssl_context(tls)
    context.verify_flags |= _NO_CHECK_TIME
    try:
        found = await asyncio.to_thread(_certificate, place, context)
    except OSError:
        return ""
    first, last = (
        datetime.fromtimestamp(ssl.cert_time_to_seconds(found[name]), UTC) for name in ("notBefore", "notAfter")
    )
    return f" (not valid after {last:%Y-%m-%d %H:%M:%SZ})" if last < datetime.now(UTC) else f" (from {first:%Y-%m-%d})"


def _certificate(place: Address, context: ssl.SSLContext) -> dict[str, Any]:
    with (
        socket.create_connection(place, PATIENCE) as raw,
        context.wrap_socket(raw, server_hostname=place[0]) as secured,
    ):
        return dict(secured.getpeercert() or {})


async def _refused(connection: Connection, place: Address, error: Exception) -> Unreachable:
    """What a broker means that lets nobody in."""
    where, sasl = _text(place), connection.sasl
    if sasl is not None and isinstance(error, SaslAuthenticationFailed):
        return Unreachable(f"kafka.sasl: the broker refused user '{sasl.username}' ({sasl.mechanism}) at {where}")
    if sasl is not None and isinstance(error, UnsupportedSaslMechanismError):
        return Unreachable(f"kafka.sasl.mechanism: {sasl.mechanism} is not enabled at {where}; use one that is")
    if isinstance(error, IllegalSaslStateError):
        return Unreachable(f"kafka.sasl: {where} asks for no user; leave kafka.sasl out, or use the port that does")
    if isinstance(error, TimeoutError):
        return Unreachable(
            f"kafka.bootstrap: {where} is open, but silent for {PATIENCE:.0f} s; does the broker hang, or is it none?"
        )
    if connection.tls is None:
        if await asyncio.to_thread(_speaks_tls, place):
            return Unreachable(f"kafka.tls: {where} speaks TLS only; add kafka.tls, or use a port without TLS")
    elif await _speaks_plainly(place):
        return Unreachable(f"kafka.tls: {where} does not speak TLS; leave kafka.tls out, or use the port that does")
    elif await asyncio.to_thread(_speaks_tls, place):
        held = "refused the one that was shown" if connection.tls.certificate else "wants one"
        return Unreachable(
            f"kafka.tls.certificate: {where} hung up after the handshake; a broker that asks for our certificate {held}"
        )
    return Unreachable(f"kafka.bootstrap: {where} is open, but no Kafka broker answers; is it another port?")


def _no_user(connection: Connection, place: Address) -> str:
    if connection.sasl is None:
        return f"kafka.sasl: {_text(place)} lets nobody in without a user; add kafka.sasl with username and password"
    return f"kafka.bootstrap: {_text(place)} greets, but does not answer; look into the broker's log"


def _speaks_tls(place: Address) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(place, PATIENCE) as raw, context.wrap_socket(raw, server_hostname=place[0]):
            return True
    except OSError:
        return False


async def _speaks_plainly(place: Address) -> bool:
    try:
        async with _greeted(place, {"security_protocol": "PLAINTEXT"}):
            return True
    except (KafkaError, OSError, TimeoutError):
        return False


async def _reach(brokers: list[Address], *, asked: Address) -> None:
    """The first address is only where one asks; the work is done where the brokers say that they are."""
    reasons = await asyncio.gather(*(_knock(broker, PATIENCE) for broker in brokers))
    if all(reasons):
        named = ", ".join(f"{_text(broker)} ({reason})" for broker, reason in zip(brokers, reasons, strict=True))
        raise Unreachable(
            f"kafka.bootstrap: {_text(asked)} answers and sends us to {named}; "
            "advertised.listeners of the broker must name an address that can be reached from here"
        )
