"""What the page of an inventory shows: deals with what they hold, sorted, filtered, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from django.core.paginator import Page, Paginator
from django.http import QueryDict
from django.utils.translation import gettext as _

from dealpurge.console import formatting
from dealpurge.console.forms.purge import write_deals
from dealpurge.console.runs.page import RunPage, Tile
from dealpurge.keys.families import in_order
from dealpurge.models import InventoryDeal, PurgeRun
from dealpurge.runs import inventory
from dealpurge.scope import BLANKS
from dealpurge.text import escape

PER_PAGE = 50
#: As many as the stylesheet has.
COLOURS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One family's part of a deal's bar, in percent of the longest bar on the page."""

    label: str
    colour: int
    start: str
    width: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A deal and what it holds."""

    org_id: str | None
    deal_id: str
    value: str
    keys: int
    last_active_at: datetime | None
    slices: list[Slice] = field(default_factory=list)
    url: str = ""

    @property
    def summary(self) -> str:
        """The bar in words."""
        return ", ".join(part.label for part in self.slices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A heading, the query that sorts by it, and which way it is sorted now."""

    label: str
    query: str
    direction: str
    numeric: bool = False


class InventoryPage(RunPage):
    """An inventory as the query asks to see it. What a query cannot mean is ignored."""

    query: QueryDict

    @property
    def title(self) -> str:
        """The heading."""
        return _("What is in Redis")

    @property
    def badge(self) -> str:
        """The state of the scan; what it found needs no word."""
        return "" if self.run.status == PurgeRun.Status.COMPLETED else self.run.get_status_display()

    @property
    def tiles(self) -> Iterator[Tile]:
        """How much there is."""
        keys = self.keys
        yield Tile(number=self.deals["matched"], label=_("deals"))
        yield Tile(number=keys["matched"], label=_("keys of deals"))
        yield Tile(number=max(keys["scanned"] - keys["matched"], 0), label=_("other keys, which no purge takes"))

    @property
    def legend(self) -> list[tuple[int, str, int]]:
        """Colour, name and number of keys of each family."""
        return [(self.colours[name], formatting.family(name), count) for name, count in self.families.items()]

    @cached_property
    def colours(self) -> Mapping[str, int]:
        """A number for each family's colour."""
        return {name: index % COLOURS for index, name in enumerate(self.families)}

    @cached_property
    def org_id(self) -> str:
        """The organisation that is asked for."""
        return self.query.get("org", "").strip(BLANKS)

    @cached_property
    def deal_id(self) -> str:
        """The deal that is asked for."""
        return self.query.get("deal", "").strip(BLANKS)

    @property
    def sort(self) -> str:
        """How the deals are sorted."""
        asked = self.query.get("sort", "")
        return asked if asked in inventory.SORTS else inventory.DEFAULT_SORT

    @cached_property
    def page(self) -> Page[InventoryDeal]:
        """One page of deals."""
        rows = inventory.deals(self.run, org_id=self.org_id, deal_id=self.deal_id, sort=self.sort)
        return Paginator(rows, PER_PAGE).get_page(self.query.get("p"))

    @property
    def columns(self) -> Iterator[Column]:
        """The headings, with the sorting that a click brings."""
        for name, label, first in (
            ("deal", _("Deal"), "deal"),
            ("org", _("Organisation"), "org"),
            ("keys", _("Keys"), "-keys"),
            ("active", _("Last canvas activity"), "active"),
        ):
            now = self.sort.lstrip("-") == name
            other = name if self.sort == f"-{name}" else f"-{name}"
            direction = "" if not now else "descending" if self.sort.startswith("-") else "ascending"
            query = self.query_with(sort=other if now else first)
            yield Column(label=label, query=query, direction=direction, numeric=name == "keys")

    def holdings(self, address: Callable[[str | None, str], str]) -> list[Holding]:
        """The deals of the page; ``address`` is that of a deal's timeline."""
        rows = list(self.page.object_list)
        longest = max((row.keys for row in rows), default=0) or 1
        return [
            Holding(
                org_id=None if row.org_id is None else escape(row.org_id),
                deal_id=escape(row.deal_id),
                value=write_deals([(row.org_id, row.deal_id)]),
                keys=row.keys,
                last_active_at=row.last_active_at,
                slices=list(self._slices(row, longest)),
                url=address(row.org_id, row.deal_id),
            )
            for row in rows
        ]

    def query_with(self, **changes: str) -> str:
        """The query that changes this one; another order or filter begins at its first page."""
        query = QueryDict(mutable=True)
        known = {"org": self.org_id, "deal": self.deal_id, "sort": self.query.get("sort", "")}
        query.update({name: value for name, value in (known | changes).items() if value})
        return query.urlencode()

    @property
    def previous_query(self) -> str:
        """The query of the page before."""
        return self.query_with(p=str(self.page.previous_page_number()))

    @property
    def next_query(self) -> str:
        """The query of the page after."""
        return self.query_with(p=str(self.page.next_page_number()))

    def _slices(self, row: InventoryDeal, longest: int) -> Iterator[Slice]:
        done = 0
        for name, count in in_order(row.families).items():
            yield Slice(
                label=f"{formatting.family(name)} {formatting.number(count)}",
                colour=self.colours.get(name, 0),
                start=f"{100 * done / longest:.3f}",
                width=f"{100 * count / longest:.3f}",
            )
            done += count
