"""The guarded delete: judge a deal, watch its events, judge again, and UNLINK in a transaction that they abort."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from dealpurge.engine.guard.active_deals import ActiveDeals
from dealpurge.engine.guard.lookahead import LookAhead
from dealpurge.engine.guard.piecemeal import MOST_ABORTS, Piecemeal
from dealpurge.engine.guard.pipeline import Passing, Pipeline, Remainder
from dealpurge.engine.guard.plan import Plan, Unit
from dealpurge.engine.guard.units import batch_of, events_of, groups
from dealpurge.engine.retry import recover
from dealpurge.engine.sweep.selection import Selection
from dealpurge.engine.sweep.unlink import Removal
from dealpurge.engine.transaction import Aborted, Opening, Refused, commit, discard
from dealpurge.keys.matching import Batch
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import LOST, Stopped, Transient


class Guard(Piecemeal):
    """Deletes the units of a plan over one connection. Counts into the selection's tally."""

    def __init__(
        self, connection: ServerConnection, selection: Selection, plan: Plan, active_deals: ActiveDeals
    ) -> None:
        super().__init__(connection, selection, plan, active_deals)
        self._dry_run = selection.scope.dry_run
        self.pipeline = Pipeline(connection, self._open, self._passing, self._before_delete, self._done)

    def run(self, units: Iterator[Unit]) -> bool:
        """Judge and delete; False if told to stop before the end."""
        self._with_retry(self.activity.open)
        try:
            for idle in self._idle(units):
                for group in self._groups(idle):
                    if not self.connection.keep_going():
                        self._pipelined(self.pipeline.finish_in_flight)
                        return False
                    self.active_deals.write_down()  # while nothing is watched
                    if self.selection.budget:
                        self.selection.budget.take([unit.token for unit in group], sum(unit.size for unit in group))
                    self._take(group)
            self._end()
        except BaseException:
            with suppress(Exception):  # what Redis does already belongs into the counts
                self.pipeline.finish_in_flight()
            self._give_up()
            raise
        return True

    def _end(self) -> None:
        """All groups were taken."""
        self._pipelined(self.pipeline.finish_in_flight)

    def _take(self, group: list[Unit]) -> None:
        if self._dry_run:
            self._count(group)
        elif self._fits(group) and self._goes_alone(group):
            self._pipelined(self.pipeline.finish_in_flight)
            self._purge(Remainder(group, self._first_look))
        elif self._fits(group):
            self._pipelined(partial(self.pipeline.push, group, self._first_look), Remainder(group, self._first_look))
        else:
            self._pipelined(self.pipeline.finish_in_flight)
            self._piecemeal(group[0], self._remove_chunk)

    def _goes_alone(self, group: Sequence[Unit]) -> bool:
        """Whether nothing else may be in flight with what is asked of it."""
        return self._first_look.is_large(events_of(group))

    def _pipelined(self, step: Callable[[], list[Remainder]], *behind: Remainder) -> None:
        """A step of the pipeline; what did not go in it goes by itself."""
        self.connection.check_place()
        try:
            remainders = step()
        except (*LOST, Transient) as exc:
            remainders = self._give_up()
            sent = {unit.token for remainder in remainders for unit in remainder.units}
            remainders += [item for item in behind if sent.isdisjoint(unit.token for unit in item.units)]
            recover(self.connection, exc, self._reopen)
        else:
            self.connection.progressed()
        current = self._first_look
        for remainder in remainders:
            self._first_look = remainder.look
            self._purge(remainder)
        self._first_look = current

    def _give_up(self) -> list[Remainder]:
        """What was sent and may have been carried out, to be begun anew by itself."""
        remainders = self.pipeline.give_up()
        for remainder in remainders:
            self._note_begun(remainder.units)
        return remainders

    def _groups(self, units: Sequence[Unit]) -> Iterator[list[Unit]]:
        return groups(units, self._first_look, self.transaction_keys)

    def _fits(self, group: Sequence[Unit]) -> bool:
        """Whether one transaction may hold all their keys."""
        return sum(unit.size for unit in group) <= self.whole_keys

    def _idle(self, units: Iterator[Unit]) -> Iterator[list[Unit]]:
        """Batch by batch those that nobody works on, by a look without WATCH; the others are skipped."""
        ahead = self.pipeline.ahead = LookAhead(self.activity, units)
        while ahead.units():
            if not self.connection.keep_going():  # where all are active no group asks
                raise Stopped
            if ahead.questions():
                self._pipelined(self.pipeline.finish_in_flight)
                self._pipelined(partial(self._complete, ahead))
            judged, reading = ahead.hand_out()
            if reading is None:  # after trouble
                self._pipelined(self.pipeline.finish_in_flight)
                judged = self._idle_of(judged, ahead.dropped) if ahead.dropped else judged
                reading = self._with_retry(partial(self.activity.read, events_of(judged)))
            self._first_look = reading
            idle = self._idle_of(judged, self._first_look)
            self.tally.judged += len(judged)
            yield idle

    def _complete(self, ahead: LookAhead) -> list[Remainder]:
        """Ask what could not be asked behind a transaction, when none is under way. Nothing of it is left to do."""
        while questions := ahead.questions():
            ahead.take(self.connection.ask_all(questions))
        return []

    def _reopen(self) -> None:
        self.pipeline.forget_look()
        super()._reopen()

    def _count(self, units: Sequence[Unit]) -> None:
        self.selection.count_matched(batch_of(units))
        self.tally.untouched.difference_update(unit.token for unit in units)

    def _purge(self, remainder: Remainder) -> None:
        """Several small deals, whole or not at all. After an abort in halves, until the one that moves is alone."""
        waiting, trouble = deque([remainder.units]), remainder.trouble
        aborts = 0
        while waiting:
            group = waiting.popleft()
            try:
                if trouble:
                    raise trouble
                self._with_retry(partial(self._together, group))
            except Aborted:
                aborts = aborts + 1 if len(group) == 1 else 0
                if aborts < MOST_ABORTS:
                    middle = len(group) // 2
                    waiting.extendleft([half for half in (group[middle:], group[:middle]) if half])
                else:
                    self._skip(group[0], self._look(group[0]))
                    aborts = 0
            except Refused as refused:
                self._refusal = str(refused)
                waiting.extendleft(reversed(self._refused(group)))
            else:
                aborts = 0
            trouble = None

    def _refused(self, group: list[Unit]) -> list[list[Unit]]:
        """The first one goes without a transaction; the others, that are to be tried again."""
        # It frees memory, so the next ones may have their transaction again.
        self._piecemeal(group[0], self._remove_plainly)
        return [group[1:]] if group[1:] else []

    def _together(self, group: Sequence[Unit]) -> None:
        """One transaction by itself. Raises ``Aborted``, ``Refused``."""
        units, some = self._passing(group, self._open(group))
        batch = batch_of(units)
        keys = batch.keys if some is None else some
        removal = Removal(0)
        if keys:
            self._before_delete()
            with self._deleting(units):
                removal = commit(self.connection, keys)
        else:
            discard(self.connection)
        self._done(units, batch, removal)

    def _open(self, units: Sequence[Unit]) -> Opening:
        """Watch the events keys, look at them for the second time, and open the transaction, in one round trip."""
        events = events_of(units)
        return Opening.send(self.connection, events, self.activity.questions(events, self._first_look))

    def _passing(self, group: Sequence[Unit], opening: Opening) -> Passing:
        """What of a group the second look lets go; the transaction is open then. Raises ``Refused``."""
        idle = self._idle_of(group, self.activity.answers(events_of(group), self._first_look, opening.answers()))
        return Passing(idle)

    def _done(self, units: Sequence[Unit], batch: Batch, removal: Removal) -> None:
        if units:
            self._record(batch, removal)
        for unit in units:
            self._finish(unit)
