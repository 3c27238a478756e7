"""How far a run is, for somebody who waits for its outcome: a line that moves, or lines in a log."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple

from dealpurge.services import PhaseProgress, Progress, ProgressDetails

BAR_WIDTH = 24
#: A shorter one tells less than the numbers beside it.
LEAST_BAR = 5
#: Seconds between two paintings, and between two lines where nothing moves.
REPAINT_SECONDS, LOG_SECONDS = 0.1, 30.0

DONE = {
    "activity": "deals checked for activity",
    "delete": "keys deleted",
    "read": "archived keys read",
    "write": "keys written back",
    "record": "deals written to the record",
}
ARCHIVED = DONE | {"delete": "keys archived and deleted"}


class Told(NamedTuple):
    """What a line says: ``counts``, what ``more`` is known, and both in fewer words."""

    done: int
    total: int
    counts: str
    more: str
    shorter: tuple[str, ...]


class ProgressLine:
    """One line that is painted over and over. ``write`` puts text on a terminal, whose columns ``width`` tells."""

    def __init__(self, write: Any, *, dry_run: bool, width: Callable[[], int], archived: bool = False) -> None:
        self._write = write
        self._dry_run, self._archived = dry_run, archived
        self._columns = width
        self._painted_at = 0.0
        self._width = 0

    def show(self, progress: Progress) -> None:
        """Paint once there is something to tell, though not more often than eyes can follow."""
        if monotonic() - self._painted_at >= REPAINT_SECONDS and _is_known(progress):
            self._painted_at = monotonic()
            self._paint(self.text(progress, self._columns() - 1))

    def clear(self) -> None:
        """Take the line away, so that what follows stands in its place."""
        if self._width:
            self._paint("")
            self._write("\r")
            self._width = 0

    def text(self, progress: Progress, room: int) -> str:
        """A bar, how far the phase under way is, its rate and what is left; less of it, but no part of a number, where
        the line is short."""
        told = _told(progress, dry_run=self._dry_run, archived=self._archived)
        for words in (told.counts + told.more, told.counts):
            bar = min(BAR_WIDTH, room - len(words) - len("[] "))
            if bar >= LEAST_BAR:
                filled = bar * told.done // told.total if told.total else 0
                return f"[{'#' * filled}{'.' * (bar - filled)}] {words}"
        return next((text for text in (told.counts, *told.shorter) if len(text) <= room), "")

    def _paint(self, text: str) -> None:
        self._write("\r" + text.ljust(self._width))
        self._width = len(text)


class ProgressLog:
    """A line now and then, where nothing can be painted over. ``write`` puts it there."""

    def __init__(self, write: Callable[[str], object], *, dry_run: bool, archived: bool = False) -> None:
        self._write, self._dry_run, self._archived = write, dry_run, archived
        self._told_at = monotonic()

    def show(self, progress: Progress) -> None:
        """Tell, if that was long ago; a run that is over by then has told all by its outcome."""
        if monotonic() - self._told_at >= LOG_SECONDS and _is_known(progress):
            self._told_at = monotonic()
            told = _told(progress, dry_run=self._dry_run, archived=self._archived)
            self._write(told.counts + told.more)

    def clear(self) -> None:
        """There is nothing to take away."""


def _is_known(progress: Progress) -> bool:
    return bool(progress.total or progress.scanned)


def _told(progress: Progress, *, dry_run: bool, archived: bool) -> Told:
    details = progress.details()
    phase = _phase(details)
    if phase is None or phase.name not in DONE or not phase.total:
        done, total = progress.scanned, max(progress.total, progress.scanned)
        deleted = "" if dry_run else f", {progress.deleted:,} deleted"
        number = f"{done:,} of {total:,}"
        counts = f"{number} keys scanned{deleted}"
        shorter: tuple[str, ...] = (number + deleted, f"{number} keys", number)
        phase = next((item for item in details.phases if item.name == "scan"), None) if details else None
    else:
        done, total = phase.done, phase.total
        number = f"{done:,} of {total:,}"
        words = (ARCHIVED if archived else DONE)[phase.name]
        counts, shorter = f"{number} {words}", (f"{number} {words.partition(' ')[0]}", number)
    percent = f"{100 * done // total if total else 0} %"
    return Told(done, total, counts, _more(details, phase), (*shorter, percent))


def _phase(details: ProgressDetails | None) -> PhaseProgress | None:
    """The last one that goes on."""
    return next((item for item in reversed(details.phases) if item.state == "now"), None) if details else None


def _more(details: ProgressDetails | None, phase: PhaseProgress | None) -> str:
    if details is None:
        return ""
    more = []
    if details.waiting is not None:
        more.append(f"waiting for Redis for {details.waiting:,} s")
        if details.gives_up_in is not None:
            more.append(f"{details.gives_up_in:,} s more")
    elif phase and phase.rate:
        more.append(f"{phase.rate:,}/s")
        if phase.seconds_left is not None:
            more.append(f"about {phase.seconds_left:,} s left")
    if details.pass_number > 1:
        more.append(f"pass {details.pass_number}")
    return "".join(f", {part}" for part in more)
