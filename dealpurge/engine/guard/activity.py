"""What a look at events keys told: when each was last written, and whether a deal counts as active by it. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from dealpurge.servers.replies import nonsense, understood
from dealpurge.servers.sockets import DIGEST_SIZE, digest

#: 2001-01-01 in milliseconds: an id or a score below it is no time.
EARLIEST = 978_307_200_000
#: A score of seconds, milliseconds, microseconds or nanoseconds is told by its size.
SECONDS_BELOW = 10**11
_FAR_FUTURE = 10**18
STREAM_ID = re.compile(rb"\d{1,20}-\d{1,20}")
#: Types of keys that are read; of any other the idle time is asked.
READ = (b"stream", b"zset")


class Readings(Protocol):
    """What a look at events keys told: one of a single node, or of several."""

    def verdict(self, keys: Iterable[bytes], window: int) -> Verdict:
        """Whether one of ``keys`` was active within ``window`` milliseconds."""


@dataclass(slots=True)
class Reading:
    """What one look at the events keys told: the server's time and each key's last activity, in milliseconds.

    A key that does not exist is missing; None stands for an activity that cannot be told.
    """

    now: int
    last: dict[bytes, int | None] = field(default_factory=dict)
    types: dict[bytes, bytes] = field(default_factory=dict)
    #: Keys whose last activity is taken from their idle time.
    idle: set[bytes] = field(default_factory=set)
    #: What tells of those among them whose idle time this look has reset that they moved (``mark_of``).
    marks: dict[bytes, Any] = field(default_factory=dict)
    #: Bytes of each key, as far as they are known; above ``largest`` it is not read.
    sizes: dict[bytes, int] = field(default_factory=dict)
    largest: int = 0
    #: Bytes of answers that may be in flight together.
    in_flight: int = 0
    #: Streams of which only the first entry is asked for.
    first_only: set[bytes] = field(default_factory=set)
    #: Keys that are too large to be read.
    unread: set[bytes] = field(default_factory=set)

    def size(self, key: bytes) -> int:
        """Bytes of the answer about ``key`` at most: a stream's only entry is in it twice."""
        if self.types.get(key, b"stream") not in READ or key in self.unread:
            return 0
        size = self.sizes.get(key)
        return self.in_flight + 1 if size is None else 2 * size

    def is_large(self, keys: Iterable[bytes]) -> bool:
        """Whether the answers about ``keys`` may not be in flight together."""
        return sum(map(self.size, keys)) > self.in_flight

    def verdict(self, keys: Iterable[bytes], window: int) -> Verdict:
        """Whether one of ``keys`` was active within ``window`` milliseconds."""
        newest, unknown, unread = None, False, False
        for key in keys:
            if key not in self.last:
                continue
            moment = self.last[key]
            if moment is None:
                unknown, unread = True, unread or key in self.unread
            elif newest is None or moment > newest:
                newest = moment
        active = unknown or (newest is not None and self.now - newest <= window)
        return Verdict(active, newest, unread)


class Verdict(NamedTuple):
    """Whether a deal counts as active, and its last activity in milliseconds, if any could be told."""

    active: bool
    last_active: int | None
    #: Whether it counts as active because an events key is too large to be read.
    unread: bool = False
    #: Whether it is to stay for want of any events key.
    never_active: bool = False

    @property
    def stays(self) -> bool:
        """Whether the deal is left alone."""
        return self.active or self.never_active


def moment_of(kind: bytes, reply: Any) -> int | None:
    """The time in a reply, in milliseconds, or None if it holds none. Raises ``RedisUnavailable`` for no such reply."""
    if isinstance(reply, Exception):
        return None
    return _stream_time(reply) if kind == b"stream" else _score_time(reply)


def mark_of(kind: bytes, reply: Any) -> Any:
    """What of a stream or a sorted set tells that it moved: the newest id, or the member on top and its score."""
    if kind == b"stream":
        return newest_id(reply)
    with understood("ZRANGE"):
        row = reply[-1] if isinstance(reply[-1], list) else reply
        return digest(row[0]) if len(row[0]) > DIGEST_SIZE else row[0], row[1]


def newest_id(reply: Any) -> bytes:
    """The last id that a stream has given, trimmed away or not, in what XINFO answered."""
    # RESP3 answers a map, RESP2 a flat list.
    name = b"last-generated-id"
    try:  # a context manager would cost a third of the time
        newest: bytes = reply[name] if isinstance(reply, dict) else reply[reply.index(name) + 1]
        if STREAM_ID.fullmatch(newest):
            return newest
    except (TypeError, ValueError, LookupError, AttributeError):
        pass
    raise nonsense("XINFO STREAM")


def _stream_time(reply: Any) -> int | None:
    newest = int(newest_id(reply).partition(b"-")[0])
    return newest if newest >= EARLIEST else None


def _score_time(reply: Any) -> int | None:
    if reply == []:
        return None
    with understood("ZRANGE"):
        row = reply[-1]
        score = float(row[-1] if isinstance(row, list) else row)
    if not score >= EARLIEST / 1000:  # not a number neither
        return None
    for unit in (1, 10**3, 10**6, 10**9):
        if score < SECONDS_BELOW * unit:
            moment = round(score / unit * 1000)
            return moment if moment >= EARLIEST else None
    return _FAR_FUTURE
