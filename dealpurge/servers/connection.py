"""One connection to one Redis server, held for a whole pass: pipelined commands, replies in order, reconnects.

It is a connection of our own, made as the host's pool would make it, never one out of the pool: a purge neither takes
a place in a pool of ``max_connections=1`` nor leaves one there that is watching, or owes replies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from redis.exceptions import ConnectionError, ResponseError

from dealpurge.exceptions import RedisUnavailable
from dealpurge.servers import errors
from dealpurge.servers.backoff import Backoff, KeepGoing
from dealpurge.servers.commands import Command, by_slot, pack, replies_to
from dealpurge.servers.construction import connect, new_connection, speaks_tls
from dealpurge.servers.errors import LOST, Transient, dropped, failure, raise_reason, raise_unread
from dealpurge.servers.identity import Identity, Info, ask_info, peer_of
from dealpurge.servers.replies import received
from dealpurge.servers.sockets import Alone, ReplyLimit

#: A server that is another process this often is not going to be read through.
MAX_PROCESSES = 50


class ServerConnection:
    """A connection with a memory of which process it talks to. Not for several threads."""

    #: Whether its server has the rules of a cluster, where a command may name keys of one slot only.
    clustered = False
    #: Which node of it that is.
    node: Any = None

    def __init__(self, pool: Any, keep_going: KeepGoing, **address: Any) -> None:
        """``address``: the ``host`` and ``port`` to connect to instead of the pool's own, or who is to be asked."""
        self.backoff = Backoff(keep_going)
        self.processes: list[Identity] = []
        #: Whether replies were lost with a connection.
        self.broken = False
        self.owed = 0
        self._pool, self._address = pool, address
        self._connection: Any = None
        self.info: Info
        #: Bounds what is read of each reply.
        self.limit: ReplyLimit

    @property
    def keep_going(self) -> KeepGoing:
        """Says whether to go on; asked on every page, and about once a second while waiting for Redis."""
        return self.backoff.may_go_on

    @keep_going.setter
    def keep_going(self, keep_going: KeepGoing) -> None:
        self.backoff.keep_going = keep_going

    def twin(self) -> ServerConnection:
        """Another, unopened connection to the same server, which asks this one whether to go on."""
        return ServerConnection(self._pool, lambda: self.keep_going(), **self._address)

    @property
    def identity(self) -> Identity:
        """The process the connection talks to."""
        return self.processes[-1]

    def open(self) -> None:
        """Connect, trying again for a while. Raises ``RedisUnavailable`` when that is over, ``Stopped``.

        A replica is refused at first sight; later it may be a primary that was replaced, or is about to become one.
        """
        self.backoff.begin()
        met = self.backoff.met
        while True:
            try:
                self.connect()
                if self.info.replica:
                    raise self._replica(met)
            except (*LOST, Transient) as exc:
                self.back_off(exc)
            else:
                return

    def connect(self) -> None:
        """Connect in a single try. Raises what ``LOST`` names, ``Transient``, ``RedisUnavailable``."""
        connection, broken = new_connection(self._pool, **self._address), self.broken
        self.limit = ReplyLimit(connection, self._while_waiting, self.backoff.note_silence)
        try:
            connect(connection)
            self._connection = connection
            self.info = ask_info(self)
            identity = self.info.identity(peer_of(connection))
        except BaseException as exc:
            connection.disconnect()
            self._connection, self.owed, self.broken = None, 0, broken
            if isinstance(exc, ResponseError):
                raise failure(exc) from exc
            if not self.backoff.met and dropped(exc) and speaks_tls(connection):
                raise RedisUnavailable("unreachable", errors.WANTS_TLS) from exc
            raise_reason(exc)
        self.backoff.meet()
        if not self.processes or self.processes[-1] != identity or identity.run_id is None:
            self.processes.append(identity)

    def close(self) -> None:
        """Disconnect; replies owed are given up."""
        connection, self._connection, self.owed = self._connection, None, 0
        if connection is not None:
            connection.disconnect()

    def send(self, *command: Any) -> None:
        """Send one command; its reply is owed from now on. Raises what ``LOST`` names."""
        self.send_all([command])

    def send_all(self, commands: Sequence[Command]) -> int:
        """Send several commands in one go; how many replies they will have. Raises what ``LOST`` names."""
        replies = replies_to(commands)
        if commands:
            self.send_packed(self.pack(commands), replies)
        return replies

    def pack(self, commands: Sequence[Command]) -> Sequence[bytes]:
        """The commands as they go over the wire. Raises what is ``LOST``."""
        if self._connection is None:  # redis-py would connect anew, and nobody would know
            raise ConnectionError("The connection is closed.")
        return pack(self._connection, commands)

    def send_packed(self, packed: Sequence[bytes], replies: int) -> None:
        """Send what ``pack`` made, which will have so many replies. Raises what ``LOST`` names."""
        if self._connection is None:
            raise ConnectionError("The connection is closed.")
        # From the first byte on some may be carried out, whatever becomes of the connection.
        self.owed += replies
        try:
            # A health check's PING in between would put the replies out of step.
            self._connection.send_packed_command(packed, check_health=False)
        except BaseException as exc:  # a signal's handler may raise in here, and redis-py disconnects then too
            self._break()
            raise_reason(exc)

    def read(self) -> Any:
        """The next reply, an error reply as the exception itself. Raises what ``LOST`` names, ``RedisUnavailable``."""
        self.limit.left = self.limit.most
        try:
            reply = self._connection.read_response(disable_decoding=True)
        except ResponseError as exc:
            reply = exc
        except BaseException as exc:
            self._break()
            raise_unread(exc)
        self.owed -= 1
        return reply

    def read_all(self, number: int) -> list[Any]:
        """The next so many replies."""
        replies: list[Any] = []
        while len(replies) < number:
            replies.append(self.read())
            try:
                there = received(self._connection, number - len(replies))
            except BaseException as exc:
                self._break()
                raise_unread(exc)
            self.owed -= len(there)
            replies += there
        return replies

    def ask(self, *command: Any) -> Any:
        """One command and its reply."""
        self.send(*command)
        return self.read()

    def ask_all(self, commands: Iterable[Command]) -> list[Any]:
        """Several commands in one go and their replies, in order; what is to go alone goes one by one."""
        asked = list(commands)
        if any(type(command) is Alone for command in asked):
            parts = ([self.limit.ask(self.ask, one)] if type(one) is Alone else self.ask_all([one]) for one in asked)
            return [reply for part in parts for reply in part]
        return self.read_all(self.send_all(asked))

    def ask_keys(self, commands: Iterable[Command]) -> list[Any]:
        """Like ``ask_all``, for commands of a single key each: on a cluster they are followed to where the key is."""
        asked = list(commands)
        return self.followed(asked, self.ask_all(asked))

    def followed(self, commands: Sequence[Command], replies: list[Any]) -> list[Any]:
        """The replies to such commands, from where the keys are."""
        return replies

    def parts(self, keys: list[bytes]) -> list[list[bytes]]:
        """The keys in groups that one command may name: all of them, or on a cluster those of a slot."""
        return by_slot(keys) if self.clustered else [keys]

    def owner(self, key: bytes) -> object:
        """The node that has ``key``, as far as is known."""
        return self.node

    def home(self, key: bytes) -> ServerConnection:
        """The connection to the node that has ``key``. Raises ``Departed``, ``RedisUnavailable``, ``Stopped``."""
        return self

    def unreachable_here(self, keys: Sequence[bytes]) -> tuple[bytes, ...]:
        """Those of ``keys`` that SCAN lists here although no command reaches them; a cluster may have such."""
        return ()

    def unreachable_anywhere(self, keys: Sequence[bytes]) -> tuple[bytes, ...]:
        """Those of ``keys`` that are stranded on any server."""
        return ()

    def drain(self) -> None:
        """Read the replies that are owed and drop them."""
        while self.owed:
            self.read()

    def check_place(self) -> None:
        """To be called where every reply is counted. Raises ``Departed`` where the server is no primary any more."""

    def progressed(self) -> None:
        """Something worked: the time for tries starts anew."""
        self.backoff.progressed()

    def recover(self, exc: Exception) -> bool:
        """Connect again after ``exc``; whether it is the same process. Raises ``RedisUnavailable``, ``Stopped``."""
        before = self.identity
        self.back_off(exc)
        self.open()
        same = before.run_id is not None and before == self.identity
        if not same and len(self.processes) > MAX_PROCESSES:
            raise RedisUnavailable("unreachable", errors.RESTARTED) from exc
        return same

    def back_off(self, exc: Exception) -> None:
        """Disconnect and wait before the next try. Raises ``RedisUnavailable``, ``Stopped``."""
        self._break()
        self.backoff.back_off(exc)

    def _while_waiting(self) -> None:
        self.backoff.while_waiting(owed=self.owed > 0)

    def _break(self) -> None:
        self.broken = self.broken or self.owed > 0
        self.close()

    def _replica(self, met: bool) -> Exception:
        named = "connection_pool" in self._address
        refusal = RedisUnavailable("replica", errors.REPLICA_NAMED if named else errors.REPLICA)
        return Transient(refusal) if met or named or self.node is not None else refusal
