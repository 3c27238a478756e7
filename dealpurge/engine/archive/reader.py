"""Reads the values of keys with what room the server has, and tells which are too large or not to be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import ResponseError

from dealpurge.engine.archive.entry import STRING_TYPE, Entry, Row, size_of
from dealpurge.exceptions import RedisUnavailable
from dealpurge.servers.connection import Command, ServerConnection
from dealpurge.servers.errors import failure, forbids_command, raise_transient
from dealpurge.servers.replies import is_unknown_command, memory, milliseconds
from dealpurge.servers.sockets import MOST_BYTES, OVERSIZED

KIB, MIB = 1 << 10, 1 << 20
#: Bytes that are read in one go: as many as a server may hold ready for us, and its share of what is free.
MOST_IN_FLIGHT, LEAST_IN_FLIGHT, SHARE_IN_FLIGHT = MIB, 16 * KIB, 4
#: Bytes of the answers about a key besides its value.
BESIDES = 64
#: No key has this name. A cluster's node may say that another one has it, which is an answer as well.
NOBODY = b"\x00dealpurge-nobody"
#: What PTTL and PEXPIRETIME answer for a key that is not there.
GONE = -2

#: When a key expires, in milliseconds since 1970: 0 never, ``GONE`` where there is none; None: not ours to read.
Moment = int | None


@dataclass(slots=True)
class Values:
    """What was read: entries, and the rows of keys that are gone, too large, not ours to read, or left for later."""

    entries: list[Entry] = field(default_factory=list)
    gone: list[Row] = field(default_factory=list)
    oversized: list[Row] = field(default_factory=list)
    forbidden: list[Row] = field(default_factory=list)
    rest: list[Row] = field(default_factory=list)

    def add(self, other: Values) -> None:
        """Take in what another server had."""
        self.entries += other.entries
        self.gone += other.gone
        self.oversized += other.oversized
        self.forbidden += other.forbidden
        self.rest += other.rest

    @property
    def stuck(self) -> list[Row]:
        """What cannot be archived."""
        return [*self.oversized, *self.forbidden]


class ValueReader:
    """Reads over one connection. ``largest``: bytes of a value above which it is not kept."""

    def __init__(self, connection: ServerConnection, largest: int) -> None:
        self.connection = connection
        self.largest = largest
        #: Bytes that may be in flight, as far as was told last.
        self.in_flight = LEAST_IN_FLIGHT
        #: Families whose keys were seen to be no strings.
        self._others: set[int] = set()
        self.tells_moment = True

    def open(self) -> None:
        """To be called on every new connection. Raises what is ``LOST``."""
        connection = self.connection
        connection.limit.most = max(MOST_BYTES, 2 * self.largest)
        no_touch, moment = connection.ask_all([("CLIENT", "NO-TOUCH", "ON"), ("PEXPIRETIME", NOBODY)])
        del no_touch  # which Redis has from 7.2 on
        self.tells_moment = not is_unknown_command(moment)  # before Redis 7.0

    def read(self, rows: Sequence[Row], most: int = MOST_BYTES) -> Values:
        """Once so many bytes are read the rest is left. Raises what is ``LOST``, ``Transient``, ``RedisUnavailable``;
        to be begun anew then."""
        values, keys = Values(), [row[0] for row in rows]
        connection = self.connection
        usages = [("MEMORY", "USAGE", key) for key in keys]
        info, *told = connection.ask_keys([("INFO", "memory"), *usages, *self.moment_questions(keys)])
        self._take_room(info)
        sizes = {key: size for key, size in zip(keys, told, strict=False) if isinstance(size, int)}
        moments = dict(zip(keys, self.moments(told[len(keys) :]), strict=True))
        left = most
        for group in self._together([row for row in rows if (moments[row[0]] or 0) >= 0], sizes):
            if left <= 0:
                values.rest += group
                continue
            before = len(values.entries)
            self._read_group(values, group, moments)
            left -= size_of(values.entries[before:])
        values.gone += [row for row in rows if moments[row[0]] == GONE]
        return values

    def moment_questions(self, keys: Sequence[bytes]) -> list[Command]:
        """To be answered by ``moments``."""
        if self.tells_moment:
            return [("PEXPIRETIME", key) for key in keys]
        return [("TIME",), *(("PTTL", key) for key in keys)]

    def moments(self, replies: Sequence[Any]) -> list[Moment]:
        """When each expires. Raises ``Transient``, ``RedisUnavailable``."""
        now = 0 if self.tells_moment else milliseconds(replies[0])
        return [self._moment(reply, now) for reply in (replies if self.tells_moment else replies[1:])]

    def _moment(self, reply: Any, now: int) -> Moment:
        if isinstance(reply, ResponseError):
            check(reply)
            return None
        left = int(reply)
        return left if left == GONE else 0 if left < 0 else now + left

    def value_questions(self, keys: Sequence[bytes], *, strings: bool) -> list[Command]:
        """To be answered by ``values_of``."""
        if not strings:
            return [("DUMP", key) for key in keys]
        if self.connection.clustered or len(keys) < 2:  # where they need not be on one node any more
            return [("GET", key) for key in keys]
        return [("MGET", *keys)]

    def values_of(self, keys: Sequence[bytes], replies: Sequence[Any]) -> list[Any]:
        """What was answered about each key, an error reply as the exception. Raises ``Transient``,
        ``RedisUnavailable``."""
        together = len(replies) != len(keys)
        answers = list(replies[0]) if together and isinstance(replies[0], list) else list(replies)
        for answer in answers:
            check(answer)
        return answers if len(answers) == len(keys) else answers * len(keys)  # of keys that one error speaks of

    def _take_room(self, info: Any) -> None:
        known = memory(info)
        room = MOST_IN_FLIGHT * SHARE_IN_FLIGHT if known is None or known.room is None else known.room
        self.in_flight = min(max(room // SHARE_IN_FLIGHT, LEAST_IN_FLIGHT), MOST_IN_FLIGHT)

    def _together(self, rows: Sequence[Row], sizes: dict[bytes, int]) -> Iterator[list[Row]]:
        """Keys whose values may be in flight together; a large one, or one of unknown size, is alone."""
        group: list[Row] = []
        total = 0
        for row in rows:
            size = sizes.get(row[0], self.in_flight) + BESIDES
            if group and total + size > self.in_flight:
                yield group
                group, total = [], 0
            group.append(row)
            total += size
        if group:
            yield group

    def _read_group(self, values: Values, rows: Sequence[Row], moments: dict[bytes, Moment]) -> None:
        try:
            self._read_values(values, rows, moments)
        except RedisUnavailable as exc:
            # MEMORY USAGE looks at a few fields of many, and told too little of one of these.
            if getattr(exc.args[0], "code", "") != OVERSIZED.code:
                raise
            self.connection.connect()
            self.open()
            if len(rows) == 1:
                values.oversized += rows
                return
            for row in rows:
                self._read_group(values, [row], moments)

    def _read_values(self, values: Values, rows: Sequence[Row], moments: dict[bytes, Moment]) -> None:
        strings = [row for row in rows if row[1] not in self._others]
        dumps = [row for row in rows if row[1] in self._others]
        found = self._ask(strings, strings=True)
        # No string, or gone: whichever it is, DUMP tells.
        dumps += [row for row in strings if not isinstance(found[row[0]], bytes)]
        dumped = self._ask(dumps, strings=False)
        missed = [row for row in dumps if _is_string(dumped[row[0]])]
        found |= self._ask(missed, strings=True)
        for row in rows:
            self._note(values, row, found.get(row[0]), dumped.get(row[0]), moments[row[0]] or 0)

    def _ask(self, rows: Sequence[Row], *, strings: bool) -> dict[bytes, Any]:
        keys = [row[0] for row in rows]
        if not keys:
            return {}
        replies = self.connection.ask_keys(self.value_questions(keys, strings=strings))
        return dict(zip(keys, self.values_of(keys, replies), strict=True))

    def _note(self, values: Values, row: Row, text: Any, dump: Any, moment: int) -> None:
        key, family, token = row
        if isinstance(dump, bytes) and not _is_string(dump):
            self._others.add(family)
        value = text if isinstance(text, bytes) else dump
        if isinstance(value, ResponseError):
            values.forbidden.append(row)
        elif value is None or (_is_string(dump) and not isinstance(text, bytes)):
            values.gone.append(row)  # between two questions; were it there again, another pass would find it
        elif len(value) > self.largest:
            values.oversized.append(row)
        else:
            values.entries.append(Entry(key, family, token, value, moment, isinstance(text, bytes)))


def check(reply: Any) -> None:
    """Raise for an error reply that says nothing of its key. Raises ``Transient``, ``RedisUnavailable``."""
    if isinstance(reply, ResponseError):
        raise_transient(reply)
        if forbids_command(reply) or is_unknown_command(reply):
            raise failure(reply)


def _is_string(dump: Any) -> bool:
    return isinstance(dump, bytes) and dump[:1] == bytes([STRING_TYPE])
