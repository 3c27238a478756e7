"""The guarded delete on one node of a cluster. Redis takes no transaction over several slots (CROSSSLOT), but an event
aborts those in other slots of its node: a deal of one slot goes whole, another slot by slot beside its events, and what
lies on other nodes immediately after a judgement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

from dealpurge.engine.guard.active_deals import ActiveDeals
from dealpurge.engine.guard.activity import Reading, Verdict
from dealpurge.engine.guard.cluster_activity import ClusterActivity, ReadingsByNode
from dealpurge.engine.guard.guard import Guard
from dealpurge.engine.guard.lookahead import JUDGED_AT_ONCE
from dealpurge.engine.guard.piecemeal import Check
from dealpurge.engine.guard.plan import Plan, Unit
from dealpurge.engine.guard.units import batch_of, events_of, groups, pieces
from dealpurge.engine.sweep.selection import Selection
from dealpurge.engine.sweep.unlink import remove
from dealpurge.engine.transaction import begin, discard
from dealpurge.keys.matching import Batch
from dealpurge.servers.commands import slot_of
from dealpurge.servers.connection import ServerConnection


def share_out(connections: Sequence[ServerConnection], plan: Plan) -> dict[ServerConnection, list[bytes]]:
    """Each deal to the connection whose node has its events: the first of them, if they lie on several nodes."""
    if len(connections) == 1:
        return {connections[0]: plan.tokens()}
    shares: dict[ServerConnection, list[bytes]] = {connection: [] for connection in connections}
    by_node = {connection.node: connection for connection in connections}
    for token in plan.tokens():
        unit = plan.unit(token)
        owner = connections[0].owner((unit.events or unit.keys)[0])
        shares[by_node.get(owner, connections[0])].append(token)
    return shares


class ClusterGuard(Guard):
    """Deletes the deals whose events lie on the connection's node."""

    def __init__(
        self, connection: ServerConnection, selection: Selection, plan: Plan, active_deals: ActiveDeals
    ) -> None:
        super().__init__(connection, selection, plan, active_deals)
        self.cluster_activity = ClusterActivity(connection, self.tally)
        self.activity = self.cluster_activity.home
        self._looks = ReadingsByNode()
        self._scattered: set[bytes] = set()

    def _idle(self, units: Iterator[Unit]) -> Iterator[list[Unit]]:
        while judged := list(islice(units, JUDGED_AT_ONCE)):
            self._pipelined(self.pipeline.finish_in_flight)
            self._looks = self._with_retry(partial(self.cluster_activity.look, events_of(judged)))
            self._first_look = self._looks.readings.get(self.connection.node, Reading(0))
            idle = self._idle_of(judged, self._looks)
            self.tally.judged += len(judged)
            yield idle

    def _groups(self, units: Sequence[Unit]) -> Iterator[list[Unit]]:
        slots: dict[int, list[Unit]] = defaultdict(list)
        for unit in units:
            if self._holds(unit):
                slots[slot_of(unit.keys[0])].append(unit)
            else:
                self._scattered.add(unit.token)
                yield [unit]
        for neighbours in slots.values():
            yield from groups(neighbours, self._first_look, self.transaction_keys)

    def _fits(self, group: Sequence[Unit]) -> bool:
        return group[0].token not in self._scattered and super()._fits(group)

    def _holds(self, unit: Unit) -> bool:
        """Whether its keys are of one slot of this node, and its events lie here too."""
        node = self.connection.node
        return len(self.connection.parts(unit.keys)) == 1 and all(
            self.connection.owner(key) == node for key in (unit.keys[0], *unit.events)
        )

    def _chunks(self, unit: Unit) -> Iterator[Batch]:
        """First what lies on nodes without events of the deal, then the other slots, in the end its events keys."""
        watching = {self.connection.owner(key) for key in unit.events}
        rows: dict[tuple[int, object], list[tuple[bytes, int, bytes]]] = defaultdict(list)
        for row in batch_of([unit]).rows():
            slot, node = slot_of(row[0]), self.connection.owner(row[0])
            if row[1] == self._events_family:
                rows[2, slot].append(row)
            else:
                rows[(1, slot) if node in watching else (0, slot if self.watches_keys else node)].append(row)
        for place in sorted(rows, key=lambda place: place[0]):
            yield from pieces(rows[place], self.transaction_keys)

    def _chunk_transaction(self, unit: Unit, chunk: Batch) -> Verdict | None:
        """Without a transaction on a node that has none of the deal's events: judged, then removed at once."""
        self._before_delete()  # it may take its time, and nothing watches the events on other nodes
        connection, check = self.connection.home(chunk.keys[0]), self._check(chunk)
        near = [key for key in unit.events if self.connection.owner(key) == connection.node]
        if not near and not self.watches_keys:
            return self._remove_at_once(unit, chunk, connection)
        far = [key for key in unit.events if key not in near]
        looks, answers = self._watched(connection, near, far, check)
        verdict = self._verdict(unit, looks)
        if verdict.stays:
            discard(connection)
            return verdict
        self._commit(unit, chunk, check.passing(connection, chunk, answers), connection)
        self.tally.scattered.update({unit.token} & self._scattered)
        return None

    def _remove_at_once(self, unit: Unit, chunk: Batch, connection: ServerConnection) -> Verdict | None:
        verdict = self._look_once(unit)
        if verdict.stays:
            return verdict
        self.connection.backoff.confirm()
        with self._deleting([unit]):
            removal = remove(connection, chunk.keys)
        self.tally.scattered.update({unit.token} & self._scattered)
        self._record(chunk, removal)
        return None

    def _watched(
        self, connection: ServerConnection, near: Sequence[bytes], far: Sequence[bytes], check: Check
    ) -> tuple[ReadingsByNode, Sequence[Any]]:
        """Watch the events keys of this node and what the check asks for, look at those of all, and answer the check's
        questions; the transaction is open then."""
        activity, before = self.cluster_activity.on(connection), self._looks.readings.get(connection.node, Reading(0))
        look = activity.questions(near, before)
        replies = begin(connection, [*near, *check.keys], [*look, *check.questions], singly=check.singly)
        looks = self.cluster_activity.again(far, self._looks)
        looks.readings[connection.node] = activity.answers(near, before, replies[: len(look)])
        return looks, replies[len(look) :]

    def _look_once(self, unit: Unit) -> Verdict:
        return self._verdict(unit, self.cluster_activity.again(unit.events, self._looks))

    def _reopen(self) -> None:
        self.cluster_activity.reopen()
