"""A dry run without a guard, which says on how many deals somebody works: nothing is spared by it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import compress, islice
from threading import Lock

from dealpurge.engine.guard.cluster_activity import ClusterActivity
from dealpurge.engine.guard.deal_index import DealIndex
from dealpurge.engine.guard.look_sizes import UNREAD_WARNING
from dealpurge.engine.guard.lookahead import JUDGED_AT_ONCE
from dealpurge.engine.passes import Passes
from dealpurge.engine.retry import with_retry
from dealpurge.engine.sweep.selection import Selection
from dealpurge.engine.sweep.tally import Tally, without_namesakes
from dealpurge.exceptions import RedisUnavailable
from dealpurge.i18n import gettext_noop
from dealpurge.keys.matching import Batch
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.identity import Identity

#: Milliseconds within which a deal counts as worked on where no time was given.
WINDOW = 3_600_000

UNTOLD_WARNING = gettext_noop(
    "Redis does not let it be told which of these deals somebody works on.", code="activity_untold"
)


class LookingSelection(Selection):
    """Notes the events keys that no template would name: the others need not be held. Several servers share the
    index."""

    index: DealIndex
    lock: Lock

    def claim(self, keys: Sequence[bytes]) -> list[Batch]:
        """Every key that a family claims, whoever's it is."""
        claimed = super().claim(keys)
        for batch in claimed:
            events = compress(batch.rows(), map(self.index.events_family.__eq__, batch.families))
            odd = [row for row in events if row[0] not in self.index.events_of(row[2], {})]
            if odd:
                with self.lock:
                    self.index.note_events(Batch.of(odd))
        return claimed


class LookingPasses(Passes):
    """Counts as the sweep would delete, and then looks at the activity of the deals that would go."""

    def _swept(self, connections: Sequence[ServerConnection]) -> set[Identity] | None:
        self._index, self._lock = DealIndex(self.keyspace), Lock()
        self.tally.active = None  # of a pass that comes to nothing
        self.tally.last_active.clear()
        seen = super()._swept(connections)
        if seen is not None and not self.tally.cancelled:
            self.tally.tracker.begin("activity")
            try:
                self.tally.active = self._look(connections[0])
            except RedisUnavailable as exc:
                if exc.reason not in ("permission", "refused"):
                    raise
                self.tally.warn(UNTOLD_WARNING)
        return seen

    def _selection(self, tally: Tally) -> Selection:
        selection = LookingSelection(self.scope, self.keyspace, tally, self.budget)
        selection.index, selection.lock = self._index, self._lock
        return selection

    def _look(self, connection: ServerConnection) -> set[bytes]:
        """The deals that somebody works on."""
        activity = ClusterActivity(connection, self.tally)
        again = partial(with_retry, connection, reopen=activity.reopen)
        again(activity.home.open)
        tally, active = self.tally, set[bytes]()
        # The children are not added up yet: should the servers have changed, they are forgotten.
        matched = set[bytes]().union(*(child.matched_deals for child in tally.children))
        holders = self._index.holders(matched)
        deals = sorted(without_namesakes(matched))
        tally.to_judge += len(deals)
        waiting = iter(deals)
        while tokens := list(islice(waiting, JUDGED_AT_ONCE)):
            events = {token: self._index.events_of(token, holders) for token in tokens}
            looks = again(partial(activity.look, [key for keys in events.values() for key in keys]))
            for token, keys in events.items():
                verdict = looks.verdict(keys, WINDOW)
                if verdict.last_active is not None:
                    tally.last_active[token] = verdict.last_active
                if verdict.unread:
                    tally.warn(UNREAD_WARNING, token.replace(b":", b" "))
                if verdict.active:
                    active.add(token)
            tally.judged += len(tokens)
        return active
