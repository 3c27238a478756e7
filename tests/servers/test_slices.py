"""Who waits for Redis gives a sign of life meanwhile, and hears whether to go on."""

from __future__ import annotations

import errno
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any
from unittest.mock import Mock

import pytest
import redis
from redis.connection import ConnectionPool, SSLConnection

from dealpurge import clock
from dealpurge.exceptions import RunLost
from dealpurge.servers import backoff
from dealpurge.servers.backoff import Backoff
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import Interrupted, Stopped
from tests.servers.test_tls import Certificates
from tests.support.scripted import ScriptedServer, Trickle
from tests.support.servers import missing
from tests.support.waiting import PAGE, Asked, connect, trickling

try:
    from redis._parsers import _HiredisParser, _RESP2Parser, _RESP3Parser
except ImportError:  # pragma: no cover
    pytest.skip("redis-py has other parsers", allow_module_level=True)

PARSERS = [(_HiredisParser, 2), (_HiredisParser, 3), (_RESP2Parser, 2), (_RESP3Parser, 3)]

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wait is ever long, and yet the clock goes on whenever it is looked at."""
    seconds = iter(range(10**6))
    monkeypatch.setattr(clock, "seconds", lambda: next(seconds) / 100)
    monkeypatch.setattr(backoff, "ASK_EVERY", 0.1)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        missing("openssl is not installed (apt-get install openssl)")
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(("parser", "protocol"), PARSERS)
def test_between_two_pieces_of_a_reply(parser: type, protocol: int, tls: bool, request: pytest.FixtureRequest) -> None:
    """Each comes only once the run was asked again, so that it ends but for these questions."""
    context, options = None, dict[str, Any](parser_class=parser, protocol=protocol)
    if tls:
        certificates: Certificates = request.getfixturevalue("certificates")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificates.path("server.pem"), certificates.path("server.key"))
        options |= {"connection_class": SSLConnection, "ssl_ca_certs": str(certificates.path("ca.pem"))}
    with trickling(context=context) as (trickle, server):
        asked = Asked(trickle.let_go)
        connection = connect(server.port, asked, **options)

        assert connection.ask("SCAN", 0) == PAGE

        assert asked.times > 10
        assert (connection.owed, connection.broken) == (0, False)
        trickle.let_go(1000)
        assert connection.ask("SCAN", 0) == PAGE
        connection.close()


def test_half_a_record_of_tls_is_not_lost_between_two_slices(certificates: Certificates) -> None:
    """What a slice ends in the middle of is put together by the next one."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.path("server.pem"), certificates.path("server.key"))
    with ScriptedServer([f"{'x' * 5000}{number}" for number in range(10)], context=context) as server:
        trickle = Trickle(b"", 1000)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=_forward, args=(listener, server.port, trickle), daemon=True).start()
            asked = Asked(trickle.let_go)
            trickle.let_go(30)
            ca = str(certificates.path("ca.pem"))
            options = {"connection_class": SSLConnection, "ssl_ca_certs": ca}
            connection = connect(listener.getsockname()[1], asked, **options)

            _, keys = connection.ask("SCAN", 0)

            connection.close()
            trickle.let_go(1000)
    assert sorted(keys) == sorted(server.keys)
    assert asked.times > 10


def _forward(listener: socket.socket, port: int, trickle: Trickle) -> None:
    """Pass on what comes from the server in pieces that know nothing of TLS."""
    client, _ = listener.accept()
    server = socket.create_connection(("127.0.0.1", port))

    def up() -> None:
        while data := client.recv(1 << 16):
            server.sendall(data)
        with suppress(OSError):  # it may have been the first to go
            server.shutdown(socket.SHUT_WR)

    threading.Thread(target=up, daemon=True).start()
    with client, server:
        while data := server.recv(1 << 16):
            trickle(client, [b""], data)


@pytest.mark.parametrize(("parser", "protocol"), PARSERS)
@pytest.mark.usefixtures("ticking")
def test_while_bytes_come_in_all_the_time(parser: type, protocol: int) -> None:
    with trickling(10_000) as (trickle, server):
        server.keys = dict.fromkeys(b"x" * 90 + b"%d" % number for number in range(100))
        trickle.let_go(1000)
        asked = Asked()
        connection = connect(server.port, asked, parser_class=parser, protocol=protocol, socket_read_size=10)

        connection.ask("SCAN", 0)

        assert 20 < asked.times < 1000
        connection.close()


def test_a_server_that_is_silent_is_given_up_after_its_timeout() -> None:
    with trickling() as (_, server):
        asked = Asked()
        connection = connect(server.port, asked, socket_timeout=0.3)
        began = time.monotonic()

        with pytest.raises(redis.TimeoutError):
            connection.ask("SCAN", 0)

        assert 0.25 < time.monotonic() - began < 2
        assert asked.times >= 10
        assert connection.broken


@pytest.mark.parametrize(
    "error",
    [
        RunLost("taken for lost"),
        BrokenPipeError("the terminal is gone"),
        TimeoutError("of something else"),
        redis.ConnectionError("of the host's own Redis"),
        redis.ResponseError("of the host's own Redis"),
        ValueError("a mistake of the host's"),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize(("parser", "protocol"), PARSERS)
def test_what_is_raised_meanwhile_passes_through(parser: type, protocol: int, error: BaseException) -> None:
    with trickling() as (_, server):
        asked = Asked(until=2)
        asked.error = error
        connection = connect(server.port, asked, parser_class=parser, protocol=protocol)
        sock = connection._connection._sock

        with pytest.raises(type(error)) as raised:
            connection.ask("SCAN", 0)

        assert raised.value is error
        assert (sock.fileno(), connection.owed, connection.broken) == (-1, 0, True)


@pytest.mark.parametrize("command", [b"AUTH", b"HELLO", b"CLIENT", b"SELECT", b"INFO"])
def test_what_is_raised_while_a_connection_is_made(command: bytes) -> None:
    """Whichever reply it is that does not come."""
    trickle, protocol = Trickle(command), 3 if command == b"HELLO" else 2
    with ScriptedServer((), deliver=trickle) as server:
        asked = Asked(until=3)
        asked.error = RunLost("taken for lost")
        options: dict[str, Any] = {} if protocol == 3 else {"password": "secret", "db": 1}
        pool = ConnectionPool(host="127.0.0.1", port=server.port, protocol=protocol, socket_timeout=2, **options)
        connection = ServerConnection(pool, asked)

        with pytest.raises(RunLost):
            connection.open()

        assert connection._connection is None
        trickle.let_go(1000)


def test_who_is_told_to_stop_still_reads_what_comes_at_once() -> None:
    with trickling() as (trickle, server):
        asked = Asked(lambda: trickle.let_go(1000) if asked.times > asked.until else None, until=3)
        connection = connect(server.port, asked)

        assert connection.ask("SCAN", 0) == PAGE

        assert not connection.keep_going()
        connection.close()


def test_who_is_told_to_stop_waits_no_longer_than_the_grace() -> None:
    with trickling() as (_, server):
        connection = connect(server.port, Asked(until=3), socket_timeout=10)
        began = time.monotonic()

        with pytest.raises(Stopped):
            connection.ask("SCAN", 0)

        assert 0.3 < time.monotonic() - began < 2
        assert connection.broken


@pytest.mark.usefixtures("ticking")
def test_who_is_told_to_stop_does_not_read_on_for_ever() -> None:
    with trickling(10_000) as (trickle, server):
        server.keys = dict.fromkeys(b"x" * 90 + b"%d" % number for number in range(100))
        trickle.let_go(1000)
        connection = connect(server.port, Asked(until=3), socket_read_size=10)

        with pytest.raises(Stopped):
            connection.ask("SCAN", 0)


def test_nothing_is_deleted_once_a_wait_heard_that_the_run_ends(time_passes: Callable[[float], None]) -> None:
    asked = Asked(until=0)
    waiting = Backoff(asked)
    time_passes(2 * backoff.ASK_EVERY)
    waiting.while_waiting(owed=True)

    with pytest.raises(Stopped):
        waiting.confirm()

    assert asked.times == 2


def test_who_goes_on_after_all_may_wait_again() -> None:
    """As where the work of one thread stopped that of another, and all begin anew."""
    waiting = Backoff(lambda: False)
    waiting.may_go_on()
    waiting.keep_going = lambda: True

    waiting.while_waiting()
    waiting.confirm()


@pytest.mark.parametrize("error", [None, RunLost("taken for lost")])
def test_what_is_owed_is_read_for_a_moment_however_long_the_answer_took(
    time_passes: Callable[[float], None], error: Exception | None
) -> None:
    """As where the database was in trouble until somebody cancelled the run."""
    asked = Asked(lambda: time_passes(60), until=0)
    asked.error = error
    waiting = Backoff(asked)

    with pytest.raises(RunLost) if error else nullcontext():
        waiting.may_go_on()

    waiting.while_waiting(owed=True)


def test_what_is_owed_is_read_for_a_moment_after_an_error() -> None:
    """What Redis has done belongs into the counts of a run that is lost, too."""
    waiting = Backoff(Asked(until=0))
    error = waiting.keep_going.error = RunLost("taken for lost")  # type: ignore[attr-defined]
    with pytest.raises(RunLost):
        waiting.may_go_on()

    waiting.while_waiting(owed=True)

    with pytest.raises(Interrupted) as interrupted:
        waiting.while_waiting()
    assert interrupted.value.reason is error


def test_an_error_of_the_network_ends_a_wait_at_once() -> None:
    """Python has one class for the timeout of a socket and for one of TCP."""
    with ScriptedServer(()) as server:
        connection = connect(server.port, Asked())
        raw = connection._connection._sock._sock
        connection._connection._sock._sock = broken = Mock(recv_into=Mock(side_effect=OSError(errno.ETIMEDOUT, "")))
        broken.recv = broken.recv_into

        with pytest.raises(redis.TimeoutError):
            connection.read()

        assert broken.recv.call_count == 1
        raw.close()


# What goes the other way


@contextmanager
def full(asked: Asked) -> Iterator[tuple[ServerConnection, socket.socket]]:
    """A connection whose other end reads nothing, and that end."""
    with ScriptedServer((), deliver=Trickle(b"PING")) as server:
        connection = connect(server.port, asked, socket_timeout=1)
        ours, theirs = socket.socketpair()
        raw = connection._connection._sock._sock
        ours.settimeout(raw.gettimeout())
        connection._connection._sock._sock = ours
        with theirs:
            yield connection, theirs
        connection.close()
        raw.close()
        server.deliver.let_go()  # type: ignore[attr-defined]


def test_while_a_server_takes_nothing() -> None:
    asked = Asked()
    with full(asked) as (connection, _):
        with pytest.raises(redis.TimeoutError):
            connection.send("SET", "x", b"x" * 10_000_000)

        assert asked.times > 10


def test_what_is_raised_while_a_server_takes_nothing() -> None:
    asked = Asked(until=5)
    asked.error = RunLost("taken for lost")
    with full(asked) as (connection, _):
        with pytest.raises(RunLost):
            connection.send("SET", "x", b"x" * 10_000_000)

        assert connection.broken


def test_what_a_server_takes_bit_by_bit_arrives_whole() -> None:
    with full(asked := Asked()) as (connection, theirs):
        got = list[bytes]()
        theirs.setblocking(False)
        asked.each = lambda: got.append(_received(theirs))

        connection.send("SET", "x", b"x" * 3_000_000)

        theirs.setblocking(True)
        while sum(map(len, got)) < 3_000_000:
            got.append(theirs.recv(1 << 20))
        assert asked.times > 10
        assert b"".join(got).count(b"x") == 3_000_001


def _received(sock: socket.socket) -> bytes:
    try:
        return sock.recv(100_000)
    except BlockingIOError:
        return b""


# Timeouts


@pytest.mark.parametrize(("seconds", "slices"), [(0.5, 0.02), (0.03, 0.015), (0.01, 0.01), (0, 0), (None, None)])
def test_whatever_timeout_redis_py_sets(seconds: float | None, slices: float | None) -> None:
    with ScriptedServer(()) as server:
        connection = connect(server.port, Asked())
        sock = connection._connection._sock

        sock.settimeout(seconds)

        assert sock.gettimeout() == pytest.approx(slices)
        if seconds == 0:
            with pytest.raises(BlockingIOError):
                sock.recv(1)
        connection.close()
