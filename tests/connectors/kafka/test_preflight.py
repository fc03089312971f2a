"""What is wrong is said in one line that names the setting; nothing else is printed or logged."""

import asyncio
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.kafka.connection import (
    SASL,
    TLS,
    Connection,
    Mechanism,
    Unreachable,
    aiokafka_settings,
    kafka_python_settings,
    quiet,
    ssl_context,
)
from connectors.kafka.preflight import address, check
from tests.connectors.kafka.conftest import user
from tests.servers.fixtures import Secure
from tests.servers.kafka import USER


def refusal(connection: Connection, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(Unreachable) as refused:
        check(connection)
    assert "\n" not in str(refused.value)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert capfd.readouterr() == ("", "")
    return str(refused.value)


def let_in(connection: Connection) -> None:
    try:
        check(connection)
    except Unreachable as error:
        pytest.fail(str(error))


def at(secure: Secure, listener: str, tls: TLS | None = None) -> Connection:
    return Connection(bootstrap=(secure.listeners[listener],), tls=tls)


# addresses


@pytest.mark.parametrize(
    ("text", "place"),
    [("localhost:9092", ("localhost", 9092)), ("[::1]:9092", ("::1", 9092)), (" k-1.plant:1 ", ("k-1.plant", 1))],
)
def test_an_address_is_host_and_port(text: str, place: tuple[str, int]) -> None:
    assert address(text) == place


@pytest.mark.parametrize(
    "text", ["", "localhost", "localhost:", ":9092", "localhost:0", "k:65536", "k:a", "k://h:9092"]
)
def test_another_address_is_refused(text: str) -> None:
    with pytest.raises(Unreachable, match=r"kafka\.bootstrap: an address is host:port, such as .*; got"):
        address(text)


def test_no_address_is_refused() -> None:
    with pytest.raises(Unreachable, match=r"kafka\.bootstrap: no address"):
        check(Connection(bootstrap=()))


@pytest.fixture
def deaf() -> Iterator[str]:
    """A port that is open, behind which nobody says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_nobody_answers(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    told = refusal(Connection(bootstrap=("127.0.0.1:1", "nowhere.invalid:9092")), caplog, capfd)
    assert told == (
        "kafka.bootstrap: nothing answers at 127.0.0.1:1 (connection refused), "
        "nowhere.invalid:9092 (the name does not resolve)"
    )


def test_an_open_port_that_is_no_broker(
    deaf: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    told = refusal(Connection(bootstrap=(deaf,)), caplog, capfd)
    assert told == f"kafka.bootstrap: {deaf} is open, but silent for 3 s; does the broker hang, or is it none?"


@pytest.mark.servers
def test_one_address_of_several_is_enough(bootstrap: str) -> None:
    let_in(Connection(bootstrap=("127.0.0.1:1", bootstrap)))


@pytest.mark.servers
def test_a_broker_that_sends_us_elsewhere(
    guarded: Secure, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    told = refusal(at(guarded, "SSL", TLS(ca=str(guarded.certificate))), caplog, capfd)
    assert "answers and sends us to 127.0.0.1:1 (connection refused); advertised.listeners" in told


# TLS


@pytest.mark.servers
def test_tls_lets_in(secure: Secure) -> None:
    let_in(at(secure, "SSL", TLS(ca=str(secure.certificate))))
    named = ("localhost:" + secure.listeners["SSL"].split(":")[1],)
    let_in(Connection(bootstrap=named, tls=TLS(ca=str(secure.certificate))))


@pytest.mark.servers
def test_an_expired_certificate(
    secure: Secure, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    told = refusal(at(secure, "OLD", TLS(ca=str(secure.expired))), caplog, capfd)
    assert told.startswith(
        f"kafka.tls.ca: the broker's certificate at {secure.listeners['OLD']} has expired (not valid"
    )
    assert "(not valid after 20" in told


@pytest.mark.servers
@pytest.mark.parametrize("ours", [False, True])
def test_an_unknown_authority(
    secure: Secure, ours: bool, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    told = refusal(at(secure, "SSL", TLS(ca=str(secure.expired) if ours else "")), caplog, capfd)
    assert told.startswith("kafka.tls.ca: the broker's certificate at ")
    assert ("is not signed by " + (str(secure.expired) if ours else "the system's authorities")) in told


@pytest.mark.servers
def test_a_certificate_for_another_name(
    secure: Secure, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    elsewhere = ("0.0.0.0:" + secure.listeners["SSL"].split(":")[1],)
    told = refusal(Connection(bootstrap=elsewhere, tls=TLS(ca=str(secure.certificate))), caplog, capfd)
    assert "is not made out to '0.0.0.0'" in told
    assert told.startswith("kafka.bootstrap: ")
    tolerant = TLS(ca=str(secure.certificate), check_hostname=False)
    let_in(Connection(bootstrap=elsewhere, tls=tolerant))


@pytest.mark.servers
def test_tls_where_there_is_none_and_none_where_there_is(
    secure: Secure, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    plain, tls = secure.listeners["PLAINTEXT"], secure.listeners["SSL"]
    told = refusal(at(secure, "PLAINTEXT", TLS(ca=str(secure.certificate))), caplog, capfd)
    assert told == f"kafka.tls: {plain} does not speak TLS; leave kafka.tls out, or use the port that does"
    told = refusal(at(secure, "SSL"), caplog, capfd)
    assert told == f"kafka.tls: {tls} speaks TLS only; add kafka.tls, or use a port without TLS"


@pytest.mark.servers
def test_a_broker_that_asks_for_our_certificate(
    guarded: Secure, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    told = refusal(at(guarded, "OLD", TLS(ca=str(guarded.certificate))), caplog, capfd)
    assert told.startswith("kafka.tls.certificate: ")
    assert told.endswith("a broker that asks for our certificate wants one")


def tls(name: str, path: Path) -> TLS:
    return {"ca": TLS(ca=str(path)), "certificate": TLS(certificate=str(path)), "key": TLS(key=str(path))}[name]


@pytest.mark.parametrize("name", ["ca", "certificate", "key"])
def test_a_file_that_is_not_there_or_no_pem(name: str, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=rf"kafka\.tls\.{name}: cannot read .*none\.pem \(no such file"):
        check(Connection(bootstrap=("127.0.0.1:1",), tls=tls(name, tmp_path / "none.pem")))
    with pytest.raises(Unreachable, match=rf"kafka\.tls\.{name}: cannot read .* \(is a directory\)"):
        ssl_context(tls(name, tmp_path))
    (tmp_path / "some.pem").write_text("nothing")
    with pytest.raises(Unreachable, match=rf"kafka\.tls\.(certificate, kafka\.tls\.)?{name}|kafka\.tls\.certificate"):
        ssl_context(tls(name, tmp_path / "some.pem"))


# users


@pytest.mark.servers
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_the_right_user_is_let_in_and_the_wrong_one_is_not(
    secure: Secure, mechanism: Mechanism, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    let_in(user(secure, mechanism=mechanism))
    caplog.clear()
    where = secure.listeners["SASL_PLAINTEXT"]
    told = refusal(user(secure, mechanism=mechanism, password="wr0ng!"), caplog, capfd)
    assert told == f"kafka.sasl: the broker refused user '{USER}' ({mechanism}) at {where}"
    assert f"user 'nobody' ({mechanism})" in refusal(user(secure, mechanism=mechanism, name="nobody"), caplog, capfd)


@pytest.mark.servers
def test_a_user_where_none_is_asked_for_and_none_where_one_is(
    secure: Secure, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    plain = Connection(bootstrap=(secure.listeners["PLAINTEXT"],), sasl=user(secure).sasl)
    assert "asks for no user; leave kafka.sasl out" in refusal(plain, caplog, capfd)
    assert "lets nobody in without a user; add kafka.sasl" in refusal(at(secure, "SASL_PLAINTEXT"), caplog, capfd)


@pytest.mark.servers
def test_a_mechanism_that_is_not_enabled(
    guarded: Secure, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    told = refusal(user(guarded, mechanism="SCRAM-SHA-256"), caplog, capfd)
    assert told == (
        f"kafka.sasl.mechanism: SCRAM-SHA-256 is not enabled at {guarded.listeners['SASL_PLAINTEXT']}; use one that is"
    )


# settings


def test_settings_of_both_libraries() -> None:
    sasl = SASL(mechanism="PLAIN", username="me", password="s3cret")
    for settings in (aiokafka_settings, kafka_python_settings):
        plain = settings(Connection(bootstrap=("a:1", "b:2")))
        assert plain == {"bootstrap_servers": ["a:1", "b:2"], "security_protocol": "PLAINTEXT"}
        found = settings(Connection(bootstrap=("a:1",), tls=TLS(), sasl=sasl))
        assert found["security_protocol"] == "SASL_SSL"
        assert found["sasl_plain_password"] == "s3cret"
        assert found["ssl_context"].check_hostname
    assert "s3cret" not in repr(Connection(bootstrap=("a:1",), sasl=sasl))


def test_loggers_are_as_before_when_the_last_one_leaves() -> None:
    logger = logging.getLogger("aiokafka")
    before = logger.level
    first, second = quiet(), quiet()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not logger.isEnabledFor(logging.ERROR)
    second.__exit__(None, None, None)
    assert logger.level == before
    assert logger.isEnabledFor(logging.ERROR)


@pytest.mark.servers
async def test_it_runs_in_a_thread_beside_a_running_loop(bootstrap: str) -> None:
    await asyncio.to_thread(let_in, Connection(bootstrap=(bootstrap,)))
    with pytest.raises(Unreachable, match=r"kafka\.bootstrap: nothing answers"):
        await asyncio.to_thread(check, Connection(bootstrap=("127.0.0.1:1",)))
