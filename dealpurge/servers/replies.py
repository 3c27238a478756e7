"""What a reply must be before it is counted or taken apart: a proxy, or a server in trouble, may answer anything.

Error replies are told by ``errors.failure``, a wrong type by ``nonsense``; both are errors with words.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from typing import Any, NamedTuple

from redis.exceptions import ConnectionError, ResponseError

from dealpurge.exceptions import RedisUnavailable
from dealpurge.i18n import gettext_noop
from dealpurge.servers.errors import failure

NONSENSE = gettext_noop(
    "Redis, or a proxy before it, answered {} with something that is no answer to it.", code="reply_nonsense"
)
#: Redis holds 2^32 keys at most; what says that it has more knows nothing.
MOST_KEYS = 2**32
#: Digits of the largest cursor there is.
CURSOR_DIGITS = 20
#: What redis-py has hiredis say where a reply is not whole yet; by other parsers each reply is read by itself.
_parsers: Any = import_module("redis._parsers.hiredis") if find_spec("hiredis") else None
_MISSING: Any = getattr(_parsers, "NOT_ENOUGH_DATA", None)
_PUSH: Any = getattr(import_module("hiredis"), "PushNotification", None) if find_spec("hiredis") else None
#: Nearly all that we ask for.
_PLAIN = frozenset((bytes, int, list, type(None)))


def nonsense(command: str) -> RedisUnavailable:
    """What to raise for a reply to ``command`` that is none."""
    return RedisUnavailable("refused", NONSENSE.format(command))


@contextmanager
def understood(command: str) -> Iterator[None]:
    """Whatever taking a reply to ``command`` apart fails at is the reply's fault. For what is seldom asked."""
    try:
        yield
    except (TypeError, ValueError, LookupError, AttributeError) as exc:
        raise nonsense(command) from exc


def count(reply: Any, most: int, command: str) -> int:
    """A number of keys from 0 to ``most``. Raises ``Transient``, ``RedisUnavailable``."""
    if type(reply) is int and 0 <= reply <= most:
        return reply
    raise _unlike(reply, command)


def expect_ok(reply: Any, command: str) -> None:
    """Raises ``Transient`` or ``RedisUnavailable`` for anything but OK."""
    if reply != b"OK":
        raise _unlike(reply, command)


def word(reply: Any, command: str) -> bytes:
    """A text. Raises ``Transient``, ``RedisUnavailable``."""
    if isinstance(reply, bytes):
        return reply
    raise _unlike(reply, command)


def page(reply: Any) -> tuple[int, list[bytes]]:
    """Cursor and keys of an answer to SCAN. Raises ``Transient``, ``RedisUnavailable``."""
    if isinstance(reply, list) and len(reply) == 2:
        cursor, keys = reply
        if _is_number(cursor) and isinstance(keys, list) and set(map(type, keys)) <= {bytes}:
            return int(cursor), keys
    raise _unlike(reply, "SCAN")


def milliseconds(reply: Any) -> int:
    """The time in an answer to TIME. Raises ``Transient``, ``RedisUnavailable``."""
    if isinstance(reply, list) and len(reply) == 2 and all(_is_number(part) for part in reply):
        return int(reply[0]) * 1000 + int(reply[1]) // 1000
    raise _unlike(reply, "TIME")


def size(reply: Any) -> int:
    """The keys that DBSIZE tells of; 0 where it tells nothing, since ACLs and proxies refuse it."""
    return reply if type(reply) is int and 0 <= reply <= MOST_KEYS else 0


def _is_number(part: Any) -> bool:
    if isinstance(part, bytes):
        return part.isdigit() and len(part) <= CURSOR_DIGITS
    return type(part) is int and part >= 0


def _unlike(reply: Any, command: str) -> Exception:
    return failure(reply) if isinstance(reply, ResponseError) else nonsense(command)


class Memory(NamedTuple):
    """What a server tells of its memory: bytes that are free below its ``maxmemory``, None where that is no limit, and
    whether it evicts keys to make room."""

    room: int | None
    evicts: bool


def memory(reply: Any) -> Memory | None:
    """By what INFO answered; None where it does not tell."""
    if not isinstance(reply, bytes):
        return None
    told = dict(line.partition(b":")[::2] for line in reply.split(b"\r\n"))
    try:
        most, used = int(told[b"maxmemory"]), int(told[b"used_memory"])
        room = most - used + int(told.get(b"mem_not_counted_for_evict", 0))
    except (KeyError, ValueError):
        return None
    return Memory(room if most else None, told.get(b"maxmemory_policy") != b"noeviction")


def is_unknown_command(reply: Any) -> bool:
    """Whether the server, or a proxy before it, has no such command."""
    return isinstance(reply, ResponseError) and str(reply).startswith("unknown command")


def received(connection: Any, number: int) -> list[Any]:
    """So many replies at most, of those that ``connection`` need not wait for, an error reply as the exception. hiredis
    hands them over in a tenth of the time that redis-py takes for each. Raises ``ConnectionError`` for what redis-py
    raises it for: a reply such as LOADING."""
    reader = getattr(getattr(connection, "_parser", None), "_reader", None)
    gets = getattr(reader, "gets", None)
    if _MISSING is None or gets is None:
        return []
    replies = list(islice(iter(partial(gets, False), _MISSING), number))
    if _PLAIN.issuperset(map(type, replies)):
        return replies
    for reply in replies:
        if isinstance(reply, ConnectionError):
            raise reply
    return [reply for reply in replies if type(reply) is not _PUSH]  # which nobody waits for
