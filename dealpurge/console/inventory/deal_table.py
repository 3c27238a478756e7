"""The table of a scan's deals: a filter, headings that sort, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.http import QueryDict
from django.utils.translation import gettext as _

from dealpurge.console import formatting
from dealpurge.console.forms.purge import write_deals
from dealpurge.console.inventory.activity import Activity
from dealpurge.console.paging import PER_PAGE, Heading, Pages, written
from dealpurge.console.selection import read_filter, write_filter
from dealpurge.keys.families import in_order
from dealpurge.models import InventoryDeal, PurgeRun
from dealpurge.runs import inventory_filter
from dealpurge.runs.inventory import DEFAULT_SORT, SORTS
from dealpurge.runs.inventory_filter import OrganisationTotal, Total
from dealpurge.text import escape

COLUMNS = ("deal", "org", "keys", "mostly", "active")
#: By a click on a heading, the largest come first, and the longest idle.
FIRST = {"deal": "deal", "org": "org", "keys": "-keys", "active": "active"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A deal and what it held, its ids escaped; ``share``: of the largest on the page, in percent. ``value`` names it
    in a form; empty where that would name others too."""

    org_id: str | None
    deal_id: str
    value: str
    url: str
    keys: int
    share: str
    mostly: str
    last_active_at: datetime | None
    changed: bool


class ScannedDeals(Pages):
    """The deals of a finished scan as the query asks to see them. What a query cannot mean is ignored."""

    def __init__(
        self,
        scan: PurgeRun,
        query: QueryDict,
        organisations: list[OrganisationTotal],
        address: Callable[[str | None, str], str],
    ) -> None:
        """``address``: of a deal's timeline."""
        self.scan, self.query, self.organisations, self._address = scan, query, organisations, address
        self.filter = read_filter(query)

    @property
    def all(self) -> Total:
        """What the scan found."""
        return Total(sum(row.deals for row in self.organisations), sum(row.keys for row in self.organisations))

    @cached_property
    def total(self) -> Total:
        """What of it matches."""
        if not self.filter.narrows:
            return self.all
        if self.filter.only_organisation:
            rows = [row for row in self.organisations if row.org_id == self.filter.org_id]
            return Total(rows[0].deals, rows[0].keys) if rows else Total(0, 0)
        return self.filter.total(self.scan)

    @property
    def sort(self) -> str:
        """How the deals are sorted."""
        asked = self.query.get("sort", "")
        return asked if asked in SORTS else DEFAULT_SORT

    @property
    def headings(self) -> Iterator[Heading]:
        """Of the columns, in their order."""
        labels = {
            "deal": _("Deal"),
            "org": _("Organisation"),
            "keys": _("Keys"),
            "mostly": _("Mostly"),
            "active": _("Last active"),
        }
        for name in COLUMNS:
            now = self.sort.lstrip("-") == name
            other = name if self.sort.startswith("-") else f"-{name}"
            direction = "" if not now else "descending" if self.sort.startswith("-") else "ascending"
            query = self.query_with(sort=other if now else FIRST[name]) if name in FIRST else ""
            yield Heading(name=name, label=labels[name], query=query, direction=direction, numeric=name == "keys")

    @property
    def row_count(self) -> int:
        """Deals that match."""
        return self.total.deals

    @cached_property
    def found(self) -> list[InventoryDeal]:
        """Those of this page."""
        if not self.total.deals:
            return []
        start = self.first - 1
        return inventory_filter.part_of(self.filter.rows(self.scan), self.sort, start, start + PER_PAGE)

    @cached_property
    def activity(self) -> Activity:
        """What Redis tells of the deals of this page now."""
        return Activity(self.scan, self.found)

    @cached_property
    def rows(self) -> list[Row]:
        """Those of this page."""
        largest = max((row.keys for row in self.found), default=0) or 1
        return [self._row(deal, largest) for deal in self.found]

    @property
    def fields(self) -> Mapping[str, str]:
        """The filter for a form."""
        return write_filter(self.filter)

    @property
    def clear_query(self) -> str:
        """The query without the filter; empty where there is none."""
        if not self.filter.narrows:
            return ""
        return "?" + self.query_with(**dict.fromkeys(self.fields, ""))

    def query_with(self, **changes: str) -> str:
        """The query that changes this one; another order or filter begins at its first page."""
        sort = "" if self.sort == DEFAULT_SORT else self.sort
        known = {**self.fields, "sort": sort, "orgs": self.query.get("orgs", "") and "all"}
        return written(known | changes)

    def _row(self, deal: InventoryDeal, largest: int) -> Row:
        shared = {deal_id for _, deal_id in self.activity.others}
        name, count = max(in_order(deal.families).items(), key=lambda item: item[1], default=("", 0))
        return Row(
            org_id=None if deal.org_id is None else escape(deal.org_id),
            deal_id=escape(deal.deal_id),
            value="" if deal.org_id is None and deal.deal_id in shared else write_deals([(deal.org_id, deal.deal_id)]),
            url=self._address(deal.org_id, deal.deal_id),
            keys=deal.keys,
            share=f"{100 * deal.keys / largest:.2f}",
            mostly=f"{formatting.family(name)} {100 * count // max(deal.keys, 1)}\u00a0%" if name else "",
            last_active_at=self.activity.newest(deal),
            changed=self.activity.has_changed(deal),
        )
