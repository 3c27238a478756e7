"""Removing a batch of keys, counting what Redis did and finding out about the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.exceptions import NoPermissionError, ResponseError

from dealpurge.exceptions import RedisUnavailable
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import PER_KEY, failure
from dealpurge.servers.replies import count, nonsense


class Removal(NamedTuple):
    """How many keys an UNLINK removed, and the keys that are still there."""

    deleted: int
    left: tuple[bytes, ...] = ()

    @classmethod
    def total(cls, removals: Sequence[Removal]) -> Removal:
        """The sum of several."""
        return cls(sum(item.deleted for item in removals), tuple(key for item in removals for key in item.left))


def remove(connection: ServerConnection, keys: list[bytes]) -> Removal:
    """UNLINK ``keys`` and tell what became of them. Raises ``RedisUnavailable``, ``Transient`` and what is ``LOST``."""
    parts = connection.parts(keys)
    replies = connection.ask_all([("UNLINK", *part) for part in parts])
    return Removal.total(
        [removal_by_reply(connection, part, reply) for part, reply in zip(parts, replies, strict=True)]
    )


def removal_by_reply(connection: ServerConnection, keys: Sequence[bytes], reply: Any) -> Removal:
    """What became of ``keys`` after UNLINK answered ``reply``; asks for what the reply does not tell."""
    if reply == len(keys):
        return Removal(len(keys))
    if isinstance(reply, PER_KEY):
        return _one_by_one(connection, keys)
    if isinstance(reply, ResponseError):
        raise failure(reply)
    try:
        deleted = count(reply, len(keys), "UNLINK")
    except RedisUnavailable:
        connection.broken = True  # whatever became of them
        raise
    # More of them there than it left means that some were removed and written again since.
    return Removal(deleted, still_there(connection, keys)[: len(keys) - deleted])


def with_unreachable(connection: ServerConnection, keys: Sequence[bytes], removal: Removal) -> Removal:
    """What nobody deleted and what is gone all the same may be where no command reaches it: then it is left."""
    vanished = len(keys) - len(removal.left) - removal.deleted
    return (
        Removal(removal.deleted, (*removal.left, *connection.unreachable_anywhere(keys)[:vanished]))
        if vanished > 0
        else removal
    )


def still_there(connection: ServerConnection, keys: Sequence[bytes]) -> tuple[bytes, ...]:
    """Those of ``keys`` that exist, and those of which the server will not tell."""
    replies = connection.ask_keys([("EXISTS", key) for key in keys])
    return tuple(key for key, reply in zip(keys, replies, strict=True) if reply != 0)


def _one_by_one(connection: ServerConnection, keys: Sequence[bytes]) -> Removal:
    deleted, left, doubtful = 0, [], []
    for key, reply in zip(keys, connection.ask_keys([("UNLINK", key) for key in keys]), strict=True):
        if isinstance(reply, NoPermissionError):
            left.append(key)
        elif reply == 1:
            deleted += 1
        elif reply == 0:
            doubtful.append(key)
        else:
            connection.broken = True  # what the other replies tell is lost
            raise failure(reply) if isinstance(reply, ResponseError) else nonsense("UNLINK")
    return Removal(
        deleted, (*left, *dict.fromkeys((*still_there(connection, doubtful), *connection.unreachable_here(doubtful))))
    )
