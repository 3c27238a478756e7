"""What becomes of deals while a run goes on, for whoever writes its record."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

#: What became of a deal, as the record has it. Until its end a sweep may have more keys of any deal before it, so a
#: deal that it has met is interrupted.
PURGED, SKIPPED_ACTIVE, INTERRUPTED, NOT_REMOVED = "purged", "skipped_active", "interrupted", "not_removed"
SKIPPED_NEVER_ACTIVE = "skipped_never_active"
#: What a dry run tells of a deal that would be purged, and of one that would be skipped for whatever reason.
WOULD_BE_PURGED, WOULD_BE_SKIPPED = "would_be_purged", "would_be_skipped"
#: Of a deal that was named.
NOT_FOUND = "not_found"


class DealNote(NamedTuple):
    """What became of a deal. Keys in scope that were sent and not found still there, and those that are left; last
    activity in milliseconds since 1970; checkpoint keys that would go. None is what is not known."""

    outcome: str
    keys_deleted: int | None = None
    keys_left: int | None = None
    last_active: int | None = None
    checkpoints: int | None = None


class DealLog:
    """Notes of deals in the order in which they came, each to be taken once. Takes them from several threads."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[bytes, DealNote]] = deque()

    def add(self, tokens: Iterable[bytes], note: DealNote) -> None:
        """From now on this is true of these deals."""
        self._waiting.extend((token, note) for token in tokens)

    def extend(self, notes: Iterable[tuple[bytes, DealNote]]) -> None:
        """From now on these are true."""
        self._waiting.extend(notes)

    def take(self) -> Iterator[tuple[bytes, DealNote]]:
        """The token of each deal and what is true of it now, oldest first."""
        while self._waiting:
            yield self._waiting.popleft()
