"""Deleting deals that the archive has: in transactions that a write to one of their keys aborts as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import compress
from time import monotonic
from typing import Any, NamedTuple

from dealpurge.conf import conf
from dealpurge.engine.archive.archiver import Archive
from dealpurge.engine.archive.lone_key import TRIES, LoneKeys
from dealpurge.engine.archive.reader import ValueReader
from dealpurge.engine.archive.removal import WATCHED_KEYS
from dealpurge.engine.archive.warnings import CHANGING_WARNING, FULL_WARNING, UNCHECKED_WARNING
from dealpurge.engine.guard.active_deals import ActiveDeals
from dealpurge.engine.guard.activity import Reading, Readings, Verdict
from dealpurge.engine.guard.archived.check import ArchiveCheck, Deleting, forgive
from dealpurge.engine.guard.guard import Guard
from dealpurge.engine.guard.piecemeal import Changed
from dealpurge.engine.guard.pipeline import Passing
from dealpurge.engine.guard.plan import Plan, Unit
from dealpurge.engine.guard.units import batch_of, events_of
from dealpurge.engine.sweep.selection import Selection
from dealpurge.engine.sweep.unlink import Removal, remove
from dealpurge.engine.transaction import Aborted, Opening, Refused, unwatch, watch
from dealpurge.keys.matching import Batch
from dealpurge.servers.commands import replies_to
from dealpurge.servers.connection import ServerConnection

#: Keys of a deal that goes whole or not at all: WATCH of as many takes Redis some two milliseconds.
WHOLE_KEYS = 500


class Held(NamedTuple):
    """Deals between their two looks, and the first one."""

    units: list[Unit]
    look: Any


class ArchivedDelete(Guard):
    """Deletes what of a chunk's deals is as it was saved."""

    transaction_keys, whole_keys, watches_keys = WATCHED_KEYS, WHOLE_KEYS, True

    def __init__(
        self,
        connection: ServerConnection,
        selection: Selection,
        plan: Plan,
        active_deals: ActiveDeals,
        archive: Archive,
    ) -> None:
        super().__init__(connection, selection, plan, active_deals)
        self.archive = archive
        self._readers: dict[ServerConnection, ValueReader] = {}
        self._unchecked = conf.archive_on_full == "unchecked"
        #: The chunk whose keys are being deleted, and since when they are held.
        self._deleted: Deleting | None = None
        self._held_since = 0.0
        #: What the opening sent last asks, and deals that have changed since they were read.
        self._opened: ArchiveCheck
        self._changed: list[Held] = []

    def _check(self, chunk: Batch) -> ArchiveCheck:
        return self._check_of(chunk.keys)

    def _check_of(self, keys: Sequence[bytes]) -> ArchiveCheck:
        return ArchiveCheck(self._reader(self.connection), self._deleted or Deleting(), keys)

    def _open(self, units: Sequence[Unit]) -> Opening:
        events = events_of(units)
        self._opened = check = self._check_of([key for unit in units for key in unit.keys])
        look = self.activity.questions(events, self._first_look)
        keys, asked = [*events, *check.keys], [*look, *check.questions]
        return Opening.send(self.connection, keys, asked, singly=check.singly)

    def _goes_alone(self, group: Sequence[Unit]) -> bool:
        size = self._deleted.size_of(key for unit in group for key in unit.keys) if self._deleted else 0
        # Where it is opened anew nothing is in flight.
        reader = self._readers.get(self.connection) or self._with_retry(partial(self._reader, self.connection))
        return super()._goes_alone(group) or size > reader.in_flight

    def _passing(self, group: Sequence[Unit], opening: Opening) -> Passing:
        answers, check = opening.answers(), self._opened
        look = len(answers) - replies_to(check.questions)
        idle = self._idle_of(group, self.activity.answers(events_of(group), self._first_look, answers[:look]))
        compared = check.compare(answers[look:])
        changed = set(compared.changed.tokens)
        tokens = {unit.token for unit in group}
        self._changed = [held for held in self._changed if held.units[0].token not in tokens]  # of an earlier try
        self._changed += [Held([unit], self._look_state()) for unit in idle if unit.token in changed]
        steady = [unit for unit in idle if unit.token not in changed]
        going = {unit.token for unit in steady}
        equal = compared.equal
        return Passing(steady, list(compress(equal.keys, map(going.__contains__, equal.tokens))))

    def _record(self, batch: Batch, removal: Removal) -> None:
        deleted = self._deleted
        if deleted:  # before it is counted, which on a cluster may take a question that fails
            back = [key for key in batch.keys if key in deleted.came_back]
            left = {*removal.left, *back}
            deleted.gone.update(key for key in batch.keys if key not in left)
            removal = Removal(removal.deleted, tuple(left))
        super()._record(batch, removal)

    def _note_begun(self, units: Sequence[Unit]) -> None:
        super()._note_begun(units)
        if self._deleted:
            self._deleted.doubt([key for unit in units for key in unit.keys])

    def _together(self, group: Sequence[Unit]) -> None:
        with (self._deleted or Deleting()).noting([key for unit in group for key in unit.keys]):
            super()._together(group)

    def _commit(self, unit: Unit, chunk: Batch, keys: list[bytes], connection: ServerConnection) -> None:
        with (self._deleted or Deleting()).noting(keys):
            super()._commit(unit, chunk, keys, connection)

    def _leave(self, batch: Batch) -> None:
        if batch.keys:
            super()._record(batch, Removal(0, tuple(batch.keys)))

    def _refused(self, group: list[Unit]) -> list[list[Unit]]:
        """What is refused without a transaction stays, so that one of them must not keep back the others."""
        if len(group) > 1 and "OOM" not in self._refusal:
            return [[unit] for unit in group]
        return super()._refused(group)

    def _remove_chunk(self, unit: Unit, chunk: Batch) -> Verdict | None:
        try:
            return super()._remove_chunk(unit, chunk)
        except Changed:
            deleted = self._deleted
            if deleted and deleted.saved:  # before another chunk has its keys
                deleted.saved = self.archive.keep_only(self.connection, deleted.saved, deleted.without(chunk.keys))
            return self._remove_alone(unit, chunk)

    def _remove_alone(self, unit: Unit, chunk: Batch) -> Verdict | None:
        """Of keys that do not come to rest the WATCH is held from the read through the save to EXEC."""
        lone = LoneKeys(self.archive, list(chunk.rows()))
        for _ in range(TRIES):
            try:
                return self._with_retry(partial(self._alone, unit, chunk, lone))
            except Aborted:
                continue
            except Refused as refused:
                self._refusal = str(refused)
                return self._remove_plainly(unit, chunk)
        self.tally.warn(CHANGING_WARNING)
        return self._look(unit)

    def _alone(self, unit: Unit, chunk: Batch, lone: LoneKeys) -> Verdict | None:
        connection = self.connection.home(chunk.keys[0])
        near = [key for key in unit.events if self.connection.owner(key) == connection.node]
        watch(connection, [*near, *chunk.keys])
        verdict = self._look_once(unit)
        if verdict.stays:
            unwatch(connection)
            return verdict
        with self._deleting([unit]):
            removal = lone.transaction(self._reader(connection), self._before_delete)
        super()._record(chunk, removal)
        return None

    def _chunk_plainly(self, unit: Unit, chunk: Batch) -> Verdict | None:
        """A full server takes no transaction (up to Redis 7.0): a look alone shows whether keys are as they were."""
        check = self._check(chunk)
        if not (self._unchecked and "OOM" in self._refusal and check.keys):
            if "OOM" in self._refusal:
                self.tally.warn(FULL_WARNING)
            self._leave(chunk)
            return None
        self._before_delete()
        verdict = self._look_once(unit)
        if verdict.stays:
            return verdict
        home = self.connection.home(chunk.keys[0])
        compared = check.compare([reply for question in check.questions for reply in home.ask_all([question])])
        self.tally.warn(UNCHECKED_WARNING)
        self.connection.backoff.confirm()
        with self._deleting([unit]):
            removal = remove(home, compared.equal.keys)
            self._record(chunk, Removal(removal.deleted, (*removal.left, *compared.changed.keys)))
        return None

    def _try_changed_again(self) -> None:
        changed, self._changed = self._changed, []
        for (unit,), look in changed:
            self._set_look(look)
            verdict = self._remove_alone(unit, batch_of([unit]))
            if verdict:
                self._skip(unit, verdict)
            else:
                self._finish(unit)

    def _verdict(self, unit: Unit, reading: Readings) -> Verdict:
        if self._deleted and not self.activity.no_touch:  # what was read was used by that
            for later, before in self._looks_at(reading):
                forgive(later, before, unit.events, self._held_since)
        return super()._verdict(unit, reading)

    def _looked_again(self, held: Held) -> Held:
        """To be called in front of our reading: those on whom nobody works by a look that this does not hide."""
        events = events_of(held.units)
        self._set_look(held.look)
        if not self._hides_use(events):
            return held
        return Held(self._idle_of(held.units, self._with_retry(partial(self._look_anew, events))), self._look_state())

    def _hides_use(self, events: Sequence[bytes]) -> bool:
        """Whether idle times tell of these events, which our reading resets: behind it nobody sees that somebody used
        them between the first look and our reading."""
        looks = [] if self.activity.no_touch else self._first_looks()
        return any(key in look.idle and key not in look.marks for look in looks for key in events)

    def _look_anew(self, events: Sequence[bytes]) -> Readings:
        self._first_look = self.activity.read(events, self._first_look)
        return self._first_look

    def _first_looks(self) -> list[Reading]:
        return [self._first_look]

    def _looks_at(self, reading: Readings) -> Iterator[tuple[Reading, Reading]]:
        """Each second look with the first one."""
        if isinstance(reading, Reading):
            yield reading, self._first_look

    def _look_state(self) -> Any:
        return self._first_look, monotonic()

    def _set_look(self, look: Any) -> None:
        self._first_look, self._held_since = look

    def _reader(self, connection: ServerConnection) -> ValueReader:
        if connection not in self._readers:
            reader = ValueReader(connection, self.archive.largest)
            reader.open()
            self._readers[connection] = reader
        return self._readers[connection]

    def _reopen(self) -> None:
        self._readers.clear()
        super()._reopen()
