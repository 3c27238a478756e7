"""WATCH and MULTI on a link: one transaction that removes keys, or does nothing because a watched key moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ExecAbortError, NoPermissionError, OutOfMemoryError, ResponseError

from dealpurge.engine.sweep.unlink import Removal, settle
from dealpurge.exceptions import RedisUnavailable
from dealpurge.i18n import gettext_noop
from dealpurge.servers.connection import Command, Link
from dealpurge.servers.errors import MOVED_AWAY, Transient, failure, forbids_command, raise_transient

ABORTED = gettext_noop("Redis refused a transaction (EXECABORT).")


class Aborted(Exception):
    """EXEC did nothing: an events key moved since it was watched."""


class Refused(Exception):
    """Redis refused the transaction and did nothing of it: for want of memory or of a permission for a key, or because
    the cluster has the key elsewhere."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A transaction that Redis was asked to open, all in one go; what it answers is not read yet."""

    link: Link
    watches: int
    questions: int

    @classmethod
    def send(cls, link: Link, keys: Sequence[bytes], questions: Sequence[Command]) -> Opening:
        """WATCH ``keys``, existing or not, ask ``questions``, and MULTI. Raises what ``LOST`` names.

        Nothing is queued before MULTI is known to be accepted: behind a refused one an UNLINK would be carried out,
        watched keys or not.
        """
        watches: list[Command] = [("WATCH", *part) for part in link.parts(list(keys)) if part]
        link.send_all([*watches, *questions, ("MULTI",)])
        return cls(link, len(watches), len(questions))

    def answers(self) -> list[Any]:
        """The answers to the questions. Raises ``Refused``, ``Transient``, ``RedisUnavailable``."""
        link = self.link
        replies = link.read_all(self.watches + self.questions + 1)
        for reply in replies[: self.watches]:
            if isinstance(reply, ResponseError):
                discard(link)
                raise Refused(str(reply)) if isinstance(reply, MOVED_AWAY) else failure(reply)
        if isinstance(replies[-1], ResponseError):
            raise _refusal(link, replies[-1])
        if link.clustered:
            _check_answers(link, replies[self.watches : -1])
        return replies[self.watches : -1]


def begin(link: Link, keys: Sequence[bytes], questions: Sequence[Command]) -> list[Any]:
    """Open a transaction that watches ``keys``; the answers to ``questions``. Raises what ``Opening`` does."""
    return Opening.send(link, keys, questions).answers()


def commit(link: Link, keys: list[bytes]) -> Removal:
    """UNLINK ``keys`` in the open transaction. Raises ``Aborted``, ``Refused`` and what ``remove`` raises."""
    send_commit(link, keys, pack_commit(link, keys))
    return committed(link, keys, link.read_all(2))


def pack_commit(link: Link, keys: list[bytes]) -> Sequence[bytes]:
    """UNLINK and EXEC as they go over the wire; to be made while Redis is at work. Raises what is ``LOST``."""
    return link.pack([("UNLINK", *keys), ("EXEC",)])


def send_commit(link: Link, keys: list[bytes], packed: Sequence[bytes]) -> None:
    """Queue UNLINK of ``keys`` and send EXEC; two replies are owed then. Raises what ``LOST`` names."""
    link.send_packed(packed, 2)


def committed(link: Link, keys: list[bytes], replies: Sequence[Any]) -> Removal:
    """What became of ``keys``, by the replies to ``send_commit``. Raises what ``commit`` does."""
    queued, done = replies
    if done is None:
        raise Aborted
    if isinstance(done, ResponseError):
        raise _refusal(link, queued if isinstance(queued, ResponseError) else done)
    return settle(link, keys, done[0])


def _check_answers(link: Link, replies: Sequence[Any]) -> None:
    """A slot that leaves, or a cluster that goes down, behind the WATCH tells nothing of a deal's activity."""
    try:
        for reply in replies:
            raise_transient(reply)
            if isinstance(reply, MOVED_AWAY):
                raise Refused(str(reply))
    except (Refused, Transient):
        discard(link)
        raise


def clear(link: Link) -> None:
    """Leave a transaction that was asked for behind the one under way. Raises as ``discard``."""
    link.drain()
    discard(link)
    link.ask("UNWATCH")  # where MULTI was refused there was nothing to discard


def discard(link: Link) -> None:
    """Close the transaction and watch nothing any more. Raises ``RedisUnavailable`` where that is forbidden."""
    reply = link.ask("DISCARD")
    if forbids_command(reply):  # whatever came next would be queued
        raise failure(reply)


def _refusal(link: Link, reply: ResponseError) -> Exception:
    unwatched = link.ask("UNWATCH")
    for answer in (reply, unwatched):
        if forbids_command(answer):
            return failure(answer)
    if isinstance(reply, (OutOfMemoryError, NoPermissionError, *MOVED_AWAY)):
        return Refused(str(reply))
    if isinstance(reply, ExecAbortError):
        # Up to 7.0 EXEC itself may find the memory full; READONLY and the like mean a server that is being replaced.
        return Refused(str(reply)) if "OOM" in str(reply) else Transient(RedisUnavailable("refused", ABORTED))
    return failure(reply)
