"""What a restore says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Set

from dealpurge.engine.restore.tally import RestoreTally
from dealpurge.i18n import Number, Said, gettext_noop
from dealpurge.scope import RestoreScope

DAMAGED = gettext_noop(
    "Files of the archive are damaged or missing ({}, with {} keys), and nothing was written. The rest can be "
    "restored, if that is asked for.",
    code="restore_damaged",
)
DAMAGED_WARNING = gettext_noop(
    "Files of the archive are damaged or missing ({}, with {} keys). Nothing of them comes back.",
    code="restore_damaged_files",
)
NO_ROOM = gettext_noop("Redis has not enough memory free for that, and nothing was written.", code="restore_no_room")
NO_ROOM_WARNING = gettext_noop("Redis has not enough memory free for that.", code="restore_no_room_left")
FULL_WARNING = gettext_noop(
    "Redis is full, so the restore stopped. What was written stays: make room, and restore again for the rest.",
    code="restore_full",
)
REPLACED_WARNING = gettext_noop(
    "Redis was restarted, failed over or moved slots in between, so that keys which were written before may be "
    "missing. Restore again: what is there stays.",
    code="restore_replaced",
)
FORMAT_WARNING = gettext_noop(
    "Written by RDB {}; this server refuses it: {} of {} keys (strings) can be restored.", code="restore_format"
)
REFUSED_WARNING = gettext_noop("Redis took {} keys not at all.", code="restore_refused_keys")
IDLE_WARNING = gettext_noop(
    "Deals that come back have been idle since they were last worked on, and the next purge may take them again, "
    "also one that spares active deals.",
    code="restore_idle",
)
EARLIER_WARNING = gettext_noop(
    "What an earlier restore of this purge wrote counts among the keys that exist again.",
    code="restore_earlier",
)


def warnings(scope: RestoreScope, tally: RestoreTally, refused: Set[int], *, lacks_room: bool) -> Iterator[Said]:
    """What there is to tell at the end. ``refused``: versions that the server does not take."""
    missed = tally.refused.total()
    taken = tally.keys_restored + tally.kept.total()
    for version in sorted(refused):
        yield FORMAT_WARNING.format(str(version), Number(taken), Number(taken + missed))
    if missed and not refused:
        yield REFUSED_WARNING.format(Number(missed))
    if tally.damaged:
        yield DAMAGED_WARNING.format(*damaged(tally))
    if scope.dry_run and lacks_room:
        yield NO_ROOM_WARNING
    if tally.restored:
        yield IDLE_WARNING


def damaged(tally: RestoreTally) -> tuple[Number, Number]:
    """How many files, and their keys."""
    return Number(len(tally.damaged)), Number(sum(found.file.keys for found in tally.damaged))
