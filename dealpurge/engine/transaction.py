"""WATCH and MULTI on a connection: one transaction that removes keys, or does nothing because a watched key moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ExecAbortError, NoPermissionError, OutOfMemoryError, ResponseError

from dealpurge.engine.sweep.unlink import Removal, removal_by_reply
from dealpurge.exceptions import RedisUnavailable
from dealpurge.i18n import gettext_noop
from dealpurge.servers.commands import Command, replies_to
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import MOVED_AWAY, PER_KEY, Transient, failure, forbids_command, raise_transient
from dealpurge.servers.replies import expect_ok, nonsense
from dealpurge.servers.sockets import Alone

ABORTED = gettext_noop("Redis refused a transaction (EXECABORT).", code="transaction_refused")


class Aborted(Exception):
    """EXEC did nothing: an events key moved since it was watched."""


class Refused(Exception):
    """Redis refused the transaction and did nothing of it: for want of memory or of a permission for a key, or because
    the cluster has the key elsewhere."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A transaction that Redis was asked to open, all in one go; what it answers is not read yet."""

    connection: ServerConnection
    watches: int
    questions: int
    #: What goes one by one when its answers are read, because these may be large.
    late: Sequence[Command]

    @classmethod
    def send(
        cls,
        connection: ServerConnection,
        keys: Sequence[bytes] | bytes,
        questions: Sequence[Command],
        *,
        singly: bool = False,
        behind: Sequence[bytes] = (),
    ) -> Opening:
        """WATCH ``keys``, existing or not, ask ``questions``, and MULTI. ``keys``: or the command that watches them.
        ``singly``: the answers are too much to be in flight together. ``behind``: what ``pack_commit`` made, which goes
        first. Raises what ``LOST`` names."""
        # Nothing is queued before MULTI is known to be accepted: behind a refused one an UNLINK would be carried out,
        # watched keys or not.
        watches: list[Command] = (
            [keys] if isinstance(keys, bytes) else [("WATCH", *part) for part in connection.parts(list(keys)) if part]
        )
        opening = [*questions, ("MULTI",)]
        late = opening if singly or any(isinstance(question, Alone) for question in questions) else []
        commands = [*watches, *([] if late else opening)]
        packed = b"".join([*behind, *connection.pack(commands)])
        connection.send_packed([packed] if packed else [], replies_to(commands) + (2 if behind else 0))
        return cls(connection, len(watches), replies_to(questions), late)

    def answers(self) -> list[Any]:
        """The answers to the questions. Raises ``Refused``, ``Transient``, ``RedisUnavailable``."""
        connection = self.connection
        replies = connection.read_all(self.watches + (0 if self.late else self.questions + 1))
        for reply in replies[: self.watches]:
            if reply != b"OK":
                discard(connection)
                if isinstance(reply, MOVED_AWAY):
                    raise Refused(str(reply))
                expect_ok(reply, "WATCH")
        for question in self.late:
            replies += connection.ask_all([question])
        if isinstance(replies[-1], ResponseError):
            raise _refusal(connection, replies[-1])
        expect_ok(replies[-1], "MULTI")  # what carries out commands at once would say something else
        if connection.clustered:
            _check_answers(connection, replies[self.watches : -1])
        return replies[self.watches : -1]


def watch(connection: ServerConnection, keys: Sequence[bytes]) -> None:
    """WATCH ``keys``, existing or not, long before MULTI. Raises as ``Opening``."""
    parts = [part for part in connection.parts(list(keys)) if part]
    for reply in connection.ask_all([("WATCH", *part) for part in parts]):
        if isinstance(reply, MOVED_AWAY):
            unwatch(connection)
            raise Refused(str(reply))
        expect_ok(reply, "WATCH")


def unwatch(connection: ServerConnection) -> None:
    """Watch nothing any more. Raises ``RedisUnavailable``."""
    expect_ok(connection.ask("UNWATCH"), "UNWATCH")


def begin(
    connection: ServerConnection, keys: Sequence[bytes], questions: Sequence[Command], *, singly: bool = False
) -> list[Any]:
    """Open a transaction that watches ``keys``; the answers to ``questions``. Raises what ``Opening`` does."""
    return Opening.send(connection, keys, questions, singly=singly).answers()


def commit(connection: ServerConnection, keys: list[bytes]) -> Removal:
    """UNLINK ``keys`` in the open transaction. Raises ``Aborted``, ``Refused`` and what ``remove`` raises."""
    send_commit(connection, keys, pack_commit(connection, keys))
    return committed(connection, keys, connection.read_all(2))


def pack_commit(connection: ServerConnection, keys: list[bytes] | bytes) -> Sequence[bytes]:
    """UNLINK and EXEC as they go over the wire; to be made while Redis is at work. ``keys``: or the command that
    unlinks them. Raises what is ``LOST``."""
    return connection.pack([keys if isinstance(keys, bytes) else ("UNLINK", *keys), ("EXEC",)])


def send_commit(connection: ServerConnection, keys: list[bytes], packed: Sequence[bytes]) -> None:
    """Queue UNLINK of ``keys`` and send EXEC; two replies are owed then. Raises what ``LOST`` names."""
    connection.send_packed(packed, 2)


def committed(connection: ServerConnection, keys: list[bytes], replies: Sequence[Any]) -> Removal:
    """What became of ``keys``, by the replies to ``send_commit``. Raises what ``commit`` does."""
    queued, done = replies
    if done is None:
        raise Aborted
    if isinstance(done, ResponseError):
        raise _refusal(connection, queued if isinstance(queued, ResponseError) else done)
    if queued != b"QUEUED" or not isinstance(done, list) or len(done) != 1:
        connection.broken = True  # whatever was done
        raise nonsense("EXEC")
    if isinstance(done[0], PER_KEY):  # not begun anew key by key, which nothing would watch over
        raise Refused(str(done[0]))
    return removal_by_reply(connection, keys, done[0])


def _check_answers(connection: ServerConnection, replies: Sequence[Any]) -> None:
    """A slot that leaves, or a cluster that goes down, behind the WATCH tells nothing of a deal's activity."""
    try:
        for reply in replies:
            raise_transient(reply)
            if isinstance(reply, MOVED_AWAY):
                raise Refused(str(reply))
    except (Refused, Transient):
        discard(connection)
        raise


def clear(connection: ServerConnection) -> None:
    """Leave a transaction that was asked for behind the one under way. Raises as ``discard``."""
    connection.drain()
    discard(connection)
    if connection.ask("UNWATCH") == b"QUEUED":  # where MULTI was refused there was nothing to discard
        raise nonsense("DISCARD")


def discard(connection: ServerConnection) -> None:
    """Close the transaction and watch nothing any more. Raises ``RedisUnavailable`` where that is forbidden."""
    reply = connection.ask("DISCARD")
    if forbids_command(reply):  # whatever came next would be queued
        raise failure(reply)
    if not isinstance(reply, ResponseError):
        expect_ok(reply, "DISCARD")


def _refusal(connection: ServerConnection, reply: ResponseError) -> Exception:
    unwatched = connection.ask("UNWATCH")
    for answer in (reply, unwatched):
        if forbids_command(answer):
            return failure(answer)
    if unwatched == b"QUEUED":  # the transaction is still open, and all that came next would be queued
        return failure(reply)
    if isinstance(reply, OutOfMemoryError):
        return Refused(f"OOM {reply}")  # which redis-py has cut off
    if isinstance(reply, (NoPermissionError, *MOVED_AWAY)):
        return Refused(str(reply))
    if isinstance(reply, ExecAbortError):
        # Up to 7.0 EXEC itself may find the memory full; READONLY and the like mean a server that is being replaced.
        return Refused(str(reply)) if "OOM" in str(reply) else Transient(RedisUnavailable("refused", ABORTED))
    return failure(reply)
