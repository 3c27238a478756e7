"""What a reply to a write says of its key."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from typing import Any

from redis.exceptions import NoPermissionError, OutOfMemoryError, ResponseError

from dealpurge.exceptions import RedisUnavailable
from dealpurge.servers.errors import Transient, failure, forbids_command, raise_transient
from dealpurge.servers.replies import is_unknown_command, nonsense


class Fate(Enum):
    """Of a key that was sent: written; left, because it exists; not taken, whatever room there is; no room for it."""

    RESTORED = auto()
    KEPT = auto()
    REFUSED = auto()
    CROWDED_OUT = auto()


def fate_of(reply: Any) -> Fate:
    """Raises ``Transient``, ``RedisUnavailable`` for a reply that says nothing of its key."""
    if reply == b"OK":
        return Fate.RESTORED
    if reply is None:
        return Fate.KEPT
    if not isinstance(reply, ResponseError):
        raise nonsense("SET")
    words = str(reply)
    if "key name already exists" in words:
        return Fate.KEPT
    if isinstance(reply, OutOfMemoryError):
        return Fate.CROWDED_OUT
    if forbids_command(reply) or is_unknown_command(reply):
        raise failure(reply)
    if isinstance(reply, NoPermissionError) or "payload version" in words or "data format" in words:
        return Fate.REFUSED
    raise failure(reply)


def judged(replies: Iterable[Any]) -> tuple[list[Fate | None], Exception | None]:
    """What became of each key, None where its reply does not say, and the first trouble that such a reply tells of."""
    fates, trouble = list[Fate | None](), None
    for reply in replies:
        try:
            raise_transient(reply)
            fates.append(fate_of(reply))
        except (Transient, RedisUnavailable) as exc:
            fates.append(None)
            trouble = trouble or exc
    return fates, trouble


def all_written(replies: list[Any]) -> bool:
    """As they nearly always are."""
    return replies.count(b"OK") == len(replies)
