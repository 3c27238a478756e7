"""Passes over all servers until one has seen every key, swept or guarded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from dealpurge.engine.archive.archived_sweep import sweep_into
from dealpurge.engine.archive.archiver import Archive
from dealpurge.engine.guard.active_deals import ActiveDeals, KeepActive
from dealpurge.engine.guard.guarded_pass import GuardedPass
from dealpurge.engine.limits import Budget
from dealpurge.engine.pass_warnings import (
    BROKEN_WARNING,
    IN_TURN_WARNING,
    NARROWED_WARNING,
    REPLACED_DRY_WARNING,
    REPLACED_WARNING,
    RESTLESS_WARNING,
    UNVERIFIED_WARNING,
)
from dealpurge.engine.sweep.scan import Scan
from dealpurge.engine.sweep.selection import Selection
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import DealPurgeError
from dealpurge.keys.families import Keyspace
from dealpurge.scope import PurgeScope
from dealpurge.servers import discovery
from dealpurge.servers.backoff import KeepGoing
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import Departed, ProcessChanged, Stopped
from dealpurge.servers.identity import Identity
from dealpurge.servers.parallel import on_each

#: A pass that saw all keys of the servers as they are at its end is the last one.
MOST_PASSES = 3


class Passes:
    """A scope on its way: its passes, until one saw every key."""

    def __init__(
        self,
        scope: PurgeScope,
        keyspace: Keyspace,
        tally: Tally,
        keep_going: KeepGoing,
        keep_active: KeepActive | None = None,
        budget: Budget | None = None,
        archive: Archive | None = None,
    ) -> None:
        self.scope = scope
        self.keyspace = keyspace
        self.tally = tally
        self.keep_going = keep_going
        self.budget = budget
        self.archive = None if scope.dry_run else archive
        self.servers: discovery.Servers
        #: Whether the servers were reached once, be it for the count; from then on they are waited for.
        self._met = tally.count_before is not None
        #: The processes that the archive's own connections met in this pass.
        self._archived_on: set[Identity] = set()
        #: Every deal's token that a guarded purge has met, those purged since included.
        self.seen: set[bytes] = set()
        self.active_deals = ActiveDeals(None if scope.dry_run else keep_active)

    def until_complete(self) -> None:
        """Pass after pass, until one began and ended with the same servers."""
        self.servers = discovery.find(self.scope, self.keyspace, self.keep_going)
        self.tally.meeting.expect(self.servers.configured)
        for number in range(MOST_PASSES):
            if number:
                self._begin_anew()
            self.tally.tracker.begin_pass(number + 1)
            layout = self.servers.layout(self.keep_going)
            seen = self._pass()
            if self.tally.cancelled or (seen is not None and self._same_servers(layout, seen)):
                return
        self.tally.warn(RESTLESS_WARNING)

    def keep_active(self) -> None:
        """Deals that any pass left because they were active are in the counts, also where a later one met none of
        their keys. A dry run counts what its last pass met."""
        met = self.tally.matched_deals if self.scope.dry_run else None
        left = self.active_deals.left.items()
        self.tally.keep_active({token: seen.last_active for token, seen in left if met is None or token in met})

    def _pass(self) -> set[Identity] | None:
        """One pass over all servers; the processes it saw, or None where one was replaced under it."""
        unsettled = False
        with ExitStack() as stack:
            connections = self.servers.connections(self.keep_going)
            if self.servers.narrowed:
                self.tally.warn(NARROWED_WARNING)
            try:
                for connection in connections:
                    stack.callback(connection.close)
                    connection.backoff.met = self._met
                    connection.open()
                    self.tally.meeting.note(connection)
                    self._probe(connection, first=not self._met)
                self._met = True
                if self.archive:
                    self.archive.begin_pass(len(connections))
                return self._guarded(connections) if self.scope.guarded else self._swept(connections)
            except Departed:
                return None
            except (DealPurgeError, Stopped):
                raise
            except BaseException:  # a signal's handler may have raised it between an answer and its count
                unsettled = True
                raise
            finally:
                unsettled = unsettled or any(connection.owed for connection in connections)
                self._note_processes(connections)
                for connection in connections:
                    connection.close()  # which tells of the neighbours of a cluster's node as well
                if (unsettled or any(connection.broken for connection in connections)) and not self.scope.dry_run:
                    self.tally.warn(BROKEN_WARNING)

    def _swept(self, connections: Sequence[ServerConnection]) -> set[Identity] | None:
        departed: list[ServerConnection] = []
        self._archived_on.clear()
        self._note_stop(not on_each(connections, partial(self._sweep, departed), self.keep_going))
        return None if departed else {connection.identity for connection in connections} | self._archived_on

    def _sweep(self, departed: list[ServerConnection], connection: ServerConnection) -> bool:
        while True:
            tally = self.tally.child()
            selection = self._selection(tally)
            try:
                with self.tally.tracker.following(connection, tally, "scanning" if self.scope.dry_run else "deleting"):
                    finished = self._scan(connection, selection)
            except ProcessChanged:
                self._begin_anew(tally)
                self._probe(connection, first=False)
            except Departed:
                departed.append(connection)
                return True
            else:
                return finished

    def _scan(self, connection: ServerConnection, selection: Selection) -> bool:
        if self.archive:
            return sweep_into(self.archive, connection, selection, self._archived_on)
        scan = Scan(connection, selection, selection.take)
        scan.run()
        return not scan.stopped

    def _selection(self, tally: Tally) -> Selection:
        return Selection(self.scope, self.keyspace, tally, self.budget)

    def _guarded(self, connections: Sequence[ServerConnection]) -> set[Identity]:
        guarded = GuardedPass(
            self.scope,
            self.keyspace,
            self.tally,
            self.keep_going,
            self.seen,
            self.active_deals,
            self.budget,
            self.archive,
        )
        return guarded.run(connections)

    def _same_servers(self, layout: object, seen: set[Identity]) -> bool:
        """Whether the servers are those that were seen, asked over fresh connections."""
        now = set()
        for _ in range(self.servers.looks):
            for connection in self.servers.connections(self.keep_going):
                connection.backoff.met = True
                try:
                    connection.open()
                    self.tally.meeting.note(connection)
                    now.add(connection.identity)
                except Departed:
                    return False
                finally:
                    connection.close()
                    self._note_processes([connection])
        if any(identity.run_id is None for identity in now):
            self.tally.warn(UNVERIFIED_WARNING)
        return now == seen and layout == self.servers.layout(self.keep_going)

    def _probe(self, connection: ServerConnection, *, first: bool) -> None:
        warning = discovery.probe(connection, self.keyspace, first=first)
        if warning:
            self.tally.warn(warning)

    def _note_processes(self, connections: Sequence[ServerConnection]) -> None:
        """Warn where one address is found to lead to several servers in turn."""
        if self.tally.meeting.note_processes(connections):
            self.tally.warn(IN_TURN_WARNING)

    def _note_stop(self, stopped: bool) -> None:
        self.tally.cancelled = self.tally.cancelled or stopped

    def _begin_anew(self, tally: Tally | None = None) -> None:
        """Warn; a dry run forgets what it counted before, a live run keeps what it did."""
        self.tally.warn(REPLACED_DRY_WARNING if self.scope.dry_run else REPLACED_WARNING)
        for stale in [tally] if tally else list(self.tally.children):
            if self.scope.dry_run:
                self.tally.children.remove(stale)
            else:
                stale.keep_deletes()
