"""A key that does not come to rest: its WATCH is held from the read through the save to EXEC."""

from __future__ import annotations

from collections.abc import Sequence

from dealpurge.engine.archive.archiver import Archive
from dealpurge.engine.archive.entry import Entry, Row
from dealpurge.engine.archive.reader import ValueReader
from dealpurge.engine.sweep.unlink import Removal
from dealpurge.engine.transaction import Aborted, Refused, begin, commit
from dealpurge.servers.errors import MOVED_AWAY
from dealpurge.servers.replies import expect_ok

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
    watched = connection.ask("WATCH", key)
    if isinstance(watched, MOVED_AWAY):
        raise Refused(str(watched))
    expect_ok(watched, "WATCH")
    values = reader.read([row])
    if not values.entries:
        expect_ok(connection.ask("UNWATCH"), "UNWATCH")
        return Removal(0, () if values.gone else (key,))
    saved, kept = archive.save(connection, values.entries), list[Entry]()
    try:
        begin(connection, [], [])
        connection.backoff.confirm()
        kept = values.entries  # from here on it may go
        removal = commit(connection, [key])
    except (Aborted, Refused):
        archive.keep_only(saved, [])
        raise
    except BaseException:
        archive.settle_later(saved, kept)
        raise
    archive.keep_only(saved, _gone(values.entries, removal))
    return removal


def _gone(entries: Sequence[Entry], removal: Removal) -> list[Entry]:
    return [entry for entry in entries if entry.key not in removal.left]
