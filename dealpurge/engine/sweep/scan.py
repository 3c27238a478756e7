"""One pass over the keyspace of one server: SCAN and UNLINK overlapped on one connection, resumed after a fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from redis.exceptions import ResponseError

from dealpurge.conf import conf
from dealpurge.engine.sweep.course import Course
from dealpurge.engine.sweep.selection import Selection
from dealpurge.engine.sweep.tally import Tally
from dealpurge.engine.sweep.unlink import Removal, removal_by_reply
from dealpurge.keys.matching import Batch
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import LOST, ProcessChanged, Transient, failure
from dealpurge.servers.replies import page, size


class Scan:
    """Scans to the end and removes what ``take`` returns. While a page is claimed two commands are in flight, UNLINK of
    the page before it and SCAN of the page behind it, so the server works while Python does."""

    def __init__(
        self, connection: ServerConnection, selection: Selection, take: Callable[[Sequence[bytes]], Batch | None]
    ) -> None:
        self.connection = connection
        self.selection = selection
        self.take = take
        self.tally: Tally = selection.tally
        self.stopped = False
        scope = selection.scope
        self._pattern = selection.keyspace.scan_pattern(scope)
        self._dry_run = scope.dry_run
        self._count = conf.scan_count
        #: Where a resumed scan goes on; None once the last page is taken.
        self._cursor: int | None = 0
        #: What is under way, and what goes next; each in parts of which UNLINK may name all keys.
        self._batch: Batch | None = None
        self._parts: list[list[bytes]] = []
        self._sent = False
        self._next: tuple[Batch, list[list[bytes]]] | None = None
        #: Whether a page will be answered before the batch under way is.
        self._page_first = False
        #: What became of those parts of the batch that are settled.
        self._removals: list[Removal] = []
        self._total = 0
        self._walked = 0
        self._course = Course(self._count)

    def run(self) -> None:
        """Scan to the end, or until told to stop. Raises ``ProcessChanged`` where it must begin anew."""
        try:
            while not self._went_through():
                pass
        except BaseException:
            self._count_last_batch()
            raise

    def _went_through(self) -> bool:
        """One try from where the scan stands; False where a fault was got over and it goes on."""
        try:
            self._read_unlinked()
            self._send_next()
            self._read_unlinked()
            self._pump()
        except (*LOST, Transient) as exc:
            self._sent = False
            self._course.resume()
            if not self.connection.recover(exc):
                raise ProcessChanged from exc
            return False
        return True

    def _pump(self) -> None:
        connection = self.connection
        if not self._total:
            self._count_total()
        if self._cursor is not None:
            self._course.begin(self._total)
            self._scan(self._cursor)
        while self._cursor is not None and not self.stopped:
            cursor, keys = self._page(connection.read())
            self.stopped = not connection.keep_going()
            more = cursor != 0 and not self.stopped
            if more:
                self._scan(cursor)
            if not self.stopped:
                self._take(keys, cursor)
            self._read_unlinked()
            if more and not connection.owed:  # settling had to ask more, and dropped the page that was on its way
                self._scan(cursor)
            self._send_next()
        self._read_unlinked()
        self._note_walked(self._total if self._pattern and not self.stopped else self._walked)

    def _scan(self, cursor: int) -> None:
        match = (b"MATCH", self._pattern) if self._pattern else ()
        self.connection.send("SCAN", cursor, *match, "COUNT", self._count)

    def _page(self, reply: Any) -> tuple[int, Sequence[bytes]]:
        if isinstance(reply, ResponseError):
            self._read_unlinked()
            raise failure(reply)
        self._page_first = False
        cursor, keys = page(reply)
        self.connection.progressed()
        if self._course.is_long(cursor, len(keys)):
            self._read_unlinked()
            self._course.check(self._ask_size())
        return cursor, keys

    def _take(self, keys: Sequence[bytes], cursor: int) -> None:
        fresh = self.selection.fresh(keys)
        # With MATCH the server does not tell how many keys it passed by.
        self._note_walked(min(self._walked + self._count, self._total) if self._pattern else self._walked + len(fresh))
        batch = self.take(fresh)
        # From here on the page is ours to finish: a resumed scan goes on behind it.
        self._cursor = cursor or None
        if batch is None or not batch.keys:
            return
        if self._dry_run:
            self.selection.count_matched(batch)
            return
        self._next = batch, self.connection.parts(batch.keys)

    def _send_next(self) -> None:
        if self._next is None:
            return
        self.connection.backoff.confirm()
        (self._batch, self._parts), self._next = self._next, None
        self._page_first = self.connection.owed > 0
        self.connection.send_all([("UNLINK", *part) for part in self._parts])
        self._sent = True

    def _read_unlinked(self) -> None:
        """Read, or after a fault ask again, what became of the batch that is under way."""
        batch = self._batch
        if batch is None:
            return
        if not self._sent:
            self.connection.backoff.confirm()
            self._page_first = False
            self.connection.send_all([("UNLINK", *part) for part in self._parts])
        self._sent = False
        replies = self.connection.read_all(len(self._parts))
        if replies == list(map(len, self._parts)):
            self._removals.append(Removal(sum(map(len, self._parts))))
        else:
            self._ask_about_parts(replies)
        removal = Removal.total(self._removals)
        self._batch, self._removals = None, []  # before it is counted: an interruption must not count it twice
        self.selection.count_removal(batch, removal)
        self.connection.check_place()

    def _ask_about_parts(self, replies: Sequence[Any]) -> None:
        """What became of parts that did not all go. If the asking fails, those that are settled are not asked again."""
        self.connection.drain()
        answers = list(zip(self._parts, replies, strict=True))
        self._removals.append(Removal(sum(len(part) for part, reply in answers if reply == len(part))))
        self._parts = [part for part, reply in answers if reply != len(part)]
        for part, reply in answers:
            if reply != len(part):
                self._removals.append(removal_by_reply(self.connection, part, reply))
                self._parts.remove(part)

    def _count_last_batch(self) -> None:
        """Whatever ends the scan: what Redis has answered, or is about to, belongs into the counts."""
        if self._sent and not self._page_first and self.connection.owed >= len(self._parts):
            with suppress(Exception):
                self._read_unlinked()
        if self._batch is not None and self._removals:
            open_ended = set(chain.from_iterable(self._parts))
            settled = [row for row in self._batch.rows() if row[0] not in open_ended]
            self._batch = None
            self.selection.count_removal(Batch.of(settled), Removal.total(self._removals))

    def _count_total(self) -> None:
        self._total = self._ask_size()
        self.tally.total += self._total

    def _ask_size(self) -> int:
        return size(self.connection.ask("DBSIZE"))

    def _note_walked(self, walked: int) -> None:
        self.tally.scanned += walked - self._walked
        self._walked = walked
