"""A sweep that keeps what it deletes: pages of keys are read, saved, and deleted while they are as they were saved."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from dealpurge.conf import conf
from dealpurge.engine.archive.archiver import IN_FLIGHT, Archive, Saving
from dealpurge.engine.archive.entry import Entry, Row, batch_of, size_of
from dealpurge.engine.archive.lone_key import LoneKeys, remove_alone
from dealpurge.engine.archive.reader import ValueReader
from dealpurge.engine.archive.removal import CheckedRemoval
from dealpurge.engine.archive.warnings import CHANGING_WARNING, FULL_WARNING, OVERSIZED_WARNING, UNCHECKED_WARNING
from dealpurge.engine.retry import with_retry
from dealpurge.engine.sweep.scan import Scan
from dealpurge.engine.sweep.selection import Selection
from dealpurge.engine.sweep.unlink import Removal
from dealpurge.keys.matching import Batch
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.identity import Identity

#: Keys that are read in one go, about.
READ_AT_ONCE = 1000
#: How often a key may have changed since it was saved before it is saved by itself.
MOST_CHANGES = 2

T = TypeVar("T")


class ArchivedSweep:
    """What a scan of one server finds, on its way. The connection is its own: the scan has another one."""

    def __init__(self, connection: ServerConnection, selection: Selection, archive: Archive) -> None:
        self.connection = connection
        self.selection = selection
        self.archive = archive
        self.reader = ValueReader(connection, archive.largest)
        self._waiting: list[Row] = []
        self._entries: list[Entry] = []
        self._size = 0
        self._in_flight: deque[Saving] = deque()
        self._changes = Counter[bytes]()
        self._unchecked = conf.archive_on_full == "unchecked"
        #: Whether the server is too full for what makes a delete safe: then nothing more is read.
        self._full = False

    def open(self) -> None:
        """Connect. Raises ``RedisUnavailable``, ``Stopped``."""
        self.connection.open()
        self._again(self.reader.open)

    def take(self, keys: Sequence[bytes]) -> None:
        """A page: what the scope asks for goes its way. Raises ``ArchiveUnavailable`` and what a scan raises."""
        batch = self.selection.take(keys)
        self._waiting += batch.rows()
        while len(self._waiting) >= READ_AT_ONCE:
            self._read_some()

    def finish(self) -> None:
        """All pages were taken: do what is left to do."""
        while self._waiting or self._entries or self._in_flight:
            if self._waiting:
                self._read_some()
            elif self._entries:
                self._close_chunk()
            else:
                self._delete(self._in_flight.popleft())

    def abandon(self) -> None:
        """Whatever ended it: what was not deleted does not belong into the archive."""
        for saving in self._in_flight:
            self.archive.leave(saving)

    def _again(self, step: Callable[[], T]) -> T:
        return with_retry(self.connection, step, self.reader.open)

    def _read_some(self) -> None:
        rows, self._waiting = self._waiting[:READ_AT_ONCE], self._waiting[READ_AT_ONCE:]
        if self._full:
            self._leave(Batch.of(rows))
            return
        values = self._again(partial(self.reader.read, rows, self.archive.chunk_bytes - self._size))
        self._waiting = values.rest + self._waiting
        self._count(Batch.of(values.gone), deleted=0)
        self._leave(Batch.of(values.stuck))
        if values.oversized:
            self.selection.tally.warn(OVERSIZED_WARNING)
        self._entries += values.entries
        self._size += size_of(values.entries)
        if self._size >= self.archive.chunk_bytes:
            self._close_chunk()

    def _close_chunk(self) -> None:
        entries, self._entries, self._size = self._entries, [], 0
        self._in_flight.append(self.archive.begin(self.connection, entries))
        if len(self._in_flight) > IN_FLIGHT - 1:
            self._delete(self._in_flight.popleft())

    def _delete(self, saving: Saving) -> None:
        saved = self.archive.finish(self.connection, saving)
        removal = CheckedRemoval(self.reader, saved.entries, unchecked=self._unchecked)
        try:
            self._again(removal.run)
        except BaseException:
            settled = removal.settled()
            self.archive.settle_later(saved, settled)
            self._count_removal(removal)
            self.selection.tally.begun.update([entry.token for entry in settled])
            raise
        self._count_removal(removal)  # whatever becomes of the archive
        self.archive.keep_only(self.connection, saved, removal.settled())
        if removal.full:
            self._full = not self._unchecked
            self.selection.tally.warn(UNCHECKED_WARNING if self._unchecked else FULL_WARNING)
        self._retry(list(batch_of(removal.fates.changed).rows()))

    def _count_removal(self, removal: CheckedRemoval) -> None:
        fates = removal.fates
        self._count(batch_of(fates.deleted), deleted=len(fates.deleted))
        self._count(batch_of([*fates.gone, *fates.doubtful]), deleted=0)
        self._leave(batch_of(fates.refused))

    def _retry(self, rows: Sequence[Row]) -> None:
        """What changed since it was read goes into a later chunk, and then by itself."""
        for row in rows:
            self._changes[row[0]] += 1
            if self._full or self._changes[row[0]] < MOST_CHANGES:  # of a full server they are left then
                self._waiting.append(row)
            else:
                self._remove_alone(row)

    def _remove_alone(self, row: Row) -> None:
        removal = self._again(partial(remove_alone, LoneKeys(self.archive, [row]), self.reader))
        if removal is None:
            self.selection.tally.warn(CHANGING_WARNING)
            self._leave(Batch.of([row]))
        else:
            self.selection.count_removal(Batch.of([row]), removal)

    def _count(self, batch: Batch, *, deleted: int) -> None:
        if batch.keys:
            self.selection.count_removal(batch, Removal(deleted))

    def _leave(self, batch: Batch) -> None:
        if batch.keys:
            self.selection.count_removal(batch, Removal(0, tuple(batch.keys)))


def sweep_into(archive: Archive, connection: ServerConnection, selection: Selection, met: set[Identity]) -> bool:
    """Scan a server and delete what is archived, over a connection of its own; False if told to stop before the end.
    ``met``: takes in the processes that this one met. Raises what a scan raises, and ``ArchiveUnavailable``."""
    own = connection.twin()
    own.clustered, own.backoff.met = connection.clustered, True
    sweep = ArchivedSweep(own, selection, archive)
    scan = Scan(connection, selection, sweep.take)
    try:
        sweep.open()
        scan.run()
        if not scan.stopped:
            sweep.finish()
    finally:
        sweep.abandon()
        connection.broken = connection.broken or own.broken or own.owed > 0
        met.update(own.processes)
        own.close()
    return not scan.stopped
