"""What the page of one deal shows: what became of it in each run, and what the last scan saw of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from django.db.models import Count, QuerySet
from django.http import QueryDict
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dealpurge.console import formatting
from dealpurge.console.paging import PER_PAGE, Pages, page_and_one_more, written
from dealpurge.console.timeline.entries import Entry, keys, why
from dealpurge.models import InventoryDeal, PurgeRun, PurgeRunDeal, RestoredDeal
from dealpurge.runs import inventory
from dealpurge.runs.deals import queries
from dealpurge.runs.outcome import restored
from dealpurge.scope import Deal
from dealpurge.text import escape, plain

Outcome = PurgeRunDeal.Outcome
#: Kinds of entries, in the order of their tabs. The first ones took keys.
TOOK = (Outcome.PURGED, Outcome.INTERRUPTED, Outcome.NOT_REMOVED)
SKIPPED = (Outcome.SKIPPED_ACTIVE, Outcome.SKIPPED_NEVER_ACTIVE)
PREVIEWED = (Outcome.WOULD_BE_PURGED, Outcome.WOULD_BE_SKIPPED)
KINDS: Mapping[str, tuple[Outcome, ...]] = {
    "purged": TOOK,
    "skipped": SKIPPED,
    "previews": PREVIEWED,
    "not_found": (Outcome.NOT_FOUND,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """A kind of entries, and how many there are."""

    label: str
    count: int
    query: str
    current: bool


class TimelinePage(Pages):
    """One deal, as the query names it. ``org_id`` is None where its keys bear no organisation, or it is not known."""

    def __init__(self, deal: Deal, query: QueryDict) -> None:
        self.deal, self.query = deal, query

    @property
    def name(self) -> str:
        """The heading: organisation and id."""
        org_id, deal_id = self.deal
        return escape(deal_id) if org_id is None else f"{escape(org_id)} {escape(deal_id)}"

    @cached_property
    def all(self) -> QuerySet[PurgeRunDeal]:
        """What became of it, newest first."""
        return queries.of_deal(self.deal)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How often, by outcome."""
        return dict(self.all.order_by().values_list("outcome").annotate(number=Count("pk")))

    @property
    def kind(self) -> str:
        """The kind of entries that is asked for; empty for all."""
        asked = self.query.get("kind", "")
        return asked if asked in KINDS else ""

    @property
    def tabs(self) -> list[Tab]:
        """All entries, the kinds of which there are some, and the one that is asked for."""
        labels = {
            "": _("All"),
            "purged": _("Purged or interrupted"),
            "skipped": _("Skipped"),
            "previews": _("Previews"),
            "not_found": _("Not found"),
        }
        numbers = {"": sum(self.counts.values())} | {kind: self._number(some) for kind, some in KINDS.items()}
        return [
            Tab(label=label, count=numbers[kind], query=self.query_with(kind=kind), current=kind == self.kind)
            for kind, label in labels.items()
            if numbers[kind] or kind in ("", self.kind)
        ]

    @property
    def row_count(self) -> int:
        """Entries of the kind that is shown."""
        return next(tab.count for tab in self.tabs if tab.current)

    @cached_property
    def found(self) -> list[PurgeRunDeal]:
        """Those of this page, and one more if there are more."""
        return page_and_one_more(self.rows, self.number)

    @property
    def rows(self) -> QuerySet[PurgeRunDeal]:
        """Those of the kind that is asked for."""
        return self.all.filter(outcome__in=KINDS[self.kind]) if self.kind else self.all

    @property
    def entries(self) -> Iterator[Entry]:
        """Those of this page."""
        for row in islice(self.found, PER_PAGE):
            yield Entry.of(row)

    @cached_property
    def restores(self) -> list[RestoredDeal]:
        """What restores did with it, newest first; they stand apart, since they are of another kind."""
        return restored.of_deal(self.deal)

    @cached_property
    def restorable(self) -> PurgeRun | None:
        """The last purge that took keys of it, if its archive is still there."""
        last = self.last_purge
        return last.run if last and restored.is_restorable(last.run) else None

    @cached_property
    def last_purge(self) -> PurgeRunDeal | None:
        """The newest entry of a run that took keys of it."""
        return self.all.filter(outcome__in=TOOK).first() if self._number(TOOK) else None

    @property
    def sentence(self) -> str:
        """The whole of it in one sentence."""
        last = self.last_purge
        if last is not None:
            who = plain(last.run.actor_name) or formatting.NOTHING
            values = {"when": formatting.utc(last.run.created_at), "who": who}
            if last.outcome == Outcome.PURGED:
                return _("Last purged %(when)s by %(who)s") % values
            return _("Last purged %(when)s, in part, by %(who)s") % values
        skipped = self._number(SKIPPED)
        if skipped:
            words = ngettext("Never purged. Skipped %(n)s time.", "Never purged. Skipped %(n)s times.", skipped)
            return words % {"n": formatting.number(skipped)}
        return _("Never purged.") if self.counts else _("Nothing has happened to this deal.")

    @property
    def detail(self) -> str:
        """How the last purge of it ended, if not with all of its keys gone."""
        last = self.last_purge
        if last is None or last.outcome == Outcome.PURGED:
            return ""
        return f"{why(last)} {capfirst(keys(last))}."

    @cached_property
    def scan(self) -> PurgeRun | None:
        """The newest scan that came to its end."""
        return inventory.latest_finished()

    @cached_property
    def scanned(self) -> InventoryDeal | None:
        """What that saw of it."""
        if self.scan is None:
            return None
        org_id, deal_id = self.deal
        return inventory.deals(self.scan, org_id=org_id or "", deal_id=deal_id, sort=inventory.DEFAULT_SORT).first()

    def query_with(self, **changes: str) -> str:
        """The query of this deal with something else chosen."""
        org_id, deal_id = self.deal
        return written({"org": org_id or "", "deal": deal_id, "kind": self.kind} | changes)

    def _number(self, some: tuple[Outcome, ...]) -> int:
        return sum(self.counts.get(outcome, 0) for outcome in some)
