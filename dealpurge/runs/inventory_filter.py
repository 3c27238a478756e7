"""Which deals of an inventory are asked for: found, counted and added up in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, F, Max, OrderBy, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from dealpurge.models import InventoryDeal, PurgeRun
from dealpurge.runs.database import alias, storable
from dealpurge.runs.deals.queries import LONGEST
from dealpurge.runs.inventory import DEFAULT_SORT, SORTS
from dealpurge.scope import Deal

#: Of which no activity is known, which is not the same as idle: a deal that was just made has none either.
NEVER = "never"
#: For how many seconds a deal may be asked to have been idle, when it was scanned.
IDLE: Mapping[str, int] = {str(seconds): seconds for seconds in (3600, 86400, 7 * 86400, 30 * 86400, 90 * 86400)}
#: Deals that are looked for in one query.
IDS_AT_ONCE = 500


class Total(NamedTuple):
    """How many deals, and how many keys they hold."""

    deals: int
    keys: int


class OrganisationTotal(NamedTuple):
    """What an organisation has in Redis; None is that of keys which tell of none."""

    org_id: str | None
    deals: int
    keys: int
    last_active_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryFilter:
    """Deals of an organisation, with this text in their ids, idle for so long, with keys of a family; empty is any.

    ``organisation:text`` looks for the text in one organisation. ``idle`` is one of ``IDLE``, or ``NEVER``, and counts
    from the scan on, so that a filter means the same deals for as long as the scan is kept.
    """

    text: str = ""
    org_id: str = ""
    idle: str = ""
    family: str = ""

    @property
    def narrows(self) -> bool:
        """Whether any deal may be left out."""
        return self != InventoryFilter()

    @property
    def only_organisation(self) -> bool:
        """Whether nothing but the organisation matters."""
        return self == InventoryFilter(org_id=self.org_id)

    def rows(self, run: PurgeRun) -> QuerySet[InventoryDeal]:
        """The deals of a scan, in no order."""
        # Of an organisation's deals the index has all that is asked; SQLite would take that of the activity, and then
        # look at every row. No index is of this one.
        moment = Coalesce("last_active_at", "last_active_at") if self._organisation else F("last_active_at")
        return deals_of(run).alias(moment=moment).filter(self._condition(run))

    def total(self, run: PurgeRun) -> Total:
        """Their number."""
        found = self.rows(run).aggregate(deals=Count("pk"), keys=Sum("keys"))
        return Total(found["deals"], found["keys"] or 0)

    def _condition(self, run: PurgeRun) -> Q:
        # PostgreSQL refuses to look for a NUL, SQLite for very many characters.
        if any(storable(text) != text or len(text) > LONGEST for text in (self.text, self.org_id, self.family)):
            return Q(pk__in=())
        org_id, _colon, deal_id = self.text.rpartition(":")
        if self.text and not (org_id or deal_id):  # a colon alone, which no id has
            return Q(pk__in=())
        condition = Q(org_id=self.org_id) if self.org_id else Q()
        if org_id:
            condition &= Q(org_id=org_id)
        if deal_id:
            condition &= Q(deal_id__contains=deal_id)
        if self.family:
            condition &= Q(families__has_key=self.family)
        if self.idle:
            condition &= self._was_idle(run)
        return condition

    @property
    def _organisation(self) -> str:
        return self.org_id or self.text.rpartition(":")[0]

    def _was_idle(self, run: PurgeRun) -> Q:
        if self.idle == NEVER:
            return Q(moment=None)
        return Q(moment__lte=scanned_at(run) - timedelta(seconds=IDLE[self.idle]))


def scanned_at(run: PurgeRun) -> datetime:
    """The moment that an inventory tells of."""
    moment: datetime = run.started_at or run.created_at
    return moment


def deals_of(run: PurgeRun) -> QuerySet[InventoryDeal]:
    """All deals of an inventory, in no order."""
    return InventoryDeal.objects.using(alias()).filter(run=run).order_by()


def organisations_of(run: PurgeRun) -> list[OrganisationTotal]:
    """What each organisation has, most keys first."""
    rows = deals_of(run).values_list("org_id").annotate(Count("pk"), keys=Sum("keys"), active=Max("last_active_at"))
    return sorted((OrganisationTotal(*row) for row in rows), key=lambda row: (-row.keys, row.org_id or ""))


def part_of(rows: QuerySet[InventoryDeal], sort: str, start: int, end: int) -> list[InventoryDeal]:
    """Some of the rows by their places in an order. First which: an index tells that sooner than the rows would."""
    keys = list(rows.order_by(*_order(sort)).values_list("pk", flat=True)[start:end])
    found = deals_of_keys(rows, keys)
    return [found[key] for key in keys if key in found]


def in_order(rows: QuerySet[InventoryDeal], sort: str) -> QuerySet[InventoryDeal]:
    """All of the rows."""
    return rows.order_by(*_order(sort))


def holders_of(run: PurgeRun, deal_ids: Iterable[str]) -> list[Deal]:
    """The deals with an organisation that a scan found of these ids."""
    ids = sorted(set(deal_ids))
    found: list[Deal] = []
    for start in range(0, len(ids), IDS_AT_ONCE):
        some = deals_of(run).filter(deal_id__in=ids[start : start + IDS_AT_ONCE], org_id__isnull=False)
        found += some.values_list("org_id", "deal_id")
    return found


def deals_of_keys(rows: QuerySet[InventoryDeal], keys: list[int]) -> dict[int, InventoryDeal]:
    """Rows by their keys."""
    return {row.pk: row for row in rows.model._default_manager.using(rows.db).filter(pk__in=keys)} if keys else {}


def _order(sort: str) -> tuple[OrderBy, ...]:
    order = SORTS.get(sort, SORTS[DEFAULT_SORT])
    # As the index has it: of many deals with as many keys, those of a page are found without sorting all of them.
    descends = order[0].descending
    return (*order, F("pk").desc() if descends else F("pk").asc())
