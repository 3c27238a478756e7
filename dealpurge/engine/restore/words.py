"""What a restore says of itself."""

from __future__ import annotations

from dealpurge.i18n import gettext_noop

DAMAGED = gettext_noop(
    "{} files of the archive with {} keys are damaged or missing, and nothing was written. Only the rest can be "
    "restored, and only if that is asked for.",
    code="restore_damaged",
)
DAMAGED_WARNING = gettext_noop(
    "{} files of the archive with {} keys are damaged or missing. The rest can be restored if that is asked for.",
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
