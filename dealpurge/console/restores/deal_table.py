"""The table of a restore's deals: tabs by what they meet, a filter, headings that sort, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice

from django.db.models import F, OrderBy, Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from dealpurge import services
from dealpurge.console import formatting
from dealpurge.console.paging import PER_PAGE, Choice, Heading, Pages, page_and_one_more, written
from dealpurge.models import PurgeRun, RestoredDeal
from dealpurge.runs.database import alias
from dealpurge.scope import BLANKS, Deal, id_problem
from dealpurge.text import escape

FIELDS = ("show", "org", "deal", "sort", "p", "keys")
#: Which deals a tab shows.
MIXED, CLEAR, ALL = "mixed", "clear", "all"
SORTS: Mapping[str, str] = {
    "deal": "deal_id",
    "org": "org_id",
    "archived": "keys_archived",
    "restored": "keys_restored",
    "kept": "keys_kept",
    "expired": "keys_expired",
}
NUMERIC = ("archived", "restored", "kept", "expired")
DEFAULT_SORT = "-kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """Which deals, how many, and the query that shows them."""

    label: str
    count: int
    query: str
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A deal of the restore, its ids escaped. ``names``: some of its keys that exist again, and how many ``more``."""

    org_id: str | None
    deal_id: str
    url: str
    archived: int
    restored: int
    kept: int
    expired: int
    names: list[str]
    more: int
    #: Whether they are shown, and the query that changes that.
    open: bool
    unfold_query: str
    left_out: bool
    #: None where it has no events, or it is not known.
    last_active_at: datetime | None


class RestoredTable(Pages):
    """The deals of a restore that is over, as the query asks to see them. What a query cannot mean is ignored."""

    def __init__(self, run: PurgeRun, query: QueryDict, address: Callable[[str | None, str], str]) -> None:
        """``address``: of a deal's timeline."""
        self.run, self.query, self._address = run, query, address
        self.asked = {name: query.get(name, "").strip(BLANKS) for name in FIELDS}

    @property
    def counts(self) -> dict[str, int]:
        """Deals by tab, by the report."""
        deals = (self.run.report or {}).get("deals", {})
        every, mixed = deals.get("archived", 0), deals.get("mixed", 0)
        return {MIXED: mixed, CLEAR: every - mixed, ALL: every}

    @cached_property
    def tab(self) -> str:
        """Which deals are shown; those that somebody has worked on unless asked."""
        asked = self.asked["show"]
        return asked if asked in self.counts else MIXED if self.counts[MIXED] else ALL

    @property
    def tabs(self) -> list[Tab]:
        """None where nothing is in the way of any."""
        labels = {MIXED: _("Keys exist again"), CLEAR: _("Nothing in the way"), ALL: _("All")}
        if not self.counts[MIXED]:
            return []
        return [
            Tab(label=label, count=self.counts[name], query=self.query_with(show=name), current=name == self.tab)
            for name, label in labels.items()
            if self.counts[name]
        ]

    @property
    def sort(self) -> str:
        """By which column, behind a minus from the largest down."""
        asked = self.asked["sort"]
        return asked if asked.removeprefix("-") in SORTS else DEFAULT_SORT

    @property
    def headings(self) -> Iterator[Heading]:
        """Of the columns, in their order; the last one cannot be sorted by, Redis tells it."""
        labels = {
            "deal": _("Deal"),
            "org": _("Organisation"),
            "archived": _("Archived"),
            "restored": _("Would come back") if self.run.dry_run else _("Restored"),
            "kept": _("Exist again"),
            "expired": _("Expired"),
        }
        now = self.sort.removeprefix("-")
        for name, label in labels.items():
            descends = self.sort.startswith("-") if now == name else name not in NUMERIC
            direction = "" if now != name else "descending" if descends else "ascending"
            query = self.query_with(sort=name if descends else f"-{name}")
            yield Heading(name=name, label=label, query=query, direction=direction, numeric=name in NUMERIC)

    @property
    def organisations(self) -> list[Choice]:
        """Those to choose from; none where they are not known, or too many."""
        known = self.run.organisations or {}
        largest: list[tuple[str, int]] = known.get("largest", [])
        if len(largest) < max(known.get("count", 0), 1):
            return []
        return [
            Choice(value=name, label=f"{escape(name)} ({formatting.number(count)})", chosen=name == self.asked["org"])
            for name, count in largest
        ]

    @property
    def searches(self) -> bool:
        """Whether somebody looks for something."""
        return bool(self.asked["org"] or self.asked["deal"])

    @property
    def row_count(self) -> int | None:
        """How many rows there are; None where that would have to be counted."""
        return None if self.searches else self.counts[self.tab]

    @property
    def matching(self) -> QuerySet[RestoredDeal]:
        """All rows that are asked for, in their order."""
        rows = RestoredDeal.objects.using(alias()).filter(run=self.run)
        org_id, text = self.asked["org"], self.asked["deal"]
        if any(map(id_problem, filter(None, (org_id, text)))):
            return rows.none()  # PostgreSQL refuses to look for a NUL
        shown = {MIXED: Q(keys_kept__gt=0), CLEAR: Q(keys_kept=0), ALL: Q()}[self.tab]
        shown &= Q(org_id=org_id) if org_id else Q()
        shown &= Q(deal_id__contains=text) if text else Q()
        return rows.filter(shown).order_by(_order(self.sort), "pk")

    @cached_property
    def found(self) -> list[RestoredDeal]:
        """The rows of this page, and one more if there are more."""
        return page_and_one_more(self.matching, self.number)

    @cached_property
    def rows(self) -> list[Row]:
        """Those of this page."""
        shown = list(islice(self.found, PER_PAGE))
        return [self._row(row, self._active.get((row.org_id, row.deal_id))) for row in shown]

    @property
    def is_bare(self) -> bool:
        """Whether no row of its deals is left, or ever was, as of a preview that was stopped."""
        return not self.rows and not RestoredDeal.objects.using(alias()).filter(run=self.run).exists()

    @cached_property
    def _active(self) -> Mapping[Deal, datetime | None]:
        """When those in whose way something is were last worked on, asked now; none where Redis does not tell."""
        deals = [(row.org_id, row.deal_id) for row in islice(self.found, PER_PAGE) if row.keys_kept and row.org_id]
        return (services.last_activity(deals) or {}) if deals else {}

    @property
    def clear_query(self) -> str:
        """The query without what is searched for; empty where nothing is."""
        return f"?{self.query_with(org='', deal='')}" if self.searches else ""

    def query_with(self, **changes: str) -> str:
        """The query that changes this one; another order or filter begins at its first page."""
        known = {name: self.asked[name] for name in ("show", "org", "deal", "sort")}
        return written(known | changes)

    def _row(self, row: RestoredDeal, active: datetime | None) -> Row:
        is_open = self.asked["keys"] == str(row.pk)
        return Row(
            org_id=None if row.org_id is None else escape(row.org_id),
            deal_id=escape(row.deal_id),
            url=self._address(row.org_id, row.deal_id),
            archived=row.keys_archived,
            restored=row.keys_restored,
            kept=row.keys_kept,
            expired=row.keys_expired,
            names=row.names,
            more=row.keys_kept - len(row.names),
            open=is_open,
            unfold_query=self.query_with(p=self.asked["p"], keys="" if is_open else str(row.pk)),
            left_out=row.left_out,
            last_active_at=active,
        )


def _order(sort: str) -> OrderBy:
    column = F(SORTS[sort.removeprefix("-")])
    return column.desc() if sort.startswith("-") else column.asc()
