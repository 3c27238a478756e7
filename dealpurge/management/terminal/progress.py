"""A line that moves while somebody at a terminal waits for the outcome."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from dealpurge.services import Progress

BAR_WIDTH = 24
#: A shorter one tells less than the numbers beside it.
LEAST_BAR = 5
#: Seconds between two paintings.
REPAINT_SECONDS = 0.1


class ProgressLine:
    """One line that is painted over and over. ``write`` puts text on a terminal, whose columns ``width`` tells."""

    def __init__(self, write: Any, *, dry_run: bool, width: Callable[[], int]) -> None:
        self._write = write
        self._dry_run = dry_run
        self._columns = width
        self._painted_at = 0.0
        self._width = 0

    def show(self, progress: Progress) -> None:
        """Paint once there is something to tell, though not more often than eyes can follow."""
        known = progress.total or progress.scanned
        if known and monotonic() - self._painted_at >= REPAINT_SECONDS:
            self._painted_at = monotonic()
            self._paint(self.text(progress, self._columns() - 1))

    def clear(self) -> None:
        """Take the line away, so that what follows stands in its place."""
        if self._width:
            self._paint("")
            self._write("\r")
            self._width = 0

    def text(self, progress: Progress, room: int) -> str:
        """A bar, keys scanned of about how many, and in a live run keys deleted; less of it, but no part of a number,
        where the line is short."""
        total = max(progress.total, progress.scanned)
        scanned = f"{progress.scanned:,} of {total:,}"
        deleted = "" if self._dry_run else f", {progress.deleted:,} deleted"
        counts = f"{scanned} keys scanned{deleted}"
        bar = min(BAR_WIDTH, room - len(counts) - len("[] "))
        if bar >= LEAST_BAR:
            filled = bar * progress.scanned // total if total else 0
            return f"[{'#' * filled}{'.' * (bar - filled)}] {counts}"
        percent = f"{100 * progress.scanned // total if total else 0} %"
        shorter = (counts, scanned + deleted, f"{scanned} keys", scanned, percent)
        return next((text for text in shorter if len(text) <= room), "")

    def _paint(self, text: str) -> None:
        self._write("\r" + text.ljust(self._width))
        self._width = len(text)
