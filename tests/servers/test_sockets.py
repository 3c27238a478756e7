"""What comes over a connection is bounded, whatever the other end sends."""

from __future__ import annotations

import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from redis.connection import ConnectionPool

from dealpurge.exceptions import RedisUnavailable
from dealpurge.servers import sockets
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.sockets import OVERSIZED, Alone, Trimmer, digest

try:
    from redis._parsers import _HiredisParser, _RESP2Parser, _RESP3Parser
except ImportError:  # pragma: no cover
    pytest.skip("redis-py has other parsers", allow_module_level=True)

ENTRY = b"*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$%d\r\n%b\r\n"
PIECE = b"x" * (1 << 20)


@contextmanager
def answering(reply: bytes, *, endless: bool = False) -> Iterator[int]:
    """A server that answers SCAN with this, again and again if endless, and everything else with OK; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection, suppress(OSError):
                        while data := connection.recv(1 << 16):
                            if b"SCAN" not in data:
                                connection.sendall(b"+OK\r\n" * max(1, data.count(b"\r\n*") + data.startswith(b"*")))
                                continue
                            connection.sendall(reply)
                            while endless:
                                connection.sendall(PIECE)

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]


def connect(port: int, **options: Any) -> ServerConnection:
    pool = ConnectionPool(host="127.0.0.1", port=port, **options)
    connection = ServerConnection(pool, lambda: True)
    connection.open()
    return connection


@pytest.mark.parametrize("parser", [_HiredisParser, _RESP2Parser, _RESP3Parser])
@pytest.mark.parametrize("reply", [b"$4000000000\r\n", b"*2\r\n$1\r\n0\r\n*1\r\n$4000000000\r\n", b"+"])
def test_a_reply_of_gigabytes_ends_the_run_with_words(
    parser: type, reply: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "MOST_BYTES", 4 << 20)
    with answering(reply, endless=True) as port:
        connection = connect(port, parser_class=parser, protocol=2)
        tracemalloc.start()

        with pytest.raises(RedisUnavailable) as refused:
            connection.ask("SCAN", 0)

        assert tracemalloc.get_traced_memory()[1] < 5 * (4 << 20)
        tracemalloc.stop()
        assert (refused.value.reason, str(refused.value)) == ("refused", OVERSIZED.format(4))
        assert connection.owed == 0


@pytest.mark.parametrize("parser", [_HiredisParser, _RESP2Parser])
def test_a_large_reply_is_not_held(parser: type) -> None:
    large = b"x" * 20_000_000
    reply = b"*2\r\n$4\r\nlast\r\n" + ENTRY % (len(large), large)
    with answering(reply) as port:
        connection = connect(port, parser_class=parser, protocol=2)
        tracemalloc.start()

        assert connection.ask_all([Alone(("SCAN", 0))]) == [[b"last", [b"1-1", []]]]

        assert tracemalloc.get_traced_memory()[1] < 2_000_000
        tracemalloc.stop()
        assert connection.limit.taken == len(reply)
        assert connection.ask("PING") in (b"OK", "OK")
        connection.close()


@pytest.mark.parametrize("parser", [_HiredisParser, _RESP2Parser])
def test_what_is_left_out_at_the_end_is_read_to_its_end(parser: type) -> None:
    """The next reply begins behind it, however much of it is still to come when all that is kept is there."""
    large = b"x" * 20_000_000
    reply = b"*2\r\n$4\r\nlast\r\n*1\r\n*1\r\n*1\r\n$%d\r\n%b\r\n" % (len(large), large)
    with answering(reply) as port:
        connection = connect(port, parser_class=parser, protocol=2)

        for _ in range(3):
            assert connection.ask_all([Alone(("SCAN", 0))]) == [[b"last", [[]]]]
        assert connection.ask_all([Alone(("SCAN", 0)), Alone(("PING",))])[1] in (b"OK", "OK")
        connection.close()


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1 << 20])
def test_what_is_trimmed_is_whole_again(piece: int) -> None:
    """However it is cut on its way."""
    long = b"\r\n*3\r\n$" * 20_000
    text = b"*3\r\n:1\r\n$%d\r\n%b\r\n%%1\r\n+a\r\n*2\r\n*1\r\n:5\r\n*-1\r\n-ERR\r\n" % (len(long), long)
    trimmer = Trimmer()

    kept = b"".join(trimmer.feed(text[place : place + piece]) for place in range(0, len(text), piece))

    assert kept == b"*3\r\n:1\r\n$16\r\n%b\r\n%%1\r\n+a\r\n*0\r\n-ERR\r\n" % digest(long)
    assert trimmer.rest() == b""
