"""What is in Redis: every deal with its keys by family and its last activity, from one pass that deletes nothing."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from threading import Lock

from dealpurge.engine.guard.cluster_activity import ClusterActivity
from dealpurge.engine.guard.deal_index import DealIndex, sole_deal
from dealpurge.engine.guard.look_sizes import UNREAD_WARNING
from dealpurge.engine.guard.lookahead import JUDGED_AT_ONCE
from dealpurge.engine.passes import Passes
from dealpurge.engine.purging import run_to_end
from dealpurge.engine.retry import with_retry
from dealpurge.engine.sweep.scan import Scan
from dealpurge.engine.sweep.selection import Selection
from dealpurge.engine.sweep.tally import Tally
from dealpurge.keys.families import EVENTS, Keyspace, make_token, split_token
from dealpurge.scope import Deal, PurgeScope
from dealpurge.servers import discovery
from dealpurge.servers.backoff import KeepGoing
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import LOST, Departed, ProcessChanged, Transient, given_up
from dealpurge.servers.identity import Identity
from dealpurge.servers.parallel import on_each


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryRow:
    """What one deal holds: keys by family in the order of ``Keyspace.names``, and its last activity if any is known."""

    org_id: str | None
    deal_id: str
    families: tuple[int, ...]
    last_active_at: datetime | None


def take_inventory(keyspace: Keyspace, tally: Tally, keep_going: KeepGoing) -> Iterator[InventoryRow]:
    """Count every deal, then judge its activity; rows come after the scan, whatever ``keep_going`` says
    by then. Raises what ``engine.purge`` raises."""
    scope = PurgeScope(mode="all", include_checkpoints=True)
    passes = InventoryPasses(scope, keyspace, tally, keep_going)
    run_to_end(passes)
    tally.tracker.record(complete=not tally.cancelled, deals=len(passes.rows))
    for number, row in enumerate(passes.rows):
        if number % JUDGED_AT_ONCE == 0:
            tally.tracker.recorded = number
            keep_going()  # for its sign of life: who stores so many rows takes their time
        yield row


def last_activity(
    keyspace: Keyspace, deals: Sequence[Deal], others: Iterable[Deal], keep_going: KeepGoing
) -> dict[Deal, datetime | None]:
    """When each of some deals was last worked on, asked once and now; None where there are no events, and without those
    of which it cannot be told. ``others``: who else holds the ids of deals that have no organisation.

    Raises ``RedisUnavailable``, ``PurgeConfigurationError``, and ``Stopped``.
    """
    if EVENTS not in keyspace.families or not deals:
        return {}
    index = DealIndex(keyspace)
    holders = index.holders(make_token(*deal) for deal in others)
    events = {deal: index.events_of(make_token(*deal), holders) for deal in deals}
    with ExitStack() as stack:
        servers = discovery.find(PurgeScope(mode="all"), keyspace, keep_going)
        connections = servers.connections(keep_going)
        stack.callback(connections[0].close)
        try:
            connections[0].open()
            activity = ClusterActivity(connections[0], Tally())
            activity.home.open()
            looks = activity.look([key for keys in events.values() for key in keys])
        except Transient as exc:
            raise exc.unless from exc
        except (*LOST, Departed) as exc:
            raise given_up(exc, 0) from exc
    verdicts = {deal: looks.verdict(keys, 0) for deal, keys in events.items()}
    known = {deal: verdict for deal, verdict in verdicts.items() if verdict.last_active or not verdict.active}
    return {deal: _moment(verdict.last_active) for deal, verdict in known.items()}


class InventoryPasses(Passes):
    """A dry run that keeps counts by deal and family: about 150 bytes a deal."""

    rows: tuple[InventoryRow, ...] = ()

    def _swept(self, connections: Sequence[ServerConnection]) -> set[Identity]:
        while True:
            before = len(self.tally.children)
            counted = InventoryCounts(self.keyspace)
            try:
                self._note_stop(not on_each(connections, partial(self._count, counted), self.keep_going))
            except (ProcessChanged, Departed) as exc:
                self.tally.forget(before)
                if isinstance(exc, Departed):
                    raise
                continue
            self.rows = tuple(self._judged(connections, counted))
            return {connection.identity for connection in connections}

    def _count(self, counted: InventoryCounts, connection: ServerConnection) -> bool:
        selection = Selection(self.scope, self.keyspace, self.tally.child())
        scan = Scan(connection, selection, partial(counted.take, selection))
        with self.tally.tracker.following(connection, selection.tally, "scanning"):
            scan.run()
        return not scan.stopped

    def _judged(self, connections: Sequence[ServerConnection], counted: InventoryCounts) -> Iterator[InventoryRow]:
        cluster_activity = ClusterActivity(connections[0], self.tally)
        again = partial(with_retry, connections[0], reopen=cluster_activity.reopen)
        again(cluster_activity.home.open)
        deals = counted.deals()
        self.tally.tracker.begin("activity")
        self.tally.to_judge += len(counted.counts)
        while batch := list(islice(deals, JUDGED_AT_ONCE)):
            if self.tally.cancelled or not self.keep_going():
                self._note_stop(True)
                return
            keys = [key for _, _, events in batch for key in events]
            looks = again(partial(cluster_activity.look, keys))
            self.tally.judged += len(batch)
            for token, counts, events in batch:
                org_id, deal_id = split_token(token)
                verdict = looks.verdict(events, 0)
                if verdict.unread:
                    self.tally.warn(UNREAD_WARNING, token.replace(b":", b" "))
                moment = _moment(verdict.last_active)
                yield InventoryRow(org_id=org_id, deal_id=deal_id, families=tuple(counts), last_active_at=moment)
        self.tally.to_judge = self.tally.judged  # less what is counted with others


class InventoryCounts:
    """Keys by deal and family, counted. Takes pages from several threads."""

    def __init__(self, keyspace: Keyspace) -> None:
        self.deal_index = DealIndex(keyspace)
        self.counts: dict[bytes, array[int]] = {}
        self._empty = array("L", bytes(array("L").itemsize * len(keyspace.names)))
        self._lock = Lock()

    def take(self, selection: Selection, keys: Sequence[bytes]) -> None:
        """Count a page, in the selection's tally too."""
        for claimed in selection.claim(keys):
            with self._lock:
                self.deal_index.note_events(claimed)
                for _, family, token in claimed.rows():
                    counts = self.counts.get(token)
                    if counts is None:
                        counts = self.counts[token] = self._empty[:]
                    counts[family] += 1
            selection.narrow(claimed)
            selection.count_families(claimed.families)
            selection.tally.matched_deals.update(claimed.tokens)

    def deals(self) -> Iterator[tuple[bytes, array[int], tuple[bytes, ...]]]:
        """Token, counts and events keys of every deal; org-less keys stand with their deal if its id has one holder."""
        holders = self.deal_index.holders(self.counts)
        merged = {token for token in self.counts if b":" not in token and sole_deal(token, holders)}
        for token in sorted(self.counts.keys() - merged):
            counts = self.counts[token]
            deal_id = token.rpartition(b":")[2]
            if token != deal_id and deal_id in merged:
                counts = array("L", map(sum, zip(counts, self.counts[deal_id], strict=True)))
            yield token, counts, self.deal_index.events_of(token, holders)


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
