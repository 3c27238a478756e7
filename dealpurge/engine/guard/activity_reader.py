"""When a deal was last worked on, by the Redis server's clock, judged from its ``canvas:events`` keys."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

from redis.exceptions import NoPermissionError, ResponseError

from dealpurge.engine.guard.activity import READ, Reading, mark_of, moment_of
from dealpurge.engine.guard.look_sizes import LookSizes, narrowed, together
from dealpurge.engine.sweep.tally import Tally
from dealpurge.i18n import gettext_noop
from dealpurge.servers.commands import Command
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import failure, forbids_command, raise_transient
from dealpurge.servers.replies import milliseconds, word
from dealpurge.servers.sockets import Alone

LFU_WARNING = gettext_noop(
    "The activity of some deals could not be told (OBJECT IDLETIME is refused, as under an LFU policy): "
    "they count as active.",
    code="idle_time_unknown",
)


#: Bytes of a sorted set by its lowest members, below which Redis measures all of them in no time.
FEW_MEMBERS = 1 << 16

#: A look in its round trips, and a part of it.
ReadSteps = Generator[list[Command], list[Any], Reading]
Steps = Generator[list[Command], list[Any], None]


class ActivityReader:
    """Reads events keys over one connection. Idle times are left as they were where the server can do that."""

    def __init__(self, connection: ServerConnection, tally: Tally) -> None:
        self.connection = connection
        self.tally = tally
        self.sizes = LookSizes(connection, tally)
        self.no_touch = False

    def open(self) -> None:
        """Ask the server not to count our reading as use (Redis 7.2); the connection is closed after the run."""
        self.no_touch = self.connection.ask("CLIENT", "NO-TOUCH", "ON") == b"OK"

    def read(self, keys: Iterable[bytes], before: Reading | None = None) -> Reading:
        """Last activity of each key that exists. ``before``: our own last look, which was no use of the key."""
        look = self.read_steps(keys, before)
        commands = next(look)
        while True:
            replies = self.connection.ask_keys(commands)
            try:
                commands = look.send(replies)
            except StopIteration as end:
                reading: Reading = end.value
                return reading

    def read_steps(self, keys: Iterable[bytes], before: Reading | None = None) -> ReadSteps:
        """What ``read`` does, round trip by round trip: yields questions, which may be none, and takes the replies.

        Raises ``Transient``: what passes by itself tells nothing.
        """
        names = list(dict.fromkeys(keys))
        part, *parts = self.sizes.parts(names)
        clock, info, *sizes = _lasting((yield [("TIME",), ("INFO", "memory"), *self.sizes.questions(part)]))
        reading = Reading(milliseconds(clock))
        self.sizes.take_room(reading, info)
        self.sizes.take(reading, part, sizes)
        for part in parts:
            self.sizes.take(reading, part, _lasting((yield self.sizes.questions(part))))
        types, last = reading.types, reading.last
        if self.no_touch:  # nearly all are streams, and asking whether they are resets no idle time then
            yield from self._take_all(reading, [key for key in names if key not in types and _fits(reading, key)])
        unknown = [key for key in names if key not in types]
        types |= zip(unknown, _told((yield [("TYPE", key) for key in unknown])), strict=True)
        yield from self._narrow(reading, unknown)
        idle_first = [key for key in unknown if types[key] != b"none" and self._needs_idle_first(types[key])]
        found = _lasting((yield [("OBJECT", "IDLETIME", key) for key in idle_first]))
        idle = dict(zip(idle_first, found, strict=True))
        yield from self._take_all(reading, [key for key in unknown if types[key] in READ and key not in last])
        rest = [key for key, kind in types.items() if kind != b"none" and key not in last]
        missing = [key for key in rest if key not in idle]
        found = _lasting((yield [("OBJECT", "IDLETIME", key) for key in missing]))
        self._judge_by_idle_time(reading, idle | dict(zip(missing, found, strict=True)), rest)
        reading.marks = {key: mark for key, mark in reading.marks.items() if key in reading.idle and not self.no_touch}
        _keep_known(reading, before)
        return reading

    def _take_all(self, reading: Reading, keys: Sequence[bytes]) -> Steps:
        """Read keys, as many at once as the server has room for; what is large of an answer is kept by nobody."""
        for group in together(reading, keys):
            alone = len(group) == 1 and reading.is_large(group)
            if alone and group[0] in reading.sizes and reading.types.get(group[0]) != b"zset":
                reading.first_only.update(group)
            questions = [_question(key, reading) for key in group]
            replies = _lasting((yield [Alone(question) for question in questions] if alone else questions))
            if alone:
                reading.sizes[group[0]] = self.connection.limit.taken
            for key, reply in zip(group, replies, strict=True):
                _take(reading, key, reply)

    def _narrow(self, reading: Reading, keys: Sequence[bytes]) -> Steps:
        """Tell more: of a sorted set only the lowest members were measured, of a large stream not how many it has."""
        kinds = reading.types
        sets = [key for key in keys if kinds[key] == b"zset" and _fits(reading, key)]
        few = [key for key in sets if reading.sizes.pop(key, FEW_MEMBERS) < FEW_MEMBERS]
        sizes = _lasting((yield [("MEMORY", "USAGE", key, "SAMPLES", 0) for key in few]))
        reading.sizes |= {key: size for key, size in zip(few, sizes, strict=True) if isinstance(size, int)}
        streams = [key for key in keys if kinds[key] == b"stream" and not _fits(reading, key)]
        for key, entries in zip(streams, (yield [("XLEN", key) for key in streams]), strict=True):
            reading.sizes[key] = narrowed(reading.sizes[key], entries)
            reading.first_only.add(key)
        reading.unread.update(key for key in keys if kinds[key] in READ and not _fits(reading, key))
        reading.last |= dict.fromkeys(reading.unread)

    def questions(self, keys: Iterable[bytes], before: Reading) -> list[Command]:
        """A second look in one round trip, for keys of ``before``. A key that changed its type counts as active."""
        names = list(keys)
        questions = [_second_question(key, before) for key in names]
        return [("TIME",), *(map(Alone, questions) if before.is_large(names) else questions)]

    def answers(self, keys: Iterable[bytes], before: Reading, replies: Sequence[Any]) -> Reading:
        """What the replies to ``questions`` tell."""
        reading = Reading(milliseconds(replies[0]), types=before.types)
        for key, reply in zip(keys, replies[1:], strict=True):
            kind = before.types.get(key, b"none")
            if kind == b"none":
                if reply != b"none":  # it came into being since
                    reading.last[key] = reading.now
            elif key in before.unread:
                reading.last[key] = None
                reading.unread.add(key)
            elif key in before.marks:
                if not _is_gone(kind, reply):
                    reading.last[key] = _since_marked(reading.now, reply, key, before)
            elif kind not in READ or key in before.idle:
                if reply is not None:
                    reading.last[key] = self._since(reading.now, reply)
            elif not _is_gone(kind, reply):
                moment = moment_of(kind, reply)
                reading.last[key] = None if moment is None else min(moment, reading.now)
        return reading

    def _needs_idle_first(self, kind: bytes) -> bool:
        """XINFO and ZRANGE reset the idle time, so where nothing prevents that it is asked for before them."""
        return kind not in READ or not self.no_touch

    def _judge_by_idle_time(self, reading: Reading, idle: Mapping[bytes, Any], keys: Sequence[bytes]) -> None:
        for key in keys:
            if idle[key] is None:
                continue  # gone since its type was asked
            reading.idle.add(key)
            reading.last[key] = self._since(reading.now, idle[key])

    def _since(self, now: int, idle: Any) -> int | None:
        if type(idle) is int:
            return now - idle * 1000
        self.tally.warn(LFU_WARNING)
        return None

    def again(self, keys: Sequence[bytes], before: Reading) -> Reading:
        """A second look in one round trip, for keys of ``before``."""
        return self.answers(keys, before, _lasting(self.connection.ask_keys(self.questions(keys, before))))


def _since_marked(now: int, reply: Any, key: bytes, before: Reading) -> int | None:
    """By a second look at a key whose idle time the first one has reset: it moved, or it did not."""
    if isinstance(reply, ResponseError):
        return None
    return before.last[key] if mark_of(before.types[key], reply) == before.marks[key] else now


def _keep_known(reading: Reading, before: Reading | None) -> None:
    """What an earlier look of ours told of keys that have not moved since, and whose idle time it has reset."""
    known = before.marks if before else {}
    for key, mark in reading.marks.items():
        if before and known.get(key) == mark:
            reading.last[key] = before.last[key]


def _lasting(replies: list[Any]) -> list[Any]:
    """The replies, if none of them passes by itself."""
    for reply in replies:
        raise_transient(reply)
    return replies


def _told(replies: list[Any]) -> list[Any]:
    """The types, b"" of a key that the user may not read. Raises for any other error, and for what is no type."""
    return [b"" if _is_hidden(reply) else word(reply, "TYPE") for reply in _lasting(replies)]


def _question(key: bytes, reading: Reading) -> Command:
    """What reads a key, which is a stream unless it is known to be a sorted set."""
    if reading.types.get(key) == b"zset":
        return ("ZRANGE", key, -1, -1, "WITHSCORES")
    return ("XINFO", "STREAM", key, "FULL", "COUNT", 1) if key in reading.first_only else ("XINFO", "STREAM", key)


def _second_question(key: bytes, before: Reading) -> Command:
    kind = before.types.get(key, b"none")
    if kind == b"none" or key in before.unread:
        return ("TYPE", key)
    read = kind in READ and (key not in before.idle or key in before.marks)
    return _question(key, before) if read else ("OBJECT", "IDLETIME", key)


def _fits(reading: Reading, key: bytes) -> bool:
    return reading.sizes.get(key, 0) <= reading.largest


def _take(reading: Reading, key: bytes, reply: Any) -> None:
    """Note what an answer tells, if it is one: a key of a type that was not asked may be no stream."""
    if forbids_command(reply):
        raise failure(reply)
    if key not in reading.types and _is_other(reply):
        return
    kind = reading.types.setdefault(key, b"stream")
    if _is_gone(kind, reply):  # since its type was asked: an idle time told before says nothing now
        reading.types[key] = b"none"
    elif (moment := moment_of(kind, reply)) is not None:
        reading.last[key] = min(moment, reading.now)
    elif not isinstance(reply, ResponseError):
        reading.marks[key] = mark_of(kind, reply)


def _is_other(reply: Any) -> bool:
    """Whether XINFO answers for a key that is no stream, or may not be read."""
    return isinstance(reply, ResponseError) and not _is_gone(b"stream", reply) and not forbids_command(reply)


def _is_gone(kind: bytes, reply: Any) -> bool:
    """Whether the key is no more: XINFO answers an error then, ZRANGE nothing."""
    return (reply == [] and kind == b"zset") or (isinstance(reply, ResponseError) and "no such key" in str(reply))


def _is_hidden(reply: Any) -> bool:
    return isinstance(reply, NoPermissionError) and not forbids_command(reply)
