"""A proxy that spreads keys over several servers, as Envoy's redis_proxy was measured to: INFO of its own, SCAN of one
server, no DBSIZE. Or it passes on what it is asked, but for commands that it does not know."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from zlib import crc32

import redis

from tests.support.servers import RedisServer

#: As Envoy puts it together: neither the port nor the number of a process.
ENVOYS_INFO = b"# Server\nredis_version:7.0.15\nredis_mode:cluster\nos:Linux\narch_bits:64\nrun_id:%s\nhz:10\n" % (
    b"a" * 40
)


class ShardingProxy:
    """Where a command goes: by its key, and SCAN to the first server. ``closing``: commands upon which it hangs up.
    ``replies``: what it says by itself."""

    def __init__(
        self,
        servers: Sequence[RedisServer],
        *,
        unknown: Sequence[str] = (),
        refused: Sequence[str] = (),
        closing: Sequence[str] = (),
        replies: Mapping[str, Any] | None = None,
    ) -> None:
        self.clients = [server.client(client_name="test") for server in servers]
        self.unknown, self.refused, self.closing = unknown, refused, closing
        self.replies = replies or {}
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(OSError, ValueError):  # it hears no TLS
                    for words in _requests(self.rfile):
                        if words[0].decode().upper() in proxy.closing:
                            return
                        self.wfile.write(proxy.answer(words))

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._listener = Listener(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._listener.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.server_address[1]}/0?protocol=2"

    def __enter__(self) -> ShardingProxy:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()
        for client in self.clients:
            client.close()

    def answer(self, words: list[bytes]) -> bytes:
        name = words[0].decode().upper()
        if name in self.unknown:
            return b"-ERR unknown command '%s'\r\n" % words[0]
        if name in self.refused:
            return b"-NOPERM this user has no permissions to run the '%s' command\r\n" % words[0].lower()
        if name in self.replies:
            return _encoded(self.replies[name])
        if name == "UNLINK":
            return _encoded(sum(self._of(key).unlink(key) for key in words[1:]))
        client = self._of(words[1]) if name in {"EXISTS", "TYPE", "SET"} else self.clients[0]
        connection = client.connection_pool.get_connection()
        try:
            connection.send_command(*words)  # type: ignore[no-untyped-call]
            return _encoded(connection.read_response(disable_decoding=True))
        except redis.ResponseError as exc:
            return b"-ERR %s\r\n" % str(exc).encode()
        finally:
            client.connection_pool.release(connection)

    def _of(self, key: bytes) -> redis.Redis:
        return self.clients[crc32(key) % len(self.clients)]


def _requests(stream: Any) -> Iterator[list[bytes]]:
    while line := stream.readline():
        yield [stream.read(int(stream.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]


def _encoded(reply: Any) -> bytes:
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, list):
        return b"*%d\r\n" % len(reply) + b"".join(map(_encoded, reply))
    return b"$-1\r\n" if reply is None else b"$%d\r\n%s\r\n" % (len(reply), reply)
