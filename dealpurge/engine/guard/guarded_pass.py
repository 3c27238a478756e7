"""The guarded pass: collect the keys of every deal from all servers, then judge and delete deal by deal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from dealpurge.conf import conf
from dealpurge.engine.archive.archiver import Archive
from dealpurge.engine.guard.active_deals import LOST_WRITES_WARNING, ActiveDeals
from dealpurge.engine.guard.archived.guard import guard_of
from dealpurge.engine.guard.cluster_guard import share_out
from dealpurge.engine.guard.guard import Guard
from dealpurge.engine.guard.plan import MISREAD_WARNING, OVERSIZED_WARNING, WHOLE, Part, Plan
from dealpurge.engine.limits import Budget
from dealpurge.engine.sweep.scan import Scan
from dealpurge.engine.sweep.selection import Selection
from dealpurge.engine.sweep.tally import Tally
from dealpurge.i18n import gettext_noop
from dealpurge.keys.families import Keyspace
from dealpurge.scope import PurgeScope
from dealpurge.servers.backoff import KeepGoing
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import Departed, ProcessChanged
from dealpurge.servers.identity import Identity
from dealpurge.servers.parallel import on_each

SHARED_WARNING = gettext_noop(
    "Keys without an organisation were left, because several organisations hold the deal id and one of them is "
    "left: {}.",
    code="shared_ids_left",
)


class GuardedPass:
    """One pass over all servers, in as many parts as memory asks for. Counts into ``tally``.

    ``seen``: every deal's token that earlier passes have met; ``active_deals``: who was seen active in them. What this
    one finds is added. ``budget``: of a live purge with a limit. ``archive``: takes what is deleted.
    """

    def __init__(
        self,
        scope: PurgeScope,
        keyspace: Keyspace,
        tally: Tally,
        keep_going: KeepGoing,
        seen: set[bytes],
        active_deals: ActiveDeals,
        budget: Budget | None = None,
        archive: Archive | None = None,
    ) -> None:
        self.scope = scope
        self.keyspace = keyspace
        self.tally = tally
        self.keep_going = keep_going
        self.seen = seen
        self.active_deals = active_deals
        self.budget = budget
        self.archive = archive
        #: The number of each connection's process when the plan in hand was complete.
        self._planned_on: dict[ServerConnection, int] = {}
        active_deals.begin_pass()

    def run(self, connections: Sequence[ServerConnection]) -> set[Identity]:
        """Plan and purge part after part; the processes that were scanned or purged. Raises ``Departed``,
        ``LimitExceeded``."""
        part: Part | None = WHOLE
        processes = set[Identity]()
        counted = self._count(connections, self.budget) if self.budget else None
        while part and not self.tally.cancelled:
            plan = counted or self._plan(connections, part)
            part, counted = plan.left, None
            if not self.tally.cancelled:
                self._purge(connections, plan, self.tally.child(), self.scope)
            for connection, number in self._planned_on.items():
                processes.update(connection.processes[number:])
        return processes

    def _count(self, connections: Sequence[ServerConnection], budget: Budget) -> Plan | None:
        """Judge all deals before one is deleted; the plan, where one held all of them. Raises ``LimitExceeded``."""
        earlier = self.tally.count_before or Tally()
        counted, before = Tally(judged=earlier.judged, to_judge=earlier.to_judge), len(self.tally.children)
        self.tally.count_before = counted
        may_go_on = False
        try:
            plan = self._judge_all(connections, counted)
            counted.add_up_children()
            if not self.tally.cancelled:
                budget.check(*counted.would_go())
                may_go_on = True
        finally:
            judged = Tally(judged=counted.judged, to_judge=counted.to_judge)
            self.tally.count_before = judged if may_go_on else None
            if not may_go_on:
                self.tally.keep_count(counted)
        if may_go_on and plan is None:
            self.tally.forget(before)
        return plan

    def _judge_all(self, connections: Sequence[ServerConnection], counted: Tally) -> Plan | None:
        """A dry run of all parts; the plan, where one held all of them."""
        plan: Plan | None = None
        part: Part | None = WHOLE
        while part and not self.tally.cancelled:
            plan = self._plan(connections, part)
            part = plan.left
            if not self.tally.cancelled:
                self._purge(connections, plan, counted.child(), replace(self.scope, dry_run=True))
        return plan if plan and plan.part == WHOLE else None

    def _plan(self, connections: Sequence[ServerConnection], part: Part) -> Plan:
        """Collect as many of the part's keys as memory allows from all servers. Raises ``Departed``."""
        self.tally.tracker.begin("scan")
        while True:
            before = len(self.tally.children)
            plan = Plan(self.keyspace, part, conf.max_plan_memory, self.seen)
            try:
                self._note_stop(not on_each(connections, partial(self._collect, plan), self.keep_going))
            except (ProcessChanged, Departed) as exc:
                self.tally.forget(before)
                if isinstance(exc, Departed):
                    raise
            else:
                self.seen.update(plan.deals)
                self._planned_on = {connection: len(connection.processes) - 1 for connection in connections}
                return plan
            finally:
                if part.start:  # the first pass has counted what there is
                    for tally in self.tally.children[before:]:
                        tally.forget_scan()

    def _collect(self, plan: Plan, connection: ServerConnection) -> bool:
        selection = Selection(self.scope, self.keyspace, self.tally.child())
        scan = Scan(connection, selection, partial(plan.take, selection))
        with self.tally.tracker.following(connection, selection.tally, "scanning"):
            scan.run()
        return not scan.stopped

    def _purge(self, connections: Sequence[ServerConnection], plan: Plan, tally: Tally, scope: PurgeScope) -> None:
        misread, oversized = plan.misread(), plan.oversized()
        missing = self.active_deals.missing(lambda token: token in plan.deals or not plan.part.holds(token))
        if missing:
            tally.warn(LOST_WRITES_WARNING, *(token.replace(b":", b" ") for token in missing))
        if oversized:
            tally.warn(OVERSIZED_WARNING, *oversized)
        if misread:
            tally.warn(MISREAD_WARNING)
            tally.skipped |= dict.fromkeys(misread)
            tally.left.update({token: len(plan.deals[token]) // 2 for token in misread})
        shares = share_out(connections, plan)
        guards = {
            connection: self._guard(scope, tally.child(), connection, plan, tokens)
            for connection, tokens in shares.items()
        }
        tally.matched_deals = set(plan.deals)  # only now all of them count as untouched
        # Org-less keys that go with their deal have no turn of their own.
        tally.untouched = tally.matched_deals.difference(misread, *shares.values())
        tally.to_judge = sum(map(len, shares.values()))
        if not scope.dry_run:
            tally.to_delete = sum(len(rows) // 2 for token, rows in plan.deals.items() if token not in misread)
        self.tally.tracker.begin("activity")

        def guard(connection: ServerConnection) -> bool:
            state = "checking" if scope.dry_run else "deleting"
            with self.tally.tracker.following(connection, guards[connection].tally, state):
                return guards[connection].run(map(plan.unit, shares[connection]))

        try:
            finished = on_each(connections, guard, self.keep_going)
            self._note_stop(not finished)
        finally:
            tally.add_up_children()
            _note_shared(tally)

    def _guard(
        self, scope: PurgeScope, tally: Tally, connection: ServerConnection, plan: Plan, tokens: Sequence[bytes]
    ) -> Guard:
        tally.untouched = set(tokens)
        selection = Selection(scope, self.keyspace, tally, None if scope.dry_run else self.budget)
        return guard_of(connection, selection, plan, self.active_deals, self.archive)

    def _note_stop(self, stopped: bool) -> None:
        self.tally.cancelled = self.tally.cancelled or stopped


def _note_shared(tally: Tally) -> None:
    """Org-less keys that stayed are in no count of deals where the id's deals have gone."""
    ids = {token.rpartition(b":")[2] for token in tally.matched_deals if b":" in token}
    left = ids & (tally.skipped.keys() | tally.never_active | tally.interrupted)
    if left:
        tally.warn(SHARED_WARNING, *left)
