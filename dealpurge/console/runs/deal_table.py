"""The table of a run's deals: tabs by outcome, a filter, headings that sort, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice

from django.http import QueryDict
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from dealpurge.console.paging import PER_PAGE, page_and_one_more, page_number
from dealpurge.console.runs.outcomes import Badge, badge
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs.deals import queries
from dealpurge.runs.deals.queries import NEEDS_A_LOOK, OUTCOMES, DealFilter
from dealpurge.scope import BLANKS
from dealpurge.text import escape

#: Columns of a dry run, which deletes nothing; what is left of a deal is what would go, or stay.
DRY_COLUMNS = ("deal", "org", "outcome", "left", "active")
COLUMNS = ("deal", "org", "outcome", "deleted", "left", "active")
#: By a click on a heading, the largest and the latest come first.
DESCENDING_FIRST = ("deleted", "left", "active")
#: Names of the query, which other tables of a page must not take.
FIELDS = ("outcome", "org", "deal", "sort", "p")
#: In place of an outcome: deals that would go although somebody works on them.
ACTIVE = "active"
HOUR = timedelta(hours=1)
Outcome = PurgeRunDeal.Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """An outcome, how many deals have it, and the query that shows them."""

    label: str
    icon: str
    count: int
    query: str
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A column, the query that sorts by it, and which way it is sorted now."""

    name: str
    label: str
    query: str
    direction: str

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers of keys."""
        return self.name in ("deleted", "left")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A deal of the run, its ids escaped."""

    org_id: str | None
    deal_id: str
    url: str
    badge: Badge
    keys_deleted: int | None
    keys_left: int | None
    last_active_at: datetime | None
    needs_a_look: bool
    is_active: bool


class DealTable:
    """The deals of a run that is over, as the query asks to see them. What a query cannot mean is ignored."""

    def __init__(self, run: PurgeRun, query: QueryDict, address: Callable[[str | None, str], str]) -> None:
        """``address``: of a deal's timeline."""
        self.run, self.query, self._address = run, query, address

    @cached_property
    def filter(self) -> DealFilter:
        """What is asked for."""
        asked = {name: self.query.get(name, "").strip(BLANKS) for name in FIELDS}
        return DealFilter(
            outcome="" if asked["outcome"] == ACTIVE else asked["outcome"],
            org_id=asked["org"],
            text=asked["deal"],
            sort=asked["sort"],
            active_since=self.active_since if asked["outcome"] == ACTIVE else None,
        )

    @property
    def active(self) -> int:
        """Deals that would go although somebody works on them, by a dry run that spares none."""
        return (self.run.report or {}).get("deals", {}).get("active") or 0

    @property
    def active_since(self) -> datetime | None:
        """From when on they count as worked on; None where nobody looked."""
        return (self.run.started_at or self.run.created_at) - HOUR if self.active else None

    @property
    def asked_outcome(self) -> str:
        """The name of the tab, for the query."""
        return ACTIVE if self.filter.active_since else self.filter.outcome

    @cached_property
    def counts(self) -> dict[str, int]:
        """Deals by outcome."""
        return queries.counts(self.run)

    @property
    def tabs(self) -> list[Tab]:
        """Outcomes that some deal has, behind one tab for all of them; none where all have the same."""
        if len(self.counts) < 2 and not self.active:
            return []
        chosen = self.filter.outcome if self.filter.outcome in self.counts else ""
        chosen = ACTIVE if self.filter.active_since else chosen
        shown = [outcome for outcome in OUTCOMES if outcome in self.counts]
        tabs = [
            self._tab("", _("All"), sum(self.counts.values()), chosen),
            *(self._tab(name, capfirst(badge(name).word), self.counts[name], chosen) for name in shown),
        ]
        if self.active:
            tabs.insert(-1 if Outcome.NOT_FOUND in shown else len(tabs), self._active_tab(chosen))
        return tabs

    @property
    def headings(self) -> Iterator[Heading]:
        """Of the columns, in their order."""
        labels = {
            "deal": _("Deal"),
            "org": _("Organisation"),
            "outcome": _("Outcome"),
            "deleted": _("Keys deleted"),
            "left": _("Keys") if self.run.dry_run else _("Keys left"),
            "active": _("Last active"),
        }
        now = self.filter.sort.lstrip("-")
        for name in DRY_COLUMNS if self.run.dry_run else COLUMNS:
            descends = self.filter.sort.startswith("-") if now == name else name not in DESCENDING_FIRST
            direction = "" if now != name else "descending" if descends else "ascending"
            query = self._query_with(sort=name if descends else f"-{name}")
            yield Heading(name=name, label=labels[name], query=query, direction=direction)

    @cached_property
    def total(self) -> int | None:
        """How many rows there are; None where that would have to be counted."""
        if self.filter.searches:
            return None
        if self.filter.active_since:
            return self.active
        return self.counts.get(self.filter.outcome) or sum(self.counts.values())

    @cached_property
    def number(self) -> int:
        """The number of this page, from 1 on."""
        return page_number(self.query, self.total)

    @cached_property
    def _found(self) -> list[PurgeRunDeal]:
        """The rows of this page, and one more if there are more."""
        return page_and_one_more(self.filter.rows(self.run), self.number)

    @cached_property
    def rows(self) -> list[Row]:
        """Those of this page."""
        return [self._row(deal) for deal in islice(self._found, PER_PAGE)]

    @property
    def first(self) -> int:
        """The number of this page's first row among all of them."""
        return (self.number - 1) * PER_PAGE + 1

    @property
    def last(self) -> int:
        """And of its last one."""
        return self.first + len(self.rows) - 1

    @property
    def previous_query(self) -> str:
        """The query of the page before; empty on the first one."""
        return self._query_with(p=str(self.number - 1)) if self.number > 1 else ""

    @property
    def next_query(self) -> str:
        """The query of the page after; empty on the last one."""
        return self._query_with(p=str(self.number + 1)) if len(self._found) > PER_PAGE else ""

    @property
    def export_query(self) -> str:
        """The query of all rows that match."""
        return self._query_with()

    @property
    def clear_query(self) -> str:
        """The query without what is searched for; empty where nothing is."""
        return f"?{self._query_with(org='', deal='')}" if self.filter.searches else ""

    @property
    def is_bare(self) -> bool:
        """Whether the run has met deals of which no row is left, or ever was."""
        met = (self.run.report or {}).get("deals", {}).get("matched", 0)
        return bool(met and not self.filter.searches and not self.rows)

    def _active_tab(self, chosen: str) -> Tab:
        query = self._query_with(outcome=ACTIVE)
        return Tab(
            label=_("Active in the last hour"), icon="warning", count=self.active, query=query, current=chosen == ACTIVE
        )

    def _tab(self, outcome: str, label: str, count: int, chosen: str) -> Tab:
        icon = badge(outcome).icon if outcome else ""
        query = self._query_with(outcome=outcome)
        return Tab(label=label, icon=icon, count=count, query=query, current=outcome == chosen)

    def _row(self, deal: PurgeRunDeal) -> Row:
        return Row(
            org_id=None if deal.org_id is None else escape(deal.org_id),
            deal_id=escape(deal.deal_id),
            url=self._address(deal.org_id, deal.deal_id),
            badge=badge(deal.outcome),
            keys_deleted=deal.keys_deleted,
            keys_left=deal.keys_left,
            last_active_at=deal.last_active_at,
            needs_a_look=deal.outcome in NEEDS_A_LOOK,
            is_active=bool(self.active_since and deal.last_active_at and deal.last_active_at >= self.active_since),
        )

    def _query_with(self, **changes: str) -> str:
        """The query that changes this one; another order or filter begins at its first page."""
        asked = self.filter
        known = {"outcome": self.asked_outcome, "org": asked.org_id, "deal": asked.text, "sort": asked.sort}
        query = QueryDict(mutable=True)
        query.update({name: value for name, value in (known | changes).items() if value})
        return query.urlencode()
