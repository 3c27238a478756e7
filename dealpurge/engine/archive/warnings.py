"""What the report says of keys that could not be archived."""

from __future__ import annotations

from dealpurge.i18n import gettext_noop

OVERSIZED_WARNING = gettext_noop(
    "Keys above DEALPURGE_ARCHIVE_MAX_KEY_BYTES were left, because they cannot be archived.", code="archive_oversized"
)
CHANGING_WARNING = gettext_noop(
    "Some keys were written again and again while they were archived, and were left.", code="archive_changing"
)
FULL_WARNING = gettext_noop(
    "Redis is full and takes no transaction then (up to 7.0), so that nothing shows whether a key is still as it was "
    "archived: keys were left. DEALPURGE_ARCHIVE_ON_FULL = 'unchecked' deletes them after a second look alone.",
    code="archive_full",
)
UNCHECKED_WARNING = gettext_noop(
    "Redis is full and took no transaction: keys went after a second look alone, and what was written to one of them "
    "in that moment is not in the archive.",
    code="archive_unchecked",
)
