"""Reads the values of keys with what room the server has, and tells which are too large or not to be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

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
#: What PTTL and PEXPIRETIME answer for a key that does not expire, and for one that is not there.
NEVER, GONE = -1, -2

#: Commands of one key, which follows.
GET, DUMP = b"*2\r\n$3\r\nGET\r\n", b"*2\r\n$4\r\nDUMP\r\n"
PTTL, PEXPIRETIME = b"*2\r\n$4\r\nPTTL\r\n", b"*2\r\n$11\r\nPEXPIRETIME\r\n"
MEMORY_USAGE = b"*3\r\n$6\r\nMEMORY\r\n$5\r\nUSAGE\r\n"

#: When a key expires, in milliseconds since 1970: 0 never, ``GONE`` where there is none; None: not ours to read.
Moment = int | None


class Measured(NamedTuple):
    """A key that is there: as an argument on the wire, when it expires, and its bytes, about."""

    row: Row
    argument: bytes
    moment: int
    size: int | None


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
        values, left = Values(), most
        for group in self._together(self._measured(values, rows)):
            if left <= 0:
                values.rest += [key.row for key in group]
                continue
            before = len(values.entries)
            self._read_group(values, group)
            left -= size_of(values.entries[before:])
        return values

    def moment_questions(self, arguments: Sequence[bytes]) -> list[Command]:
        """To be answered by ``moments``; of keys as they go over the wire."""
        if self.tells_moment:
            return [PEXPIRETIME + argument for argument in arguments]
        return [("TIME",), *[PTTL + argument for argument in arguments]]

    def moments(self, replies: Sequence[Any]) -> list[Moment]:
        """When each expires. Raises ``Transient``, ``RedisUnavailable``."""
        now = 0 if self.tells_moment else milliseconds(replies[0])
        found = replies if self.tells_moment else replies[1:]
        return [0 if reply == NEVER else self._moment(reply, now) for reply in found]

    def _moment(self, reply: Any, now: int) -> Moment:
        if isinstance(reply, ResponseError):
            check(reply)
            return None
        return GONE if reply == GONE else now + int(reply)

    def value_questions(self, arguments: Sequence[bytes], *, strings: bool, singly: bool = False) -> list[Command]:
        """To be answered by ``values_of``. ``singly``: no answer has several values."""
        if not strings:
            return [DUMP + argument for argument in arguments]
        if singly or self.connection.clustered:  # where they need not be on one node any more
            return [GET + argument for argument in arguments]
        return [b"".join((b"*%d\r\n$4\r\nMGET\r\n" % (len(arguments) + 1), *arguments))] if arguments else []

    def values_of(self, number: int, replies: Sequence[Any], *, strings: bool) -> list[Any]:
        """What was answered about each of so many keys, an error reply as the exception. Raises ``Transient``,
        ``RedisUnavailable``."""
        found = list(replies)
        if strings and number and (isinstance(replies[0], list) or len(replies) < number):  # of MGET
            found = replies[0] if isinstance(replies[0], list) else found * number
        for reply in found:
            if type(reply) is not bytes:
                check(reply)
        return found

    def _measured(self, values: Values, rows: Sequence[Row]) -> Iterator[Measured]:
        """Those that are there, with their size, about, if it is told."""
        arguments = [argument_of(row[0]) for row in rows]
        usages = [MEMORY_USAGE + argument for argument in arguments]
        replies = self.connection.ask_keys([("INFO", "memory"), *usages, *self.moment_questions(arguments)])
        self._take_room(replies[0])
        moments = self.moments(replies[1 + len(rows) :])
        for row, argument, size, moment in zip(rows, arguments, replies[1:], moments, strict=False):
            if moment is None:
                values.forbidden.append(row)
            elif moment == GONE:
                values.gone.append(row)
            else:
                yield Measured(row, argument, moment, size if type(size) is int else None)

    def _take_room(self, info: Any) -> None:
        known = memory(info)
        room = MOST_IN_FLIGHT * SHARE_IN_FLIGHT if known is None or known.room is None else known.room
        self.in_flight = min(max(room // SHARE_IN_FLIGHT, LEAST_IN_FLIGHT), MOST_IN_FLIGHT)

    def _together(self, keys: Iterable[Measured]) -> Iterator[list[Measured]]:
        """Keys whose values may be in flight together; a large one, or one of unknown size, is alone."""
        group: list[Measured] = []
        total = 0
        for key in keys:
            size = (self.in_flight if key.size is None else key.size) + BESIDES
            if group and total + size > self.in_flight:
                yield group
                group, total = [], 0
            group.append(key)
            total += size
        if group:
            yield group

    def _read_group(self, values: Values, group: Sequence[Measured]) -> None:
        try:
            self._read_values(values, group)
        except RedisUnavailable as exc:
            # MEMORY USAGE looks at a few fields of many, and told too little of one of these.
            if getattr(exc.args[0], "code", "") != OVERSIZED.code:
                raise
            self.connection.connect()
            self.open()
            if len(group) == 1:
                values.oversized.append(group[0].row)
                return
            for key in group:
                self._read_group(values, [key])

    def _read_values(self, values: Values, group: Sequence[Measured]) -> None:
        others = self._others
        strings = [key for key in group if key.row[1] not in others]
        dumps = [key for key in group if key.row[1] in others]
        # What is no string, or gone, DUMP tells.
        dumps += self._note(values, strings, self._ask(strings, strings=True), strings=True)
        strings = self._note(values, dumps, self._ask(dumps, strings=False), strings=False)
        for key in self._note(values, strings, self._ask(strings, strings=True), strings=True):
            values.gone.append(key.row)  # or made again as another type since, which another pass would find

    def _ask(self, keys: Sequence[Measured], *, strings: bool) -> list[Any]:
        arguments = [key.argument for key in keys]
        replies = self.connection.ask_keys(self.value_questions(arguments, strings=strings))
        found = self.values_of(len(keys), replies, strings=strings)
        if len(replies) == 1 < len(keys) and isinstance(replies[0], ResponseError):  # of a single key, perhaps
            return self.connection.ask_all([GET + argument for argument in arguments])
        return found

    def _note(self, values: Values, keys: Sequence[Measured], found: Sequence[Any], *, strings: bool) -> list[Measured]:
        """Take the answers; the keys that are of another kind than was asked for."""
        others = []
        for key, value in zip(keys, found, strict=True):
            if type(value) is not bytes:
                if strings and (value is None or _is_other_type(value)):
                    others.append(key)
                else:
                    (values.gone if value is None else values.forbidden).append(key.row)
            elif not strings and value[:1] == STRING_TYPE:
                others.append(key)
            elif len(value) > self.largest:
                values.oversized.append(key.row)
            else:
                if not strings:
                    self._others.add(key.row[1])
                values.entries.append(Entry(*key.row, value, key.moment, strings, key.argument))
        return others


def argument_of(key: bytes) -> bytes:
    """The key as an argument goes over the wire."""
    return b"$%d\r\n%b\r\n" % (len(key), key)


def check(reply: Any) -> None:
    """Raise for an error reply that says nothing of its key. Raises ``Transient``, ``RedisUnavailable``."""
    if isinstance(reply, ResponseError):
        raise_transient(reply)
        if forbids_command(reply) or is_unknown_command(reply):
            raise failure(reply)


def _is_other_type(reply: Any) -> bool:
    return isinstance(reply, ResponseError) and str(reply).startswith(("WRONGTYPE", "Operation against"))
