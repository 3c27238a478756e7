"""A deal whose keys one transaction does not hold: chunk by chunk, its events last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from dealpurge.engine.guard.active_deals import ActiveDeals
from dealpurge.engine.guard.activity import Verdict
from dealpurge.engine.guard.judge import DealJudge
from dealpurge.engine.guard.plan import Plan, Unit
from dealpurge.engine.guard.units import TRANSACTION_KEYS, batch_of, pieces
from dealpurge.engine.sweep.selection import Selection
from dealpurge.engine.sweep.unlink import Removal, remove
from dealpurge.engine.transaction import Aborted, Refused, begin, commit, discard
from dealpurge.keys.matching import Batch
from dealpurge.servers.commands import Command
from dealpurge.servers.connection import ServerConnection

#: A single deal whose transaction is aborted this often by its own events is being worked on.
MOST_ABORTS = 3


class Changed(Exception):
    """A key is no longer as it was read, and nothing was deleted."""


class Check:
    """What a transaction asks of a chunk's keys besides their deal's idleness: nothing, here."""

    #: To be watched, and to be asked behind that.
    keys: Sequence[bytes] = ()
    questions: Sequence[Command] = ()
    #: Whether the answers are too much to be in flight together.
    singly = False

    def passing(self, connection: ServerConnection, chunk: Batch, answers: Sequence[Any]) -> list[bytes]:
        """The chunk's keys that go, by the answers. Raises ``Changed``, the transaction closed."""
        return chunk.keys


class Piecemeal(DealJudge):
    """Deletes large deals."""

    #: Keys in one transaction, of several deals or a piece of one, and those of a deal that goes whole or not at all.
    transaction_keys = whole_keys = TRANSACTION_KEYS
    #: Whether every key that goes is watched itself.
    watches_keys = False

    def __init__(
        self, connection: ServerConnection, selection: Selection, plan: Plan, active_deals: ActiveDeals
    ) -> None:
        super().__init__(connection, selection, plan, active_deals)
        self._events_family = plan.deal_index.events_family
        #: Why Redis refused a transaction last.
        self._refusal = ""

    def _piecemeal(self, unit: Unit, remove: Callable[[Unit, Batch], Verdict | None]) -> None:
        """Chunk by chunk, its events last. If somebody begins to work on it, it stops there; whatever else ends it
        behind its first chunk leaves it interrupted too."""
        started = False
        for chunk in self._chunks(unit):
            verdict = remove(unit, chunk)
            if verdict is not None:
                self._skip(unit, verdict, interrupted=started)
                return
            self._note_left(unit)
            if not started:
                started = True
                self.tally.untouched.discard(unit.token)
                self.tally.interrupted.add(unit.token)
                self._tell(unit)
        self.tally.interrupted.discard(unit.token)
        self._finish(unit)

    def _chunks(self, unit: Unit) -> Iterator[Batch]:
        """The unit's keys in pieces for a transaction each, the events keys alone in the last one."""
        rows = list(batch_of([unit]).rows())
        for others in (True, False):
            some = [row for row in rows if (row[1] != self._events_family) is others]
            yield from pieces(some, self.transaction_keys)

    def _remove_chunk(self, unit: Unit, chunk: Batch) -> Verdict | None:
        """Remove it, or tell why not."""
        for _ in range(MOST_ABORTS):
            try:
                return self._with_retry(lambda: self._chunk_transaction(unit, chunk))
            except Aborted:
                continue
            except Refused as refused:
                self._refusal = str(refused)
                return self._remove_plainly(unit, chunk)
        return self._look(unit)

    def _chunk_transaction(self, unit: Unit, chunk: Batch) -> Verdict | None:
        look, check = self.activity.questions(unit.events, self._first_look), self._check(chunk)
        keys, asked = [*unit.events, *check.keys], [*look, *check.questions]
        answers = begin(self.connection, keys, asked, singly=check.singly)
        verdict = self._second_verdict(unit, answers[: len(look)])
        if verdict.stays:
            discard(self.connection)
            return verdict
        self._commit(unit, chunk, check.passing(self.connection, chunk, answers[len(look) :]), self.connection)
        return None

    def _second_verdict(self, unit: Unit, answers: Sequence[Any]) -> Verdict:
        return self._verdict(unit, self.activity.answers(unit.events, self._first_look, answers))

    def _commit(self, unit: Unit, chunk: Batch, keys: list[bytes], connection: ServerConnection) -> None:
        """Those of the chunk's keys that go, in the open transaction."""
        self._before_delete()
        with self._deleting([unit]):
            removal = commit(connection, keys) if keys else Removal(0)
        if not keys:
            discard(connection)
        self._record(chunk, removal)

    def _check(self, chunk: Batch) -> Check:
        return Check()

    def _remove_plainly(self, unit: Unit, chunk: Batch) -> Verdict | None:
        """Without a transaction: judged before the other keys, and again before the events key, which goes last."""
        return self._with_retry(partial(self._chunk_plainly, unit, chunk))

    def _chunk_plainly(self, unit: Unit, chunk: Batch) -> Verdict | None:
        self._before_delete()  # it may take its time, and nothing watches between this look and the delete
        verdict = self._look_once(unit)  # a look that may be begun anew would renew the time for tries of what follows
        if verdict.stays:
            return verdict
        self.tally.plain.add(unit.token)
        self.connection.backoff.confirm()
        with self._deleting([unit]):
            self._record(chunk, remove(self.connection.home(chunk.keys[0]), chunk.keys))
        return None
