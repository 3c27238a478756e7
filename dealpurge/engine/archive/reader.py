"""Reads the values of keys with what room the server has, and tells which are too large or not to be read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any

from redis.exceptions import ResponseError

from dealpurge.engine.archive.entries import STRING_TYPE, Entries, Row
from dealpurge.engine.archive.measured import Measured, Values
from dealpurge.engine.steps import Steps, Turn, alone, finish
from dealpurge.exceptions import RedisUnavailable
from dealpurge.servers.commands import Command, Several, naming
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import failure, forbids_command, raise_transient
from dealpurge.servers.replies import is_unknown_command, memory, milliseconds
from dealpurge.servers.sockets import MOST_BYTES, OVERSIZED

#: Bytes that are read in one go: as many as a server may hold ready for us, and its share of what is free.
MOST_IN_FLIGHT, LEAST_IN_FLIGHT, SHARE_IN_FLIGHT = 1 << 20, 16 << 10, 4
#: Keys that are read before the room is asked for again.
ASK_ROOM_EVERY = 1000
#: No key has this name. A cluster's node may say that another one has it, which is an answer as well.
NOBODY = b"\x00dealpurge-nobody"
#: What PTTL and PEXPIRETIME answer for a key that does not expire, and for one that is not there.
NEVER, GONE = -1, -2

#: Commands of one key, which follows.
GET, DUMP = b"*2\r\n$3\r\nGET\r\n", b"*2\r\n$4\r\nDUMP\r\n"
PTTL, PEXPIRETIME = b"*2\r\n$4\r\nPTTL\r\n", b"*2\r\n$11\r\nPEXPIRETIME\r\n"
MEMORY_USAGE = b"*3\r\n$6\r\nMEMORY\r\n$5\r\nUSAGE\r\n"

_BYTES, _NUMBERS = frozenset((bytes,)), frozenset((int,))
#: When a key expires, in milliseconds since 1970: 0 never, ``GONE`` where there is none; None: not ours to read.
Moment = int | None


class ValueReader:
    """Reads over one connection. ``largest``: bytes of a value above which it is not kept."""

    def __init__(self, connection: ServerConnection, largest: int, *, share: int = 1, turn: Turn | None = None) -> None:
        """``share``: among how many connections to the server what may be in flight is shared; ``turn``: for a value
        that is more than such a share."""
        self.connection = connection
        self.largest = largest
        self._share, self._turn = share, turn or Turn()
        #: Bytes that may be in flight, as far as was told last.
        self.in_flight = LEAST_IN_FLIGHT
        #: Keys that may be read before that is asked again.
        self._known_for = 0
        #: Families whose keys were seen to be no strings.
        self._others: set[int] = set()
        self.tells_moment = True

    def open(self) -> None:
        """To be called on every new connection. Raises what is ``LOST``."""
        connection = self.connection
        connection.limit.most = max(MOST_BYTES, 2 * self.largest)
        # Redis has them from 7.2 and from 7.0 on.
        _, moment = connection.ask_all([("CLIENT", "NO-TOUCH", "ON"), ("PEXPIRETIME", NOBODY)])
        self.tells_moment = not is_unknown_command(moment)

    def read(self, rows: Sequence[Row], most: int = MOST_BYTES) -> Values:
        """As ``steps``, at once."""
        return finish(self.steps(rows, most))

    def steps(self, rows: Sequence[Row], most: int) -> Steps[Values]:
        """Once so many bytes are read the rest is left. Raises what is ``LOST``, ``Transient``, ``RedisUnavailable``;
        to be begun anew then."""
        values, left = Values(), most
        measured = yield from self._measured(values, rows)
        for group in measured.groups(self.in_flight):
            if left <= 0:
                values.rest += group.rows
                continue
            found = Values()
            reading = self._read_group(found, group)
            yield from alone(self._turn, reading) if group.is_large(self.in_flight) else reading
            values.add(found)
            left -= found.entries.size
        return values

    def _each(self, command: bytes, arguments: Sequence[bytes], *, singly: bool = False) -> list[Command]:
        """The command for each key; on a cluster one by one, to be followed to where the key is."""
        if singly or self.connection.clustered:
            return [command + argument for argument in arguments]
        return [Several.of(command, arguments)] if arguments else []

    def moment_questions(self, arguments: Sequence[bytes]) -> list[Command]:
        """To be answered by ``moments``; of keys as they go over the wire."""
        if self.tells_moment:
            return self._each(PEXPIRETIME, arguments)
        return [("TIME",), *self._each(PTTL, arguments)]

    def moments(self, replies: Sequence[Any]) -> list[Moment]:
        """When each expires. Raises ``Transient``, ``RedisUnavailable``."""
        now = 0 if self.tells_moment else milliseconds(replies[0])
        found = replies if self.tells_moment else replies[1:]
        if self.tells_moment and _NUMBERS.issuperset(map(type, found)):  # as nearly always
            return [0 if reply == NEVER else reply for reply in found]
        return [0 if reply == NEVER else self._moment(reply, now) for reply in found]

    def _moment(self, reply: Any, now: int) -> Moment:
        if isinstance(reply, ResponseError):
            check(reply)
            return None
        return GONE if reply == GONE else now + int(reply)

    def value_questions(self, arguments: Sequence[bytes], *, strings: bool, singly: bool = False) -> list[Command]:
        """To be answered by ``values_of``. ``singly``: no answer has several values."""
        if not strings or singly or self.connection.clustered:  # where they need not be on one node any more
            return self._each(GET if strings else DUMP, arguments, singly=singly)
        return [naming(b"MGET", arguments)] if arguments else []

    def values_of(self, number: int, replies: Sequence[Any], *, strings: bool) -> list[Any]:
        """What was answered about each of so many keys, an error reply as the exception. Raises ``Transient``,
        ``RedisUnavailable``."""
        found = list(replies)
        if strings and number and (isinstance(found[0], list) or len(found) < number):  # of MGET
            found = found[0] if isinstance(found[0], list) else found * number
        if not _BYTES.issuperset(map(type, found)):
            for reply in found:
                check(reply)
        return found

    def _asked(self, commands: Sequence[Command]) -> Steps[list[Any]]:
        replies = self.connection.send_all(commands)
        yield
        return self.connection.followed(commands, self.connection.read_all(replies))

    def _measured(self, values: Values, rows: Sequence[Row]) -> Steps[Measured]:
        arguments = [b"$%d\r\n%b\r\n" % (len(row[0]), row[0]) for row in rows]
        usages = self._each(MEMORY_USAGE, arguments)
        about_room = [("INFO", "memory")] if self._known_for <= 0 else []
        replies = yield from self._asked([*about_room, *usages, *self.moment_questions(arguments)])
        if about_room:
            self._take_room(replies.pop(0))
            self._known_for = ASK_ROOM_EVERY
        self._known_for -= len(rows)
        sizes = [size if type(size) is int else None for size in replies[: len(rows)]]
        moments = self.moments(replies[len(rows) :])
        measured = Measured(rows, arguments, moments, sizes)
        if None not in moments and GONE not in moments:
            return measured
        for row, moment in zip(rows, moments, strict=True):
            if moment is None or moment == GONE:
                (values.forbidden if moment is None else values.gone).append(row)
        return measured.only([moment is not None and moment != GONE for moment in moments])

    def _take_room(self, info: Any) -> None:
        known = memory(info)
        room = MOST_IN_FLIGHT * SHARE_IN_FLIGHT if known is None or known.room is None else known.room
        self.in_flight = min(max(room // SHARE_IN_FLIGHT, LEAST_IN_FLIGHT), MOST_IN_FLIGHT) // self._share

    def _read_group(self, values: Values, group: Measured) -> Steps[None]:
        found = Values()
        try:
            yield from self._read_values(found, group)
        except RedisUnavailable as exc:
            # MEMORY USAGE looks at a few fields of many, and told too little of one of these.
            if getattr(exc.args[0], "code", "") != OVERSIZED.code:
                raise
            self.connection.connect()
            self.open()
            if len(group.rows) == 1:
                values.oversized.append(group.rows[0])
                return
            for place in range(len(group.rows)):
                yield from self._read_group(values, group.between(place, place + 1))
        else:
            values.add(found)

    def _read_values(self, values: Values, group: Measured) -> Steps[None]:
        are_others = [row[1] in self._others for row in group.rows]
        strings, dumps = group.only([not other for other in are_others]), group.only(are_others)
        no_strings, no_dumps = yield from self._ask(values, strings, dumps)
        if no_strings.rows or no_dumps.rows:
            # What is no string, or gone, DUMP tells. What is of another type again was made again meanwhile.
            for left in (yield from self._ask(values, no_dumps, no_strings)):
                values.gone += left.rows

    def _ask(self, values: Values, strings: Measured, dumps: Measured) -> Steps[tuple[Measured, Measured]]:
        """Take what is of the kind that is asked for; what is not."""
        questions = self.value_questions(strings.arguments, strings=True)
        replies = yield from self._asked([*questions, *self.value_questions(dumps.arguments, strings=False)])
        found, others = replies[: len(questions)], replies[len(questions) :]
        if len(found) == 1 < len(strings.rows) and isinstance(found[0], ResponseError):  # of a single key, perhaps
            check(found[0])
            found = self.connection.ask_all(self._each(GET, strings.arguments))
        found = self.values_of(len(strings.rows), found, strings=True)
        others = self.values_of(len(dumps.rows), others, strings=False)
        return self._note(values, strings, found, strings=True), self._note(values, dumps, others, strings=False)

    def _note(self, values: Values, keys: Measured, found: Sequence[Any], *, strings: bool) -> Measured:
        """Take the answers; the keys that are of another kind than was asked for."""
        fit = _BYTES.issuperset(map(type, found)) and max(map(len, found), default=0) <= self.largest
        if fit and (strings or STRING_TYPE not in {value[:1] for value in found}):  # as nearly always
            self._take(values, keys, found, strings=strings)
            return keys.between(0, 0)
        taken, others = list[bool](), list[bool]()
        for row, value in zip(keys.rows, found, strict=True):
            whole = type(value) is bytes
            others.append(_is_no_string(value) if strings else whole and value[:1] == STRING_TYPE)
            taken.append(whole and not others[-1] and len(value) <= self.largest)
            if not (taken[-1] or others[-1]):
                (values.oversized if whole else values.gone if value is None else values.forbidden).append(row)
        self._take(values, keys.only(taken), list(compress(found, taken)), strings=strings)
        return keys.only(others)

    def _take(self, values: Values, keys: Measured, found: Sequence[bytes], *, strings: bool) -> None:
        values.entries.add(Entries.of(keys.rows, found, keys.moments, keys.arguments, are_strings=strings))
        if not strings:
            self._others.update({row[1] for row in keys.rows})


def check(reply: Any) -> None:
    """Raise for an error reply that says nothing of its key. Raises ``Transient``, ``RedisUnavailable``."""
    if isinstance(reply, ResponseError):
        raise_transient(reply)
        if forbids_command(reply) or is_unknown_command(reply):
            raise failure(reply)


def _is_no_string(reply: Any) -> bool:
    """Or gone, by what MGET or GET answered."""
    wrong = isinstance(reply, ResponseError) and str(reply).startswith(("WRONGTYPE", "Operation against"))
    return wrong or reply is None
