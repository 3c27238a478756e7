"""Deals and chunks of keys that are deleted while they are as the archive has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import compress
from time import monotonic
from typing import Any

from dealpurge.engine.archive.archiver import Saved
from dealpurge.engine.archive.check import Compared, compare, questions
from dealpurge.engine.archive.entries import Entries
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
        self.entries = saved.entries if saved else Entries()
        #: Where each key of it stands.
        self.places = {key: place for place, key in enumerate(self.entries.keys)}
        #: What went, and what came again after it went or may have: that stays, for the archive has what was before it.
        self.gone, self.came_back = set[bytes](), set[bytes]()
        #: What was as it was saved when it was looked at last, and may have been sent.
        self._equal, self._vanished, self._doubtful = set[bytes](), set[bytes](), set[bytes]()

    def note(self, compared: Compared) -> None:
        """What is gone was deleted by others, unless it may have been one of ours. A deal's keys that changed are taken
        out of ``compared`` where one of them came again."""
        equal = set(compared.equal.keys)
        self._equal |= equal
        self._doubtful -= equal
        self._vanished -= equal
        if not (compared.changed or compared.gone):  # as nearly always
            return
        changed = compared.changed
        self._equal.difference_update(changed.keys, compared.gone.keys)
        self._vanished.update(key for key in compared.gone.keys if not self._went(key))
        tokens = {token for key, token in zip(changed.keys, changed.tokens, strict=True) if self._went(key)}
        back = [token in tokens for token in changed.tokens]
        self.came_back.update(compress(changed.keys, back))
        compared.changed = changed.only([not is_back for is_back in back])

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

    def without(self, keys: Sequence[bytes]) -> Entries:
        """The chunk's entries but for those of these that did not go, which are known no more."""
        for key in keys:
            if not self._went(key):
                self.places.pop(key, None)
        return self.entries.at(list(self.places.values()))

    def settled(self) -> Entries:
        """What was deleted, or may have been."""
        if self.gone.issuperset(self.places) and not self._vanished and len(self.places) == len(self.entries):
            return self.entries  # as nearly always
        return self.entries.at([place for key, place in self.places.items() if self._went(key)])

    def size_of(self, keys: Iterable[bytes]) -> int:
        """Bytes of their values."""
        values, places = self.entries.values, self.places
        return sum(len(values[places[key]]) for key in keys if key in places)

    def of(self, keys: Iterable[bytes]) -> Entries:
        """Those of ``keys`` that are in the chunk."""
        return self.entries.at([self.places[key] for key in keys if key in self.places])

    def _went(self, key: bytes) -> bool:
        return key in self._doubtful or (key in self.gone and key not in self._vanished)


class ArchiveCheck(Check):
    """Whether keys are still as they were saved."""

    def __init__(self, reader: ValueReader, deleting: Deleting, keys: Sequence[bytes]) -> None:
        self._reader, self._deleting = reader, deleting
        self._entries = deleting.of(keys)
        self.keys = self._entries.keys
        self.singly = self._entries.size > reader.in_flight
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
        return compared.equal.keys


def forgive(later: Reading, before: Reading, keys: Iterable[bytes], since: float) -> None:
    """Where the idle time is what tells, and only our own reading since ``since``, by this process's monotonic clock,
    was a use of the key, it was not used."""
    held = (monotonic() - since) * 1000
    for key in keys:
        moment = later.last.get(key)
        judged_by_idle_time = key in before.idle and key not in before.marks
        if judged_by_idle_time and moment is not None and later.now - moment >= held - INEXACT:
            later.last[key] = before.last[key]
