"""What becomes of deals while a run goes on, for whoever writes its record."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

#: What became of a deal, as the record has it. Until its end a sweep may have more keys of any deal before it, so a
#: deal that it has met is interrupted.
PURGED, SKIPPED_ACTIVE, INTERRUPTED, NOT_REMOVED = "purged", "skipped_active", "interrupted", "not_removed"
SKIPPED_NEVER_ACTIVE = "skipped_never_active"


class DealLog:
    """Outcomes of deals in the order in which they came, each to be taken once. Takes them from several threads."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[bytes, str]] = deque()

    def add(self, tokens: Iterable[bytes], outcome: str) -> None:
        """From now on this is true of these deals."""
        self._waiting.extend((token, outcome) for token in tokens)

    def take(self) -> Iterator[tuple[bytes, str]]:
        """The token of each deal and what is true of it now, oldest first."""
        while self._waiting:
            yield self._waiting.popleft()
