"""A restore from its first look to its last key: files checked, the server asked, then everything written but events,
and these last."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from time import monotonic, time
from typing import TypeVar

from redis.exceptions import ResponseError

from dealpurge.engine.restore import memory, words
from dealpurge.engine.restore.chosen import Choice
from dealpurge.engine.restore.commands import Commands, NoCommands
from dealpurge.engine.restore.probe import takes_format
from dealpurge.engine.restore.reading import read_ahead
from dealpurge.engine.restore.source import ArchivedFile, Damaged, Source
from dealpurge.engine.restore.tally import DamagedFile, RestoreTally
from dealpurge.engine.restore.writer import PACKET_BYTES, Full, Writer
from dealpurge.exceptions import RestoreRefused
from dealpurge.keys.families import Keyspace
from dealpurge.scope import PurgeScope, RestoreScope
from dealpurge.servers import discovery
from dealpurge.servers.backoff import KeepGoing
from dealpurge.servers.commands import Command, Several
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import Stopped, raise_transient
from dealpurge.servers.replies import count, milliseconds

T = TypeVar("T")

#: Bytes of events that are held back; files with more of them are read once more.
HELD_BYTES = 16 << 20
#: Bytes that are sent before it is asked again whether a server has room.
CHECK_ROOM_EVERY = 1 << 20
EXISTS = b"*2\r\n$6\r\nEXISTS\r\n"


def restore(
    scope: RestoreScope, keyspace: Keyspace, source: Source, tally: RestoreTally, keep_going: KeepGoing
) -> None:
    """Write back what ``scope`` asks for, or count what that would be, into ``tally`` whatever ends it. ``keyspace``:
    by which the keys were archived. Raises ``RestoreRefused`` before anything is written, ``RedisUnavailable``,
    ``ArchiveUnavailable``, ``PurgeConfigurationError``."""
    choice = Choice(scope, keyspace)
    files = [file for file in source.files if choice.may_be_in(file)]
    tally.total = sum(file.keys for file in files)
    try:
        servers = discovery.find(PurgeScope(mode="all"), keyspace, keep_going, restoring=True)
        tally.meeting.expect(servers.configured)
        with Writer(servers, tally, keep_going) as writer:
            Restoring(choice, files, source, writer, keep_going).run()
        tally.complete = True
    except Stopped as exc:
        tally.cancelled = True
        for trouble in exc.args:
            tally.warn(trouble)
    finally:
        if tally.phase != "write" and not scope.dry_run:
            tally.forget_what_would_be()
        if tally.replaced and not scope.dry_run:
            tally.warn(words.REPLACED_WARNING)


class Restoring:
    """One restore; its files hold what is asked for, and perhaps more."""

    def __init__(
        self, choice: Choice, files: Sequence[ArchivedFile], source: Source, writer: Writer, keep_going: KeepGoing
    ) -> None:
        self.choice, self.source, self.writer, self.keep_going = choice, source, writer, keep_going
        self.tally, self._files = writer.tally, files
        #: Events, whose turn comes last.
        self._held: deque[tuple[ArchivedFile, Commands]] = deque()
        #: Bytes sent since it was asked whether there is room.
        self._unchecked = CHECK_ROOM_EVERY
        #: Versions of payloads that the server does not take.
        self._refused: set[int] = set()
        #: The server's time in milliseconds, and when it was that.
        self._clock = time() * 1000, monotonic()

    def run(self) -> None:
        """All of it. Raises as ``restore``."""
        scope, tally = self.choice.scope, self.tally
        self._ask_server()
        tally.phase = "read"
        looks = scope.dry_run or self.choice.is_narrow or scope.leave_mixed
        if not looks:
            self._verify()
            tally.needed, tally.to_write = memory.needed_at_most(self._files), tally.total
            looks = self._lacks_room and not tally.damaged  # or so it seems without a look at what is there already
        if looks:
            self._survey()
        if scope.leave_mixed:
            self._leave_out_mixed()
        if scope.dry_run:
            self._tell()
            return
        if tally.damaged and not scope.skip_damaged:
            raise RestoreRefused(words.DAMAGED.format(*words.damaged(tally)))
        if self._lacks_room:
            raise RestoreRefused(words.NO_ROOM)
        tally.forget()  # all is counted again, key by key at the write
        self._write_all()
        self._tell()

    def _tell(self) -> None:
        for warning in words.warnings(self.choice.scope, self.tally, self._refused, lacks_room=self._lacks_room):
            self.tally.warn(warning)

    @property
    def _lacks_room(self) -> bool:
        tally = self.tally
        return tally.free is not None and tally.needed is not None and tally.needed > tally.free

    def _ask_server(self) -> None:
        writer = self.writer
        for version in sorted({file.rdb_version for file in self._files if file.rdb_version is not None}):
            if not all(writer.each(partial(takes_format, version=version))):
                self._refused.add(version)
        now = writer.each(_time)[0]
        self._clock = (time() * 1000 if now is None else now), monotonic()
        self.tally.free = memory.total(writer.each(memory.free_on))

    def _verify(self) -> None:
        """Each file against its checksum, without a look at its keys."""
        for file, _ in self._read(lambda file: len(self.source.read(file)), self._files):
            self.tally.read += file.keys

    def _survey(self) -> None:
        """What would become of each key, were it written now."""
        tally = self.tally
        tally.read = tally.needed = 0
        tally.damaged.clear()
        for file, chosen in self._chosen(self._files):
            part = self._writable(file, chosen)
            there = [count(reply, 1, "EXISTS") for reply in self.writer.ask(_existence, part)]
            fresh = part.only([not exists for exists in there])
            tally.settle(part.only(there), tally.kept)
            tally.settle(fresh, tally.restored)
            tally.needed += memory.needed_by(fresh)
        tally.to_write = tally.written
        if not self.choice.is_narrow:
            tally.to_write += sum(found.file.keys for found in tally.damaged)

    def _leave_out_mixed(self) -> None:
        """And count anew what would become of the others."""
        self.choice.leave_out(self.tally.leave_out_mixed())
        self.tally.forget()
        self._survey()

    def _write_all(self) -> None:
        self.tally.phase = "write"
        try:
            with closing(self._in_order()) as pieces:  # or its threads read on
                for piece in pieces:
                    self._keep_room(piece)
                    self.writer.put(piece)
            self.writer.settle()
        except Full:
            self.tally.warn(words.FULL_WARNING)
        finally:
            self.writer.read_owed()
            for commands in (*self.writer.unsettled, *(events for _, events in self._held)):
                self.tally.pending.update(commands.tokens)

    def _keep_room(self, piece: Commands) -> None:
        """A server that would evict keys to take more is full. Raises ``Full``."""
        size = sum(piece.sizes)
        self._unchecked += size
        if self.tally.free is not None and self._unchecked > CHECK_ROOM_EVERY:
            self._unchecked = size
            self.writer.settle()
            if any(self.writer.each(partial(memory.would_evict, size=size))):
                self.tally.pending.update(piece.tokens)
                raise Full

    def _in_order(self) -> Generator[Commands, None, None]:
        """All that can be written, events last."""
        choice = self.choice
        size, again = 0, dict[str, ArchivedFile]()
        for file, chosen in self._chosen(self._files):
            events, others = choice.split(chosen)
            yield self._writable(file, others)
            size += sum(events.sizes)
            if size > HELD_BYTES or file.name in again:
                again[file.name] = file
            elif events:
                self._held.append((file, events.apart()))
        while self._held:
            file, events = self._held.popleft()
            if file.name not in again:
                yield self._writable(file, events)
        for file, chosen in self._chosen(again.values()):
            yield self._writable(file, choice.split(chosen)[0])

    def _chosen(self, files: Iterable[ArchivedFile]) -> Iterator[tuple[ArchivedFile, Commands]]:
        """What is asked for, in pieces that go into a packet. Not parsed by the threads: whoever waits for a socket
        would wait for Python, too."""
        for file, data in self._read(self.source.read, files):
            try:
                for piece in Commands.parse(data, PACKET_BYTES):
                    yield file, self.choice.of(self.choice.claimed(piece))
            except NoCommands:
                self.tally.damaged.append(DamagedFile(file, "altered"))
            self.tally.read += 0 if self.tally.phase == "write" else file.keys

    def _writable(self, file: ArchivedFile, commands: Commands) -> Commands:
        """Those that have not expired and that the server takes; the others are counted."""
        now = self._clock[0] + (monotonic() - self._clock[1]) * 1000
        if any(commands.moments):
            expired = [0 < moment <= now for moment in commands.moments]
            if any(expired):
                self.tally.settle(commands.only(expired), self.tally.expired)
                commands = commands.only([not gone for gone in expired])
        if file.rdb_version in self._refused:
            self.tally.settle(commands.only([not is_string for is_string in commands.strings]), self.tally.refused)
            commands = commands.only(commands.strings)
        return commands

    def _read(
        self, work: Callable[[ArchivedFile], T], files: Iterable[ArchivedFile]
    ) -> Iterator[tuple[ArchivedFile, T]]:
        """What the work makes of each whole file; the others are noted."""
        known = {found.file.name for found in self.tally.damaged}
        for file, made in read_ahead(work, [file for file in files if file.name not in known], self.keep_going):
            if isinstance(made, Damaged):
                self.tally.damaged.append(DamagedFile(file, made.damage))
            else:
                yield file, made


def _time(connection: ServerConnection) -> int | None:
    """None where the user may not ask."""
    reply = connection.ask("TIME")
    raise_transient(reply)
    return None if isinstance(reply, ResponseError) else milliseconds(reply)


def _existence(connection: ServerConnection, commands: Commands) -> Sequence[Command]:
    arguments = [b"$%d\r\n%b\r\n" % (len(key), key) for key in commands.keys]
    return [EXISTS + argument for argument in arguments] if connection.clustered else [Several.of(EXISTS, arguments)]
