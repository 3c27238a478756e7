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

from dealpurge.console import formatting
from dealpurge.console.paging import PER_PAGE, Choice, Heading, Pages, page_and_one_more, written
from dealpurge.console.runs.outcomes import Badge, badge
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs.deals import queries
from dealpurge.runs.deals.queries import NEEDS_A_LOOK, OUTCOMES, DealFilter
from dealpurge.scope import BLANKS
from dealpurge.text import escape

#: Columns of a dry run, which deletes nothing; what is left of a deal is what would go, or stay.
DRY_COLUMNS = ("deal", "org", "outcome", "left", "checkpoints", "active")
#: How rows are sorted unless something is asked.
DRY_SORT = "-left"
COLUMNS = ("deal", "org", "outcome", "deleted", "left", "active")
#: By a click on a heading, the largest and the latest come first.
DESCENDING_FIRST = ("deleted", "left", "checkpoints", "active")
#: Which hold numbers of keys.
NUMERIC = ("deleted", "left", "checkpoints")
#: Names of the query, which other tables of a page must not take.
FIELDS = ("outcome", "org", "deal", "sort", "p")
#: In place of an outcome: deals that would go although somebody works on them, and those of any outcome.
ACTIVE, ALL = "active", "all"
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
class Row:
    """A deal of the run, its ids escaped."""

    org_id: str | None
    deal_id: str
    url: str
    badge: Badge
    keys_deleted: int | None
    keys_left: int | None
    checkpoints: int | None
    last_active_at: datetime | None
    needs_a_look: bool
    is_active: bool


class DealTable(Pages):
    """The deals of a run that is over, as the query asks to see them. What a query cannot mean is ignored."""

    def __init__(self, run: PurgeRun, query: QueryDict, address: Callable[[str | None, str], str]) -> None:
        """``address``: of a deal's timeline."""
        self.run, self.query, self._address = run, query, address

    @cached_property
    def filter(self) -> DealFilter:
        """What is asked for."""
        asked = {name: self.query.get(name, "").strip(BLANKS) for name in FIELDS}
        return DealFilter(
            outcome=self.tab if self.tab in Outcome.values else "",
            org_id=asked["org"],
            text=asked["deal"],
            sort=asked["sort"],
            active_since=self.active_since if self.tab == ACTIVE else None,
        )

    @cached_property
    def tab(self) -> str:
        """Which deals are shown: an outcome, or one of our own. A preview shows those that would go unless asked."""
        asked = self.query.get("outcome", "").strip(BLANKS)
        if asked in self.counts or asked == ALL or (asked == ACTIVE and self.active):
            return asked
        return Outcome.WOULD_BE_PURGED.value if Outcome.WOULD_BE_PURGED in self.counts else ALL

    @property
    def active(self) -> int:
        """Deals that would go although somebody works on them, by a dry run that spares none."""
        return (self.run.report or {}).get("deals", {}).get("active") or 0

    @property
    def active_since(self) -> datetime | None:
        """From when on they count as worked on; None where nobody looked."""
        return (self.run.started_at or self.run.created_at) - HOUR if self.active else None

    @cached_property
    def counts(self) -> dict[str, int]:
        """Deals by outcome."""
        return queries.counts(self.run)

    @property
    def tabs(self) -> list[Tab]:
        """Outcomes that some deal has, before or behind one tab for all of them; none of a purge where all have the
        same."""
        shown = [outcome.value for outcome in OUTCOMES if outcome in self.counts]
        if self.active:
            shown.insert(-1 if Outcome.NOT_FOUND in shown else len(shown), ACTIVE)
        if self.run.dry_run:
            shown += [ALL] if len(self.counts) > 1 else []
        else:
            shown = [ALL, *shown] if len(shown) > 1 else []
        return [self._tab(name) for name in shown]

    @property
    def has_outcomes(self) -> bool:
        """Whether rows may differ in it; a tab of a preview says it of all of them."""
        return not self.run.dry_run or (self.tab == ALL and len(self.counts) > 1)

    @property
    def has_checkpoints(self) -> bool:
        """Whether it is told how many of them would go."""
        return self.run.dry_run and self.run.include_checkpoints

    @property
    def headings(self) -> Iterator[Heading]:
        """Of the columns, in their order."""
        dry = self.run.dry_run
        labels = {
            "deal": _("Deal"),
            "org": _("Organisation"),
            "outcome": _("Outcome"),
            "deleted": _("Keys deleted"),
            "left": _("Keys") if dry else _("Keys left"),
            "checkpoints": _("Checkpoints"),
            "active": _("Last active"),
        }
        sort = self.filter.sort or (DRY_SORT if dry else "")
        now = sort.lstrip("-")
        for name in DRY_COLUMNS if dry else COLUMNS:
            if (name == "outcome" and not self.has_outcomes) or (name == "checkpoints" and not self.has_checkpoints):
                continue
            descends = sort.startswith("-") if now == name else name not in DESCENDING_FIRST
            direction = "" if now != name else "descending" if descends else "ascending"
            query = self.query_with(sort=name if descends else f"-{name}")
            yield Heading(name=name, label=labels[name], query=query, direction=direction, numeric=name in NUMERIC)

    @property
    def organisations(self) -> list[Choice]:
        """Those to choose from, with the number of their deals; none where they are not known, or too many."""
        known = self.run.organisations or {}
        largest: list[tuple[str, int]] = known.get("largest", [])
        if len(largest) < max(known.get("count", 0), 1):
            return []
        asked = self.filter.org_id
        others = [(asked, 0)] if asked and asked not in dict(largest) else []
        return [
            Choice(value=name, label=f"{escape(name)} ({formatting.number(count)})", chosen=name == asked)
            for name, count in (*largest, *others)
        ]

    @cached_property
    def row_count(self) -> int | None:
        """How many rows there are; None where that would have to be counted."""
        return None if self.filter.searches else self._count(self.tab)

    @cached_property
    def found(self) -> list[PurgeRunDeal]:
        """The rows of this page, and one more if there are more."""
        return page_and_one_more(self.filter.rows(self.run), self.number)

    @cached_property
    def rows(self) -> list[Row]:
        """Those of this page."""
        return [self._row(deal) for deal in islice(self.found, PER_PAGE)]

    @property
    def clear_query(self) -> str:
        """The query without what is searched for; empty where nothing is."""
        return f"?{self.query_with(org='', deal='')}" if self.filter.searches else ""

    @property
    def wider_query(self) -> str:
        """The query that searches all deals of a preview; empty where it does."""
        return self.query_with(outcome=ALL) if self.run.dry_run and self.tab != ALL else ""

    @property
    def is_bare(self) -> bool:
        """Whether the run has met deals of which no row is left, or ever was."""
        met = (self.run.report or {}).get("deals", {}).get("matched", 0)
        return bool(met and not self.filter.searches and not self.rows)

    def query_with(self, **changes: str) -> str:
        """The query that changes this one; another order or filter begins at its first page."""
        asked = self.filter
        known = {"outcome": self.tab if self.query.get("outcome") else "", "org": asked.org_id, "deal": asked.text}
        return written(known | {"sort": asked.sort} | changes)

    def _count(self, tab: str) -> int:
        if tab == ACTIVE:
            return self.active
        return sum(self.counts.values()) if tab == ALL else self.counts[tab]

    def _tab(self, name: str) -> Tab:
        labels = {ALL: (_("All"), ""), ACTIVE: (_("Active in the last hour"), "warning")}
        label, icon = labels.get(name) or (capfirst(badge(name).word), badge(name).icon)
        query = self.query_with(outcome=name)
        return Tab(label=label, icon=icon, count=self._count(name), query=query, current=name == self.tab)

    def _row(self, deal: PurgeRunDeal) -> Row:
        return Row(
            org_id=None if deal.org_id is None else escape(deal.org_id),
            deal_id=escape(deal.deal_id),
            url=self._address(deal.org_id, deal.deal_id),
            badge=badge(deal.outcome),
            keys_deleted=deal.keys_deleted,
            keys_left=deal.keys_left,
            checkpoints=deal.checkpoints,
            last_active_at=deal.last_active_at,
            needs_a_look=deal.outcome in NEEDS_A_LOOK,
            is_active=bool(self.active_since and deal.last_active_at and deal.last_active_at >= self.active_since),
        )
