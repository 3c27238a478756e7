"""What is in Redis: every deal with its keys by family and its last activity, from one pass that deletes nothing."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from threading import Lock

from dealpurge.engine.guard.cluster_activity import Lookout
from dealpurge.engine.guard.deal_index import Sightings, sole_deal
from dealpurge.engine.guard.lookahead import JUDGED_AT_ONCE
from dealpurge.engine.passes import Run, carry_out
from dealpurge.engine.sweep.scan import Walk
from dealpurge.engine.sweep.selection import Selection
from dealpurge.engine.sweep.tally import Tally
from dealpurge.keys.families import Keyspace, split_token
from dealpurge.scope import PurgeScope
from dealpurge.servers.backoff import Pulse
from dealpurge.servers.connection import Identity, Link
from dealpurge.servers.errors import Departed, ProcessChanged
from dealpurge.servers.parallel import on_each
from dealpurge.servers.retry import steadily


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryRow:
    """What one deal holds: keys by family in the order of ``Keyspace.names``, and its last activity if any is known."""

    org_id: str | None
    deal_id: str
    families: tuple[int, ...]
    last_active_at: datetime | None


def take_inventory(keyspace: Keyspace, tally: Tally, pulse: Pulse) -> Iterator[InventoryRow]:
    """Count every deal, then judge its activity; rows come after the scan. Raises what ``engine.purge`` raises."""
    scope = PurgeScope(mode="all", include_checkpoints=True)
    survey = Survey(scope, keyspace, tally, pulse)
    carry_out(survey)
    yield from survey.rows


class Survey(Run):
    """A dry run that keeps counts by deal and family: about 150 bytes a deal."""

    rows: tuple[InventoryRow, ...] = ()

    def _swept(self, links: Sequence[Link]) -> set[Identity]:
        while True:
            before = len(self.tally.children)
            shelf = Shelf(self.keyspace)
            try:
                self._note_stop(not on_each(links, partial(self._count, shelf), self.pulse))
            except (ProcessChanged, Departed) as exc:
                self.tally.forget(before)
                if isinstance(exc, Departed):
                    raise
                continue
            self.rows = tuple(self._judged(links, shelf))
            return {link.identity for link in links}

    def _count(self, shelf: Shelf, link: Link) -> bool:
        selection = Selection(self.scope, self.keyspace, self.tally.child())
        walk = Walk(link, selection, partial(shelf.take, selection))
        walk.run()
        return not walk.stopped

    def _judged(self, links: Sequence[Link], shelf: Shelf) -> Iterator[InventoryRow]:
        lookout = Lookout(links[0], self.tally)
        again = partial(steadily, links[0], reopen=lookout.reopen)
        again(lookout.home.open)
        deals = shelf.deals()
        while batch := list(islice(deals, JUDGED_AT_ONCE)):
            if self.tally.cancelled or not self.pulse():
                self._note_stop(True)
                return
            keys = [key for _, _, events in batch for key in events]
            looks = again(partial(lookout.look, keys))
            for token, counts, events in batch:
                org_id, deal_id = split_token(token)
                newest = looks.verdict(events, 0).last_active
                moment = None if newest is None else datetime.fromtimestamp(newest / 1000, UTC)
                yield InventoryRow(org_id=org_id, deal_id=deal_id, families=tuple(counts), last_active_at=moment)


class Shelf:
    """Keys by deal and family, counted. Takes pages from several threads."""

    def __init__(self, keyspace: Keyspace) -> None:
        self.sightings = Sightings(keyspace)
        self.counts: dict[bytes, array[int]] = {}
        self._empty = array("L", bytes(array("L").itemsize * len(keyspace.names)))
        self._lock = Lock()

    def take(self, selection: Selection, keys: Sequence[bytes]) -> None:
        """Count a page, in the selection's tally too."""
        for claimed in selection.claim(keys):
            with self._lock:
                self.sightings.note_events(claimed)
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
        holders = self.sightings.holders(self.counts)
        merged = {token for token in self.counts if b":" not in token and sole_deal(token, holders)}
        for token in sorted(self.counts.keys() - merged):
            counts = self.counts[token]
            deal_id = token.rpartition(b":")[2]
            if token != deal_id and deal_id in merged:
                counts = array("L", map(sum, zip(counts, self.counts[deal_id], strict=True)))
            yield token, counts, self.sightings.events_of(token, holders)
