"""The guarded delete with an archive: deals are read and saved between the two looks at their activity."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from dealpurge.engine.archive.archiver import IN_FLIGHT, Archive, Gathered, Saving
from dealpurge.engine.archive.entries import Entries, Row
from dealpurge.engine.archive.measured import Values
from dealpurge.engine.archive.warnings import OVERSIZED_WARNING
from dealpurge.engine.guard.active_deals import ActiveDeals
from dealpurge.engine.guard.activity import Reading, Readings, Verdict
from dealpurge.engine.guard.archived.check import Deleting
from dealpurge.engine.guard.archived.delete import ArchivedDelete, Held
from dealpurge.engine.guard.cluster_activity import ReadingsByNode
from dealpurge.engine.guard.cluster_guard import ClusterGuard
from dealpurge.engine.guard.guard import Guard
from dealpurge.engine.guard.plan import Plan, Unit
from dealpurge.engine.guard.units import batch_of
from dealpurge.engine.sweep.selection import Selection
from dealpurge.keys.matching import Batch
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import Stopped

#: Keys that are read in one go, about.
READ_AT_ONCE = 1000


def guard_of(
    connection: ServerConnection,
    selection: Selection,
    plan: Plan,
    active_deals: ActiveDeals,
    archive: Archive | None = None,
) -> Guard:
    """The guard that suits the connection's server."""
    if archive is None or selection.scope.dry_run:
        return (ClusterGuard if connection.clustered else Guard)(connection, selection, plan, active_deals)
    archived = ArchivedClusterGuard if connection.clustered else ArchivedGuard
    return archived(connection, selection, plan, active_deals, archive)


class ArchivedGuard(ArchivedDelete):
    """Holds deals until a chunk is full, and deletes them once it is saved."""

    def __init__(
        self,
        connection: ServerConnection,
        selection: Selection,
        plan: Plan,
        active_deals: ActiveDeals,
        archive: Archive,
    ) -> None:
        super().__init__(connection, selection, plan, active_deals, archive)
        #: Groups to be read, those that were read and what was read of them, and those that are being saved.
        self._unread: list[Held] = []
        self._read: list[Held] = []
        self._gathered = Gathered()
        self._in_flight: deque[tuple[Saving, list[Held]]] = deque()
        #: Deals that are more than may be held.
        self._large: set[bytes] = set()

    def run(self, units: Iterator[Unit]) -> bool:
        """Judge, save and delete; False if told to stop before the end."""
        finished = False
        try:
            finished = super().run(units)
        finally:
            if not finished:
                self._abandon()
        return finished

    # Reading and saving

    def _take(self, group: list[Unit]) -> None:
        held = Held(group, self._look_state())
        if self._is_large(group[0]):
            self._delete(held)
            return
        self._unread.append(held)
        if sum(unit.size for each in self._unread for unit in each.units) >= READ_AT_ONCE:
            self._read_some()
            self._set_look(held.look)  # that of the groups to come, after those that were deleted

    def _is_large(self, unit: Unit) -> bool:
        """Whether it is saved and deleted in portions."""
        return unit.size > self.whole_keys or unit.token in self._large

    def _fits(self, group: Sequence[Unit]) -> bool:
        return super()._fits(group) and not self._is_large(group[0])

    def _end(self) -> None:
        self._read_some()
        self._close_chunk()
        while self._in_flight:
            self._delete_chunk(*self._in_flight.popleft())

    def _abandon(self) -> None:
        for saving, _ in self._in_flight:
            self.archive.leave(saving)
        if self._deleted and self._deleted.saved:
            self.archive.settle_later(self._deleted.saved, self._deleted.settled())

    def _read_some(self) -> None:
        """Deals are held that were read whole; one that is larger than may be held goes in portions."""
        self._unread = [self._looked_again(held) for held in self._unread]
        while self._unread:
            unread, self._unread = self._unread, []
            values = self._values_of([row for units, _ in unread for row in batch_of(units).rows()])
            rest, stuck = {row[2] for row in values.rest}, {row[2] for row in values.stuck}
            first = next((unit for units, _ in unread for unit in units), None)
            if first and first.token in rest:
                self._large.add(first.token)
            for units, look in unread:
                self._sort(units, look, rest, stuck)
            whole = values.entries
            if rest or stuck:
                whole = whole.only([token not in rest | stuck for token in whole.tokens])
            self._gathered.add(whole)
            if self._gathered.size >= self.archive.chunk_bytes:
                self._close_chunk()

    def _sort(self, units: Sequence[Unit], look: Any, rest: set[bytes], stuck: set[bytes]) -> None:
        for unit in units:
            if unit.token in self._large:
                self._delete(Held([unit], look))
            elif unit.token in stuck:  # a deal goes whole or not at all
                self._leave(batch_of([unit]))
                self._finish(unit)
        left = self._large | stuck
        self._read.append(Held([unit for unit in units if unit.token not in rest | left], look))
        again = [unit for unit in units if unit.token in rest - left]
        self._unread += [Held(again, look)] if again else []

    def _close_chunk(self) -> None:
        gathered, self._gathered = self._gathered, Gathered()
        read, self._read = self._read, []
        if gathered.entries:
            self._in_flight.append((self.archive.begin(self.connection, gathered, in_order=True), read))
        else:  # their keys are gone
            self._delete_all(read)
        if len(self._in_flight) > IN_FLIGHT - 1:
            self._delete_chunk(*self._in_flight.popleft())

    def _values_of(self, rows: Sequence[Row]) -> Values:
        values = self._with_retry(partial(self._ask_values, rows))
        if values.oversized:
            self.tally.warn(OVERSIZED_WARNING)
        return values

    def _ask_values(self, rows: Sequence[Row]) -> Values:
        values, homes = Values(), dict[ServerConnection, list[Row]]()
        for row in rows:
            homes.setdefault(self.connection.home(row[0]), []).append(row)
        for connection, some in homes.items():
            values.add(self._reader(connection).read(some, self.archive.most_bytes - values.entries.size))
        return values

    def _piecemeal(self, unit: Unit, remove: Callable[[Unit, Batch], Verdict | None]) -> None:
        super()._piecemeal(unit, remove)
        if self._is_large(unit):  # one that stays from here on has a portion that did not go
            self._settle()

    def _chunks(self, unit: Unit) -> Iterator[Batch]:
        """Those of a deal too large to be held are read and saved in portions, each before it is asked for."""
        pieces = super()._chunks(unit)
        if not self._is_large(unit):
            yield from pieces
            return
        for portion, entries in self._portions(unit, pieces):
            if entries:
                self._deleted = Deleting(self.archive.save(self.connection, entries, in_order=True))
            yield from portion
            self._settle()

    def _portions(self, unit: Unit, pieces: Iterator[Batch]) -> Iterator[tuple[list[Batch], Entries]]:
        portion, entries, read = list[Batch](), Entries(), False
        for piece in pieces:
            rows = list(piece.rows())
            if self._events_family in piece.families and not read and self._hides_use(unit.events):
                self._with_retry(partial(self._look_anew, unit.events))
                self._set_look(self._look_state())  # by which the deal is judged behind its WATCH
            read = read or self._events_family in piece.families
            while rows:
                values = self._values_of(rows)
                self._leave(Batch.of(values.stuck))
                left = {row[0] for row in (*values.rest, *values.stuck)}
                portion.append(Batch.of([row for row in rows if row[0] not in left]))
                entries.add(values.entries)
                rows = values.rest
                if entries.size >= self.archive.chunk_bytes:
                    yield portion, entries
                    portion, entries = [], Entries()
        yield portion, entries

    # Deleting

    def _delete_chunk(self, saving: Saving, held: Sequence[Held]) -> None:
        self._deleted = Deleting(self.archive.finish(self.connection, saving))
        self._delete_all(held)

    def _delete_all(self, held: Sequence[Held]) -> None:
        for each in held:
            if not self.connection.keep_going():
                raise Stopped
            self._delete(each)
        self._pipelined(self.pipeline.finish_in_flight)
        self._settle()
        self._try_changed_again()

    def _delete(self, held: Held) -> None:
        self._set_look(held.look)
        if held.units:
            super()._take(held.units)

    def _settle(self) -> None:
        """What is in the chunk and did not go is taken out of it."""
        deleted, self._deleted = self._deleted, None
        if deleted and deleted.saved:
            self.archive.keep_only(self.connection, deleted.saved, deleted.settled())


class ArchivedClusterGuard(ArchivedGuard, ClusterGuard):
    """On one node of a cluster, where a first look is one at each node."""

    def _look_state(self) -> Any:
        return super()._look_state(), self._looks

    def _set_look(self, look: Any) -> None:
        first, self._looks = look
        super()._set_look(first)

    def _look_anew(self, events: Sequence[bytes]) -> Readings:
        self._looks = self.cluster_activity.again(events, self._looks)
        self._first_look = self._looks.readings.get(self.connection.node, Reading(0))
        return self._looks

    def _first_looks(self) -> list[Reading]:
        return list(self._looks.readings.values())

    def _looks_at(self, reading: Readings) -> Iterator[tuple[Reading, Reading]]:
        before = self._looks.readings
        nodes = reading.readings if isinstance(reading, ReadingsByNode) else {}
        return ((later, before[node]) for node, later in nodes.items() if node in before)
