"""What the page of a scan shows above its deals: when that was, how much there is, and whose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from django.http import QueryDict
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from dealpurge.console import formatting
from dealpurge.console.inventory.deal_table import ScannedDeals
from dealpurge.console.paging import Choice
from dealpurge.console.runs.page import RunPage
from dealpurge.models import PurgeRun
from dealpurge.runs import inventory, inventory_filter
from dealpurge.runs.inventory_filter import IDLE, NEVER, OrganisationTotal
from dealpurge.text import escape

#: Organisations that are shown unasked, and for the asking.
FEW, MOST_SHOWN = 6, 1000
#: Those that a list to choose from has; more are typed.
MOST_CHOICES = 200
#: An older scan is said to be old.
OLD = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationRow:
    """What an organisation has; ``share``: of the keys of the largest, in percent.

    ``query`` shows its deals; empty for those of no organisation."""

    name: str
    deals: int
    keys: int
    share: str
    last_active_at: datetime | None
    query: str


class InventoryPage(RunPage):
    """A scan as the query asks to see it."""

    query: QueryDict
    #: Of a deal's timeline.
    address: Callable[[str | None, str], str]

    @property
    def title(self) -> str:
        """The heading."""
        return _("Deals in Redis")

    @property
    def badge(self) -> str:
        """The state of the scan; what it found needs no word."""
        return "" if self.run.status == PurgeRun.Status.COMPLETED else self.run.get_status_display()

    @property
    def is_finished(self) -> bool:
        """Whether there is something to show."""
        return bool(self.report) and self.run.status == PurgeRun.Status.COMPLETED

    @property
    def scanned_at(self) -> datetime:
        """The moment that all of it is of."""
        return inventory_filter.scanned_at(self.run)

    @property
    def age(self) -> str:
        """How old it is, where that is old; else empty."""
        return timesince(self.scanned_at, self.now, depth=1) if self.now - self.scanned_at > OLD else ""

    @cached_property
    def totals(self) -> list[OrganisationTotal]:
        """What each organisation has, most keys first; nothing of a scan that is being let go of."""
        totals = inventory_filter.organisations_of(self.run)
        return totals if inventory.is_kept(self.run) else []

    @cached_property
    def table(self) -> ScannedDeals:
        """The deals."""
        return ScannedDeals(self.run, self.query, self.totals, self.address)

    @property
    def shows_all(self) -> bool:
        """Whether all organisations are shown."""
        return "orgs" in self.query or len(self.totals) <= FEW

    @property
    def most(self) -> int:
        """How many are shown for the asking."""
        return min(len(self.totals), MOST_SHOWN)

    @property
    def all_query(self) -> str:
        """The query that shows all organisations."""
        return self.table.query_with(orgs="all")

    @property
    def organisations(self) -> Iterator[OrganisationRow]:
        """The largest, or all of them."""
        largest = max((row.keys for row in self.totals), default=0) or 1
        for row in self.totals[: MOST_SHOWN if self.shows_all else FEW]:
            yield OrganisationRow(
                name=formatting.NOTHING if row.org_id is None else escape(row.org_id),
                deals=row.deals,
                keys=row.keys,
                share=f"{100 * row.keys / largest:.2f}",
                last_active_at=row.last_active_at,
                query="" if row.org_id is None else self.table.query_with(org=row.org_id),
            )

    @property
    def other_keys(self) -> int:
        """Keys of nobody's."""
        others: int = self.keys["scanned"] - self.keys["matched"]
        return max(others, 0)

    @property
    def organisation_choices(self) -> list[Choice]:
        """Organisations to choose from, by name; none where they are too many."""
        names = {row.org_id for row in self.totals if row.org_id is not None}
        if len(names) > MOST_CHOICES:
            return []
        asked = self.table.filter.org_id
        return [
            Choice(value=name, label=escape(name), chosen=name == asked)
            for name in sorted(names | ({asked} if asked else set()))
        ]

    @property
    def idle_choices(self) -> list[Choice]:
        """Spans to choose from."""
        asked = self.table.filter.idle
        spans = [(value, formatting.span(seconds)) for value, seconds in IDLE.items()]
        return [
            Choice(value=value, label=label, chosen=value == asked)
            for value, label in (*spans, (NEVER, _("no activity known")))
        ]

    @property
    def family_choices(self) -> list[Choice]:
        """Families of which there are keys, and the one that is asked for."""
        asked = self.table.filter.family
        names = [name for name, count in self.families.items() if count or name == asked]
        return [Choice(value=name, label=formatting.family(name), chosen=name == asked) for name in names]
