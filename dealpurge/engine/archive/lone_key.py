"""A key that does not come to rest: its WATCH is held from the read through the save to EXEC."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dealpurge.engine.archive.archiver import Archive, Saved
from dealpurge.engine.archive.entries import Entries, Row
from dealpurge.engine.archive.reader import ValueReader
from dealpurge.engine.sweep.unlink import Removal
from dealpurge.engine.transaction import Aborted, Refused, begin, commit, unwatch, watch
from dealpurge.servers.connection import ServerConnection

#: How often it is tried.
TRIES = 3


class LoneKeys:
    """The removal of keys that one transaction takes; what a lost connection ended is begun anew.

    DUMP of a set whose table is rehashed differs each time although nobody writes it, so comparing would never end."""

    def __init__(self, archive: Archive, rows: Sequence[Row]) -> None:
        self.archive, self.rows = archive, rows
        #: What was saved before an EXEC that was not answered: it may have gone, so it stays in the archive.
        self._unanswered: Saved | None = None

    def transaction(self, reader: ValueReader, before_delete: Callable[[], object]) -> Removal:
        """What became of them, which are watched already: all go, or all stay. Raises ``Aborted``, ``Refused``, and
        what ``commit`` and ``Archive.save`` raise."""
        connection, before = reader.connection, self._unanswered
        values = reader.read(self.rows, self.archive.most_bytes)
        stuck = values.rest or values.stuck
        if not values.entries.keys or stuck or (before and not _are_equal(before.entries, values.entries)):
            unwatch(connection)
            # What came in the place of one that may have gone stays: the archive has a key once.
            return Removal(0, tuple(row[0] for row in self.rows) if stuck or values.entries.keys else ())
        saved = before or self.archive.save(connection, values.entries, in_order=True)

        def from_here_on() -> None:
            before_delete()
            self._unanswered = saved

        try:
            removal = commit_saved(self.archive, connection, saved, from_here_on, may_be_gone=bool(before))
        except (Aborted, Refused):
            self._unanswered = None
            raise
        self._unanswered = None
        return removal


def remove_alone(lone: LoneKeys, reader: ValueReader) -> Removal | None:
    """What became of a key; None where each try met a write. Raises ``Refused`` and what ``transaction`` does else."""
    for _ in range(TRIES):
        try:
            watch(reader.connection, [row[0] for row in lone.rows])
            return lone.transaction(reader, reader.connection.backoff.confirm)
        except Aborted:
            continue
    return None


def _are_equal(some: Entries, others: Entries) -> bool:
    first, second = (
        dict(zip(each.keys, zip(each.values, each.moments, strict=True), strict=True)) for each in (some, others)
    )
    return first == second


def commit_saved(
    archive: Archive,
    connection: ServerConnection,
    saved: Saved,
    before_delete: Callable[[], object],
    *,
    may_be_gone: bool = False,
) -> Removal:
    """Delete a chunk's keys, watched since before they were read. Raises ``Aborted``, ``Refused`` and what ``commit``
    raises; what did not go is in the archive no more. ``may_be_gone``: an EXEC of theirs was not answered."""
    kept = saved.entries if may_be_gone else Entries()
    try:
        begin(connection, [], [])
        before_delete()
        kept = saved.entries  # from here on they may go
        removal = commit(connection, saved.entries.keys)
    except (Aborted, Refused):
        archive.keep_only(connection, saved, Entries())
        raise
    except BaseException:
        archive.settle_later(saved, kept)
        raise
    archive.keep_only(connection, saved, saved.entries.only([key not in removal.left for key in saved.entries.keys]))
    return removal
