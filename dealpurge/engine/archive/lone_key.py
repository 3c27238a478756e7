"""A key that does not come to rest: its WATCH is held from the read through the save to EXEC."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dealpurge.engine.archive.archiver import Archive, Saved
from dealpurge.engine.archive.entry import Entry, Row
from dealpurge.engine.archive.reader import ValueReader
from dealpurge.engine.sweep.unlink import Removal
from dealpurge.engine.transaction import Aborted, Refused, begin, commit, unwatch, watch
from dealpurge.servers.connection import ServerConnection

#: How often it is tried.
TRIES = 3


def remove_alone(archive: Archive, reader: ValueReader, row: Row) -> Removal | None:
    """What became of it; None where each try met a write. Raises what is ``LOST``, ``ArchiveUnavailable``, ``Stopped``.

    DUMP of a set whose table is rehashed differs each time although nobody writes it, so comparing would never end."""
    for _ in range(TRIES):
        try:
            return _transaction(archive, reader, row)
        except (Aborted, Refused):
            continue
    return None


def _transaction(archive: Archive, reader: ValueReader, row: Row) -> Removal:
    connection, key = reader.connection, row[0]
    watch(connection, [key])
    values = reader.read([row])
    if not values.entries:
        unwatch(connection)
        return Removal(0, () if values.gone else (key,))
    return commit_saved(archive, connection, archive.save(connection, values.entries), connection.backoff.confirm)


def commit_saved(
    archive: Archive, connection: ServerConnection, saved: Saved, before_delete: Callable[[], object]
) -> Removal:
    """Delete a chunk's keys, watched since before they were read. Raises ``Aborted``, ``Refused`` and what ``commit``
    raises; what did not go is in the archive no more."""
    kept: Sequence[Entry] = ()
    try:
        begin(connection, [], [])
        before_delete()
        kept = saved.entries  # from here on they may go
        removal = commit(connection, [entry.key for entry in saved.entries])
    except (Aborted, Refused):
        archive.keep_only(saved, [])
        raise
    except BaseException:
        archive.settle_later(saved, kept)
        raise
    archive.keep_only(saved, [entry for entry in saved.entries if entry.key not in removal.left])
    return removal
