"""Deals and chunks of keys that are deleted while they are as the archive has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any

from dealpurge.engine.archive.archiver import Saved
from dealpurge.engine.archive.check import Compared, compare, questions
from dealpurge.engine.archive.entry import Entry, size_of
from dealpurge.engine.archive.reader import ValueReader
from dealpurge.engine.guard.active_deals import INEXACT
from dealpurge.engine.guard.activity import Reading
from dealpurge.engine.guard.piecemeal import Changed, Check
from dealpurge.engine.transaction import Aborted, Refused, discard
from dealpurge.keys.matching import Batch
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import LOST, Stopped, Transient


class Deleting:
    """A saved chunk whose keys are being deleted, and what became of them; none where all of them were gone before."""

    def __init__(self, saved: Saved | None = None) -> None:
        self.saved = saved
        self.values = {entry.key: entry for entry in saved.entries} if saved else {}
        #: What went, and what came again after it went or may have: that stays, for the archive has what was before it.
        self.gone, self.came_back = set[bytes](), set[bytes]()
        #: What was as it was saved when it was looked at last, and may have been sent.
        self._equal, self._vanished, self._doubtful = set[bytes](), set[bytes](), set[bytes]()

    def note(self, compared: Compared) -> None:
        """What is gone was deleted by others, unless it may have been one of ours. A deal's keys that changed are taken
        out of ``compared`` where one of them came again."""
        equal = {entry.key for entry in compared.equal}
        self._equal |= equal
        self._doubtful -= equal
        self._vanished -= equal
        if not (compared.changed or compared.gone):  # as nearly always
            return
        self._equal.difference_update(entry.key for entry in (*compared.changed, *compared.gone))
        self._vanished.update(entry.key for entry in compared.gone if not self._went(entry.key))
        tokens = {entry.token for entry in compared.changed if self._went(entry.key)}
        self.came_back.update(entry.key for entry in compared.changed if entry.token in tokens)
        compared.changed = [entry for entry in compared.changed if entry.token not in tokens]

    def doubt(self, keys: Sequence[bytes]) -> None:
        """The answer to their UNLINK was lost."""
        self._doubtful.update(key for key in keys if key in self._equal and key not in self.gone)

    @contextmanager
    def noting(self, keys: Sequence[bytes]) -> Iterator[None]:
        """Around a delete and its count, between which a signal's handler may raise."""
        try:
            yield
        except (Aborted, Refused, Stopped, Transient, *LOST):
            raise
        except BaseException:
            self.doubt(keys)
            raise

    def without(self, keys: Sequence[bytes]) -> list[Entry]:
        """The chunk's entries but for those of these that did not go, which are known no more."""
        for key in keys:
            if not self._went(key):
                self.values.pop(key, None)
        return list(self.values.values())

    def settled(self) -> list[Entry]:
        """What was deleted, or may have been."""
        return [entry for key, entry in self.values.items() if self._went(key)]

    def _went(self, key: bytes) -> bool:
        return key in self._doubtful or (key in self.gone and key not in self._vanished)


class ArchiveCheck(Check):
    """Whether keys are still as they were saved."""

    def __init__(self, reader: ValueReader, deleting: Deleting, keys: Sequence[bytes]) -> None:
        self._reader, self._deleting = reader, deleting
        self._entries = [deleting.values[key] for key in keys if key in deleting.values]
        self.keys = [entry.key for entry in self._entries]
        self.singly = size_of(self._entries) > reader.in_flight
        self.questions = questions(reader, self._entries, singly=self.singly) if self._entries else []

    def compare(self, answers: Sequence[Any]) -> Compared:
        """By the answers to the questions."""
        compared = compare(self._reader, self._entries, answers) if self._entries else Compared()
        self._deleting.note(compared)
        return compared

    def passing(self, connection: ServerConnection, chunk: Batch, answers: Sequence[Any]) -> list[bytes]:
        """Those that are. What is gone is not sent: it may come back meanwhile, and would not be in the archive."""
        compared = self.compare(answers)
        if compared.changed:
            discard(connection)
            raise Changed
        return [entry.key for entry in compared.equal]


def forgive(later: Reading, before: Reading, keys: Iterable[bytes], since: float) -> None:
    """Where the idle time is what tells, and only our own reading since ``since``, by this process's monotonic clock,
    was a use of the key, it was not used."""
    held = (monotonic() - since) * 1000
    for key in keys:
        moment = later.last.get(key)
        judged_by_idle_time = key in before.idle and key not in before.marks
        if judged_by_idle_time and moment is not None and later.now - moment >= held - INEXACT:
            later.last[key] = before.last[key]
