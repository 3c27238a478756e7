"""The socket under a connection: how much of a reply it gives, a large one trimmed, and waits in short slices.

redis-py's parsers read from the socket that ``_connect`` gives them, whichever parser and protocol it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from math import ceil
from typing import Any

from dealpurge.exceptions import RedisUnavailable
from dealpurge.i18n import gettext_noop
from dealpurge.servers.construction import LONGEST_STEP, bounded
from dealpurge.servers.replies import nonsense

MIB = 1 << 20
#: Bytes of one reply: a page of SCAN with many long keys fits, and nothing that a purge asks for has more.
MOST_BYTES = 64 * MIB
#: Bytes of a reply whose values are dropped while they are read.
MOST_TRIMMED = 4 * MOST_BYTES
#: A longer string is replaced by its digest, and a list this deep by an empty one.
LONGEST_KEPT, DEEPEST_KEPT = 1 << 16, 2
#: Bytes of such a digest.
DIGEST_SIZE = 16
#: Bytes that are taken from the socket in one go while a reply is trimmed.
_PIECE = 1 << 16
#: Seconds that a socket waits in one go; how many of them for the next byte is the timeout's to say.
SLICE = 0.5

OVERSIZED = gettext_noop(
    "Redis sent a reply of more than {} MiB, which no command of a purge has.", code="reply_oversized"
)


class Alone(tuple[Any, ...]):
    """A command whose reply may be large: it goes with nothing else in flight, and its reply is trimmed."""

    __slots__ = ()


class ReplyLimit:
    """What a connection's socket may still give for the reply that is read.

    ``while_waiting`` is called in this thread before every step that waits for the other end, and may raise;
    ``silent`` after one in which nothing came, with its seconds.
    """

    def __init__(
        self, connection: Any, while_waiting: Callable[[], None], silent: Callable[[float], None] = lambda seconds: None
    ) -> None:
        self.while_waiting, self.silent = while_waiting, silent
        self.most = self.left = MOST_BYTES
        self.trimmer: Trimmer | None = None
        #: What was trimmed and not read yet.
        self.ready = b""
        #: Bytes of the last reply that was trimmed.
        self.taken = 0
        for name, limited in (("_connect", self._connected), ("_wrap_socket_with_ssl", self._secured)):
            if make := getattr(connection, name, None):
                setattr(connection, name, partial(limited, make))

    def _connected(self, connect: Callable[[], Any]) -> Any:
        self.while_waiting()
        sock = connect()
        self.left = self.most
        return _LimitedSocket(sock, self) if hasattr(sock, "gettimeout") else sock  # fakeredis has queues

    def _secured(self, wrap: Callable[[Any], Any], sock: Any) -> Any:
        """A handshake is no matter of slices: OpenSSL has it done in one go."""
        timeout = sock.gettimeout()
        try:
            self.while_waiting()
            sock.settimeout(bounded(timeout, LONGEST_STEP))
            sock = wrap(sock)
        except BaseException:  # redis-py closes it for errors of its own alone
            sock.close()
            raise
        sock.settimeout(timeout)
        return sock

    def ask(self, ask: Callable[..., Any], command: Sequence[Any]) -> Any:
        """Have a command asked while no other reply is on its way, and drop what is large of what it says."""
        self.most, self.trimmer = MOST_TRIMMED, Trimmer()
        try:
            return ask(*command)
        finally:
            self.ready += self.trimmer.rest()
            self.taken = self.most - self.left
            self.most, self.trimmer = MOST_BYTES, None

    def take(self, number: int) -> None:
        """So many bytes came. Raises ``RedisUnavailable``."""
        self.left -= number
        if self.left < 0:
            raise RedisUnavailable("refused", OVERSIZED.format(self.most // MIB))


class _LimitedSocket:
    """Counts what is received, and waits in slices; everything else is the socket's own."""

    def __init__(self, sock: Any, limit: ReplyLimit) -> None:
        self._sock, self._limit = sock, limit
        self.settimeout(sock.gettimeout())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def settimeout(self, seconds: float | None) -> None:
        """Seconds for the next byte."""
        self._slices = max(1, ceil((seconds or 0) / SLICE))
        self._sock.settimeout(seconds and seconds / self._slices)

    def _sliced(self, step: Callable[..., Any], *arguments: Any) -> Any:
        slices = self._slices
        while True:
            self._limit.while_waiting()
            try:
                return step(*arguments)
            except TimeoutError as exc:
                self._limit.silent(SLICE)
                slices -= 1
                if not slices or exc.errno:  # of the network, not of the socket
                    raise

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._sliced(self._sock.send, rest) :]

    def recv(self, size: int, *flags: int) -> bytes:
        limit = self._limit
        if flags or not (limit.trimmer or limit.ready):
            data: bytes = self._sliced(self._sock.recv, size, *flags)
            limit.take(0 if flags else len(data))
            return data
        # While something is left out, what came before it may be all that the parser waits for.
        while limit.trimmer and (limit.trimmer.leaves_out or not limit.ready):
            data = self._sliced(self._sock.recv, _PIECE)
            if not data:
                return data
            limit.take(len(data))
            limit.ready += limit.trimmer.feed(data)
        data, limit.ready = limit.ready[:size], limit.ready[size:]
        return data

    def recv_into(self, buffer: bytearray, *sizes: int) -> int:
        if self._limit.trimmer or self._limit.ready:
            data = self.recv(len(buffer))
            buffer[: len(data)] = data
            return len(data)
        number: int = self._sliced(self._sock.recv_into, buffer, *sizes)
        self._limit.take(number)
        return number


class Trimmer:
    """Takes RESP as it comes and gives it back shorter: deep lists empty, long strings as their digests."""

    def __init__(self) -> None:
        self._line = b""
        #: Elements that are missing of each list that is open; how deep the one lies that is left out.
        self._open: list[int] = []
        self._muted: int | None = None
        #: Bytes that are missing of a string, its end included, and what becomes of them.
        self._missing = 0
        self._digest: Any = None

    def feed(self, data: bytes) -> bytes:
        """What is left of the next bytes."""
        kept, place = list[bytes](), 0
        while place < len(data):
            if self._missing:
                part = data[place : place + self._missing]
                place += len(part)
                kept.append(self._string(part))
                continue
            end = data.find(b"\n", place) + 1 or len(data)
            self._line += data[place:end]
            place = end
            if self._line.endswith(b"\r\n"):
                line, self._line = self._line, b""
                kept.append(self._header(line))
            elif len(self._line) > LONGEST_KEPT:
                raise RedisUnavailable("refused", OVERSIZED.format(MOST_BYTES // MIB))
        return b"".join(kept)

    @property
    def leaves_out(self) -> bool:
        """Whether a list is being left out, whose end has not come."""
        return self._muted is not None

    def rest(self) -> bytes:
        """The beginning of what comes next."""
        return self._line

    def _header(self, line: bytes) -> bytes:
        muted = self._muted is not None
        kind, number = line[:1], line[1:-2]
        if kind == b"|":  # about what follows it, and no element: nobody asked for such
            raise nonsense("a look at a key")
        if kind in b"*%~>" and number.isdigit() and int(number):
            if not muted and len(self._open) >= DEEPEST_KEPT:
                self._muted, line = len(self._open), b"*0\r\n"
            self._open.append(int(number) * (2 if kind == b"%" else 1))
            return b"" if muted else line
        if kind in b"$=!" and number.isdigit():
            self._missing = int(number) + 2
            if not muted and self._missing > LONGEST_KEPT and kind != b"!":
                self._digest = blake2b(digest_size=DIGEST_SIZE)
                return b""
            return b"" if muted else line
        self._close()
        return b"" if muted else line

    def _string(self, part: bytes) -> bytes:
        muted = self._muted is not None
        text = part[: max(0, self._missing - 2)]  # the line's end is no part of it
        self._missing -= len(part)
        if self._digest is not None:
            self._digest.update(text)
            part = b""
        if not self._missing:
            if self._digest is not None:
                part, self._digest = b"$%d\r\n%b\r\n" % (DIGEST_SIZE, self._digest.digest()), None
            self._close()
        return b"" if muted else part

    def _close(self) -> None:
        """An element is complete, and with it every list whose last one it was."""
        while self._open:
            self._open[-1] -= 1
            if self._open[-1]:
                return
            self._open.pop()
            if self._muted == len(self._open):
                self._muted = None


def digest(text: bytes) -> bytes:
    """As long strings are replaced in a reply that is trimmed."""
    return blake2b(text, digest_size=DIGEST_SIZE).digest()
