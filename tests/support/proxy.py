"""TCP proxies in front of a server: one cuts connections in the middle of a reply, another falls silent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import cycle
from typing import Literal, Self

#: Whether to cut, given the bytes that went from the server to clients so far; asked before each further piece.
Cut = Callable[[int], bool]


#: Whether to cut upon a request, before or after the server has got it, or not at all.
CutRequest = Callable[[bytes], Literal["before", "after"] | None]


def cut_every(size: int, times: int) -> Cut:
    """To cut whenever about so many bytes more have passed, so many times less one; then no more."""
    cuts = iter(range(size, size * times, size))
    next_cut = [next(cuts)]

    def cut(passed: int) -> bool:
        if passed < next_cut[0]:
            return False
        next_cut[0] = next(cuts, 10**12)
        return True

    return cut


class CuttingProxy:
    """Forwards both ways. Where `cut` says so it passes on half of the piece in hand and closes both ends.

    `cut_request` sees what clients send: of a request that is cut nothing reaches the server, or all of it does and
    half of its reply comes back. `target` may be changed at any time; it is for connections made from then on.
    """

    def __init__(
        self, target: tuple[str, int], cut: Cut = lambda passed: False, cut_request: CutRequest = lambda request: None
    ) -> None:
        self.target = target
        self.cut = cut
        self.cut_request = cut_request
        self.passed = 0
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._doomed: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            _end(sock)
        for thread in self._threads:
            thread.join(5)

    def next_target(self) -> tuple[str, int]:
        """Where the next connection leads."""
        return self.target

    def reach(self) -> socket.socket:
        """A connection to the server."""
        return socket.create_connection(self.next_target())

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = self.reach()
            except OSError:
                client.close()
                continue
            self._sockets += [client, server]
            for work in (self._up, self._down):
                self._threads.append(threading.Thread(target=work, args=(client, server), daemon=True))
                self._threads[-1].start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        for piece in _pieces(client):
            moment = self.cut_request(piece)
            if moment == "before":
                self.cuts += 1
                _end(client)
                break
            if moment == "after":
                self._doomed.add(client)
            if not _send(server, piece):
                break
        _end(server)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        for piece in _pieces(server):
            if client in self._doomed or self.cut(self.passed):
                self.cuts += 1
                _send(client, piece[: len(piece) // 2])
                break
            self.passed += len(piece)
            if not _send(client, piece):
                break
        _end(client)
        _end(server)


class Balancer(CuttingProxy):
    """Hands connections to several servers in turn."""

    def __init__(self, *targets: tuple[str, int], cut_request: CutRequest = lambda request: None) -> None:
        super().__init__(targets[0], cut_request=cut_request)
        self._turn = cycle(targets)

    def next_target(self) -> tuple[str, int]:
        return next(self._turn)


class SilentProxy(CuttingProxy):
    """Forwards to a server's Unix socket until clients have sent `words`, one after the other; from then on, or from
    `silence()`, what either side sends is lost, and nothing is closed. `heal` is for connections made from then on."""

    def __init__(self, path: str, words: Sequence[bytes], *, last_arrives: bool = False) -> None:
        super().__init__(("", 0))
        self.path = path
        self.words = list(words)
        self.last_arrives = last_arrives
        self.silent = False
        self._silenced: set[socket.socket] = set()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def reach(self) -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.path)
        return server

    def silence(self) -> None:
        self.silent = True

    def heal(self) -> None:
        self._silenced.update(self._sockets)
        self.silent = False

    def hang_up(self) -> None:
        """End the silence: what was silent is closed, and can be made anew."""
        self.heal()
        for sock in tuple(self._sockets):
            _end(sock)

    def _lost(self, sock: socket.socket) -> bool:
        return self.silent or sock in self._silenced

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        for piece in _pieces(client):
            lost = self._lost(client)
            if not lost and self.words and self.words[0] in piece:
                self.words.pop(0)
                if not self.words:
                    self.silence()
                    lost = not self.last_arrives
            if not lost:
                _send(server, piece)
        if not self._lost(client):
            _end(server)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        for piece in _pieces(server):
            if not self._lost(client):
                _send(client, piece)
        if not self._lost(client):
            _end(client)


def _pieces(sock: socket.socket) -> Iterator[bytes]:
    with suppress(OSError):
        while piece := sock.recv(65536):
            yield piece


def _send(sock: socket.socket, data: bytes) -> bool:
    try:
        sock.sendall(data)
    except OSError:
        return False
    return True


def _end(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
