"""A sweep that keeps what it deletes: pages of keys are read, saved, and deleted while they are as they were saved."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from dealpurge.conf import conf
from dealpurge.engine.archive.archiver import IN_FLIGHT, Archive, Gathered, Saving
from dealpurge.engine.archive.deletion import Deletion
from dealpurge.engine.archive.entries import Row
from dealpurge.engine.archive.lone_key import LoneKeys, remove_alone
from dealpurge.engine.archive.measured import Values
from dealpurge.engine.archive.reader import ValueReader
from dealpurge.engine.archive.removal import CheckedRemoval
from dealpurge.engine.archive.warnings import CHANGING_WARNING, FULL_WARNING, OVERSIZED_WARNING, UNCHECKED_WARNING
from dealpurge.engine.retry import retried, with_retry
from dealpurge.engine.steps import Steps, Turn
from dealpurge.engine.sweep.scan import Scan
from dealpurge.engine.sweep.selection import Selection
from dealpurge.engine.sweep.unlink import Removal
from dealpurge.engine.transaction import Refused
from dealpurge.keys.matching import Batch
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.identity import Identity

#: Connections of a server's own: some read keys, and some delete them.
READERS, DELETERS = 2, 2
#: Keys that are read in one go, about, and transactions of deletes meanwhile.
READ_AT_ONCE, STEPS = 256, 2
#: How often a key may have changed since it was saved before it is saved by itself.
MOST_CHANGES = 2


class ArchivedSweep:
    """What a scan of one server finds, on its way, over connections of its own: step by step keys are read over two of
    them and deleted over the others, so that Redis is at work for some while the answer of one is gone through."""

    def __init__(self, connections: Sequence[ServerConnection], selection: Selection, archive: Archive) -> None:
        self.selection = selection
        self.archive = archive
        self._turn = turn = Turn()
        readers = [ValueReader(each, archive.largest, share=len(connections), turn=turn) for each in connections]
        self.readers, self.deleters = readers[:READERS], readers[READERS:]
        self._readings = [self._reading(reader) for reader in self.readers]
        self._waiting: list[Row] = []
        #: Keys of which it is not settled yet what becomes of them.
        self._in_hand: set[bytes] = set()
        #: How many keys are being read.
        self._asked = 0
        self._read = Gathered()
        self._saving: deque[Saving] = deque()
        self._deletion: Deletion | None = None
        self._changes = Counter[bytes]()
        #: Keys that go by themselves, once nothing else is under way.
        self._restless: list[Row] = []
        self._unchecked = conf.archive_on_full == "unchecked"
        #: Whether the server is too full for what makes a delete safe: then nothing more is read.
        self._full = False

    def open(self) -> None:
        """Connect. Raises ``RedisUnavailable``, ``Stopped``."""
        for reader in (*self.readers, *self.deleters):
            reader.connection.open()
            with_retry(reader.connection, reader.open, reader.open)

    def take(self, keys: Sequence[bytes]) -> None:
        """A page: what the scope asks for goes its way. Raises ``ArchiveUnavailable`` and what a scan raises."""
        batch = self.selection.take(keys)
        if not self._in_hand.isdisjoint(batch.keys):  # SCAN may list a key twice, and the archive has it once
            twice = [key in self._in_hand for key in batch.keys]
            self.selection.count_removal(batch.only(twice), Removal(0))
            batch = batch.only([not is_twice for is_twice in twice])
        self._in_hand.update(batch.keys)
        self._waiting += batch.rows()
        while len(self._waiting) >= READ_AT_ONCE * READERS:
            self._go_on()

    def finish(self) -> None:
        """All pages were taken: do what is left to do."""
        while True:
            if self._waiting or self._asked:
                self._go_on()
            elif self._read.entries:
                self._close_chunk()
            elif self._saving or self._deletion is not None or self._restless:
                self._delete_next()
            else:
                return

    def abandon(self) -> None:
        """Whatever ended it: what was not deleted does not belong into the archive."""
        for saving in self._saving:
            self.archive.leave(saving)
        deletion, self._deletion = self._deletion, None
        if deletion:
            deletion.break_off()
            settled = deletion.settled()
            self.archive.settle_later(deletion.saved, settled)
            self._count_removals(deletion)
            self.selection.tally.begun.update(settled.tokens)

    def _go_on(self) -> None:
        """A step of everything."""
        self._step()
        if self._read.size >= self.archive.chunk_bytes:
            self._close_chunk()

    def _step(self) -> None:
        for reading in self._readings:
            next(reading)
            self._delete_some()

    def _reading(self, reader: ValueReader) -> Steps[None]:
        """What waits is read, without end."""
        while True:
            rows = [] if self._read.size >= self.archive.chunk_bytes else self._waiting[:READ_AT_ONCE]
            self._waiting = self._waiting[len(rows) :]
            if self._full:
                self._leave(Batch.of(rows))
            elif rows:
                self._asked += len(rows)
                most = max((self.archive.chunk_bytes - self._read.size) // READERS, 1)
                values = yield from retried(reader.connection, partial(reader.steps, rows, most), reader.open)
                self._asked -= len(rows)
                self._take_values(values)
                continue
            yield

    def _take_values(self, values: Values) -> None:
        self._waiting = values.rest + self._waiting
        self._count(Batch.of(values.gone), deleted=0)
        self._leave(Batch.of(values.stuck))
        if values.oversized:
            self.selection.tally.warn(OVERSIZED_WARNING)
        self._read.add(values.entries)

    def _close_chunk(self) -> None:
        while self._asked:  # or else what is deleted might wait for its turn for ever
            self._step()
        read, self._read = self._read, Gathered()
        while len(self._saving) + (self._deletion is not None) >= IN_FLIGHT:
            self._delete_next()
        if read.entries:
            self._saving.append(self.archive.begin(self.readers[0].connection, read))

    def _delete_next(self) -> None:
        """The chunk that is being deleted, or else the one that was saved first, to its end."""
        if self._deletion is None and self._saving:
            self._deletion = self._next_deletion()
        while self._deletion is not None:
            self._delete_some()
        restless, self._restless = self._restless, []
        for row in restless:
            self._remove_alone(row)

    def _delete_some(self) -> None:
        """Of the chunk that is being deleted, or will be, once it is saved."""
        if self._deletion is None and self._saving and self._saving[0].future.done():
            self._deletion = self._next_deletion()
        for _ in range(STEPS):
            if self._deletion is not None and not self._deletion.goes_on():
                self._end_deletion(self._deletion)

    def _next_deletion(self) -> Deletion:
        saved = self.archive.finish(self.readers[0].connection, self._saving.popleft())
        most = min(reader.in_flight for reader in self.readers)
        return Deletion(saved, self.deleters, most=most, turn=self._turn, unchecked=self._unchecked)

    def _end_deletion(self, deletion: Deletion) -> None:
        self._deletion = None
        self._count_removals(deletion)  # whatever becomes of the archive
        self.archive.keep_only(self.readers[0].connection, deletion.saved, deletion.settled())
        if any(removal.full for removal in deletion.removals):
            self._full = not self._unchecked
            self.selection.tally.warn(UNCHECKED_WARNING if self._unchecked else FULL_WARNING)
        self._retry([row for removal in deletion.removals for row in removal.fates.changed.batch().rows()])

    def _count_removals(self, deletion: Deletion) -> None:
        for removal in deletion.removals:
            self._count_removal(removal)

    def _count_removal(self, removal: CheckedRemoval) -> None:
        fates = removal.fates
        self._count(fates.deleted.batch(), deleted=len(fates.deleted))
        self._count(fates.gone.batch(), deleted=0)
        self._count(fates.doubtful.batch(), deleted=0)
        self._leave(fates.refused.batch())

    def _retry(self, rows: Sequence[Row]) -> None:
        """What changed since it was read goes into a later chunk, and then by itself."""
        for row in rows:
            self._changes[row[0]] += 1
            if self._full or self._changes[row[0]] < MOST_CHANGES:  # of a full server they are left then
                self._waiting.append(row)
            else:
                self._restless.append(row)

    def _remove_alone(self, row: Row) -> None:
        deleter, lone = self.deleters[0], LoneKeys(self.archive, [row])
        try:
            removal = with_retry(deleter.connection, partial(remove_alone, lone, deleter), deleter.open)
        except Refused as refused:
            if "OOM" in str(refused):
                self.selection.tally.warn(FULL_WARNING)
            removal = Removal(0, (row[0],))
        if removal is None:
            self.selection.tally.warn(CHANGING_WARNING)
        self._settle(Batch.of([row]), removal or Removal(0, (row[0],)))

    def _count(self, batch: Batch, *, deleted: int) -> None:
        self._settle(batch, Removal(deleted))

    def _leave(self, batch: Batch) -> None:
        self._settle(batch, Removal(0, tuple(batch.keys)))

    def _settle(self, batch: Batch, removal: Removal) -> None:
        if batch.keys:
            self._in_hand.difference_update(batch.keys)
            self.selection.count_removal(batch, removal)


def sweep_into(archive: Archive, connection: ServerConnection, selection: Selection, met: set[Identity]) -> bool:
    """Scan a server and delete what is archived, over connections of its own; False if told to stop before the end.
    ``met``: takes in the processes that these met. Raises what a scan raises, and ``ArchiveUnavailable``."""
    own = [connection.twin() for _ in range(READERS + DELETERS)]
    for each in own:
        each.clustered, each.backoff.met = connection.clustered, True
    sweep = ArchivedSweep(own, selection, archive)
    scan = Scan(connection, selection, sweep.take)
    try:
        sweep.open()
        scan.run()
        if not scan.stopped:
            sweep.finish()
    except Exception:
        with suppress(Exception):
            connection.drain()  # a page that was on its way is in no count
        raise
    finally:
        sweep.abandon()
        for each in own:
            met.update(each.processes)
        for each in own[READERS:]:  # what was read is in no count
            connection.broken = connection.broken or each.broken or each.owed > 0
        for each in own:
            each.close()
    return not scan.stopped
