"""A server of a few commands that keeps keys without values, and answers some commands as a test says."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

#: RESP as it goes over the wire, for the words of a command; None: the true answer.
Script = Callable[[list[bytes]], bytes | None]
#: How an answer to the words of a command gets to a client.
Deliver = Callable[[socket.socket, list[bytes], bytes], None]

PAGE = 100


def bulk(value: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(value), value)


def array(parts: Iterable[bytes]) -> bytes:
    items = list(parts)
    return b"*%d\r\n%s" % (len(items), b"".join(items))


class ScriptedServer:
    """Every events key is a stream, last written two hours ago. `asked` counts commands, `script` is asked first.

    With a `context` it speaks TLS.
    """

    def __init__(
        self,
        keys: Iterable[str],
        script: Script = lambda words: None,
        deliver: Deliver = lambda peer, words, answer: peer.sendall(answer),
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.keys = dict.fromkeys(key.encode() for key in keys)
        self.script, self.deliver, self.context = script, deliver, context
        self.asked: Counter[str] = Counter()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> ScriptedServer:
        self._threads[0].start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._sockets:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets.append(peer)
                self._threads.append(threading.Thread(target=self._serve, args=(peer,)))
                self._threads[-1].start()

    def _serve(self, peer: socket.socket) -> None:
        queue: list[list[bytes]] | None = None
        if self.context:
            peer = self.context.wrap_socket(peer, server_side=True)
            self._sockets.append(peer)
        with suppress(OSError, ValueError), peer, peer.makefile("rb") as lines:
            while header := lines.readline():
                words = [lines.read(int(lines.readline()[1:]) + 2)[:-2] for _ in range(int(header[1:]))]
                name = words[0].upper().decode()
                self.asked[name] += 1
                scripted = self.script(words)
                if scripted is not None:
                    answer = scripted
                elif name == "MULTI":
                    queue, answer = [], b"+OK\r\n"
                elif name == "EXEC":
                    answer, queue = array(map(self._answer, queue or ())), None
                elif name == "DISCARD":
                    queue, answer = None, b"+OK\r\n"
                elif queue is not None:
                    queue.append(words)
                    answer = b"+QUEUED\r\n"
                else:
                    answer = self._answer(words)
                self.deliver(peer, words, answer)

    def _answer(self, words: list[bytes]) -> bytes:
        answer: Any = getattr(self, f"_{words[0].lower().decode()}", None)
        return answer(words) if answer else b"+OK\r\n"

    def _info(self, words: list[bytes]) -> bytes:
        return bulk(b"run_id:scripted\r\n")

    def _client(self, words: list[bytes]) -> bytes:
        return b"-ERR unknown subcommand\r\n"

    def _hello(self, words: list[bytes]) -> bytes:
        return b"%1\r\n" + bulk(b"proto") + b":3\r\n"

    def _dbsize(self, words: list[bytes]) -> bytes:
        return b":%d\r\n" % len(self.keys)

    def _scan(self, words: list[bytes]) -> bytes:
        """The cursor is a place among the names, which stand in no order."""
        rest = sorted(key for key in self.keys if place(key) >= int(words[1]))
        rest.sort(key=place)
        here = rest[:PAGE]
        cursor = place(here[-1]) + 1 if len(rest) > PAGE else 0
        return array((bulk(b"%d" % cursor), array(map(bulk, here))))

    def _unlink(self, words: list[bytes]) -> bytes:
        found = [key for key in words[1:] if key in self.keys]
        for key in found:
            del self.keys[key]
        return b":%d\r\n" % len(found)

    def _exists(self, words: list[bytes]) -> bytes:
        return b":%d\r\n" % (words[1] in self.keys)

    def _time(self, words: list[bytes]) -> bytes:
        return array((bulk(b"%d" % time.time()), bulk(b"0")))

    def _type(self, words: list[bytes]) -> bytes:
        return b"+stream\r\n" if words[1] in self.keys else b"+none\r\n"

    def _object(self, words: list[bytes]) -> bytes:
        return b":7200\r\n" if words[2] in self.keys else b"$-1\r\n"

    def _xinfo(self, words: list[bytes]) -> bytes:
        if words[2] not in self.keys:
            return b"-ERR no such key\r\n"
        last = b"%d-0" % ((time.time() - 7200) * 1000)
        return array(map(bulk, (b"length", b"1", b"last-generated-id", last)))


def place(key: bytes) -> int:
    """A number of its own for each key, as good as surely."""
    return hash(key) & (2**62 - 1)


class Trickle:
    """Delivers the answers to one command piece by piece, each when it is let go, and all others at once."""

    def __init__(self, command: bytes, size: int = 1) -> None:
        self.command, self.size = command, size
        self.pieces = threading.Semaphore(0)

    def let_go(self, number: int = 1) -> None:
        self.pieces.release(number)

    def __call__(self, peer: socket.socket, words: list[bytes], answer: bytes) -> None:
        if words[0] != self.command:
            return peer.sendall(answer)
        for start in range(0, len(answer), self.size):
            self.pieces.acquire()
            peer.sendall(answer[start : start + self.size])
