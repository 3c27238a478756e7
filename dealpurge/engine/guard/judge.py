"""What is known of a deal while it is purged, and what becomes of it in the counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from dealpurge.engine.guard.active_deals import LOST_WRITES_WARNING, ActiveDeals
from dealpurge.engine.guard.activity import Reading, Readings, Verdict
from dealpurge.engine.guard.activity_reader import ActivityReader
from dealpurge.engine.guard.look_sizes import UNREAD_WARNING
from dealpurge.engine.guard.plan import Plan, Unit
from dealpurge.engine.retry import with_retry
from dealpurge.engine.sweep.deal_log import INTERRUPTED, DealNote
from dealpurge.engine.sweep.fates import note_of
from dealpurge.engine.sweep.selection import Selection
from dealpurge.engine.sweep.unlink import Removal, with_unreachable
from dealpurge.engine.transaction import Aborted, Refused
from dealpurge.keys.matching import Batch
from dealpurge.servers.connection import ServerConnection


class DealJudge:
    """Looks at deals over one connection and counts into the selection's tally."""

    def __init__(
        self, connection: ServerConnection, selection: Selection, plan: Plan, active_deals: ActiveDeals
    ) -> None:
        self.connection = connection
        self.selection = selection
        self.plan = plan
        self.active_deals = active_deals
        self.tally = selection.tally
        self.activity = ActivityReader(connection, self.tally)
        self._leave_never_active = selection.scope.leave_never_active
        self._window = (selection.scope.exclude_active_within_secs or 0) * 1000
        self._first_look = Reading(0)
        #: Carries out a step that starts again at its WATCH after a lost connection.
        self._with_retry = partial(with_retry, connection, reopen=self._reopen)

    def _idle_of(self, units: Sequence[Unit], reading: Readings) -> list[Unit]:
        """Those that nobody works on; the others are skipped."""
        verdicts = [(unit, self._verdict(unit, reading)) for unit in units]
        for unit, verdict in verdicts:
            if verdict.stays:
                self._skip(unit, verdict)
            elif verdict.last_active is not None:
                self.tally.last_active[unit.token] = verdict.last_active
        return [unit for unit, verdict in verdicts if not verdict.stays]

    def _verdict(self, unit: Unit, reading: Readings) -> Verdict:
        """By a look, and by those before it: a deal once seen active is so for the rest of the run."""
        verdict = reading.verdict(unit.events, self._window)
        if verdict.active:
            owners = [(owner, keys) for owner, keys in self.plan.owners(unit.token) if keys]
            looks = [(owner, reading.verdict(keys, self._window) if owners[1:] else verdict) for owner, keys in owners]
            self._note_active(unit, verdict, {owner: look.last_active for owner, look in looks if look.active})
            return verdict
        sighting = self.active_deals.sighting(unit.token)
        if sighting is None:
            never_active = self._leave_never_active and self._is_never_active(unit, reading)
            return verdict._replace(never_active=True) if never_active else verdict
        if self.active_deals.is_lost(sighting, verdict):
            self.tally.warn(LOST_WRITES_WARNING, unit.token.replace(b":", b" "))
        verdict = Verdict(True, sighting.last_active)
        self._note_active(unit, verdict, {})
        return verdict

    def _is_never_active(self, unit: Unit, reading: Readings) -> bool:
        """Whether it, or in case of keys without an organisation any holder of its id, has no events key; nor had one
        by an earlier look, for then this run may have deleted it."""
        owners = [(owner, reading.verdict(keys, self._window)) for owner, keys in self.plan.owners(unit.token)]
        self.active_deals.note_idle(owner for owner, look in owners if look.last_active is not None)
        orgless, *holders = (self.active_deals.was_idle(owner) for owner, _ in owners)
        return not orgless and not (holders and all(holders))

    def _note_active(self, unit: Unit, verdict: Verdict, owners: Mapping[bytes, int | None]) -> None:
        counted = filter(self.plan.counts, (unit.token, *owners))
        self.active_deals.note(unit.token, verdict.last_active, owners, counted)

    def _look(self, unit: Unit) -> Verdict:
        return self._with_retry(partial(self._look_once, unit))

    def _look_once(self, unit: Unit) -> Verdict:
        reading = self.activity.read(unit.events, self._first_look)
        return self._verdict(unit, reading)

    def _before_delete(self) -> None:
        """Who was seen active is written down by then, and the run is still to go on. Raises ``Stopped``."""
        self.active_deals.write_down()
        self.connection.backoff.confirm()

    @contextmanager
    def _deleting(self, units: Sequence[Unit]) -> Iterator[None]:
        """Around a delete. Whatever ends it but Redis itself, it may have been carried out."""
        try:
            yield
        except (Aborted, Refused):
            raise
        except BaseException:
            self._note_begun(units)
            raise

    def _note_begun(self, units: Sequence[Unit]) -> None:
        begun = [unit.token for unit in units]
        self.tally.begun.update(begun)
        if self.tally.log:
            self.tally.log.add(begun, DealNote(INTERRUPTED))

    def _finish(self, unit: Unit) -> None:
        token, tally = unit.token, self.tally
        tally.untouched.discard(token)
        tally.begun.discard(token)
        self._tell(unit)

    def _tell(self, unit: Unit) -> None:
        if self.tally.log:  # also of keys without an organisation: until the end nobody else tells that they went
            self.tally.log.add([unit.token], note_of(self.tally, unit.token))

    def _record(self, batch: Batch, removal: Removal) -> None:
        self.selection.count_removal(batch, with_unreachable(self.connection, batch.keys, removal))

    def _skip(self, unit: Unit, verdict: Verdict, *, interrupted: bool = False) -> None:
        self.tally.untouched.discard(unit.token)
        self._note_left(unit)
        self.tally.to_delete -= self.tally.left[unit.token]
        if not verdict.never_active and self.active_deals.sighting(unit.token) is None:  # its transactions were aborted
            self._note_active(unit, verdict, {unit.token: verdict.last_active} if b":" in unit.token else {})
        if verdict.unread:
            self.tally.warn(UNREAD_WARNING, unit.token.replace(b":", b" "))
        if interrupted:
            self.tally.interrupted.add(unit.token)
            self.active_deals.note_interrupted(unit.token)
        elif verdict.never_active:
            self.tally.never_active.add(unit.token)
        else:
            self.tally.skipped[unit.token] = verdict.last_active

    def _note_left(self, unit: Unit) -> None:
        self.tally.left[unit.token] = unit.size - self.tally.gone[unit.token]

    def _reopen(self) -> None:
        self.activity.open()
