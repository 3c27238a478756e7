"""What an inventory found, deal by deal: stored when it is taken, read page by page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from django.db.models import F, OrderBy, QuerySet

from dealpurge.engine.inventory import InventoryRow
from dealpurge.models import InventoryDeal, PurgeRun
from dealpurge.runs.database import ROWS_AT_ONCE, alias, bounded, delete_in_batches, durable, stored
from dealpurge.scope import id_problem

#: Inventories whose deals are kept; of older ones only the run stays.
KEPT = 5

#: How the deals may be sorted; deals that nobody ever worked on are the longest idle.
SORTS: Mapping[str, tuple[OrderBy, ...]] = {
    "-keys": (F("keys").desc(),),
    "keys": (F("keys").asc(),),
    "-active": (F("last_active_at").desc(nulls_last=True),),
    "active": (F("last_active_at").asc(nulls_first=True),),
    "org": (F("org_id").asc(nulls_first=True), F("deal_id").asc()),
    "-org": (F("org_id").desc(nulls_last=True), F("deal_id").desc()),
    "deal": (F("deal_id").asc(),),
    "-deal": (F("deal_id").desc(),),
}
DEFAULT_SORT = "-keys"


def store(run: PurgeRun, families: Sequence[str], rows: Iterable[InventoryRow]) -> None:
    """Write down the deals as they come, in batches, and let go of those of old inventories."""
    items = (_item(run, families, row) for row in rows)
    while batch := list(islice(items, ROWS_AT_ONCE)):
        with durable():
            InventoryDeal.objects.using(alias()).bulk_create(batch)
    old = InventoryDeal.objects.using(alias()).exclude(run__in=_kept())
    for _ in delete_in_batches(old):
        pass


def is_kept(run: PurgeRun) -> bool:
    """Whether nothing of an inventory has been let go of; to be asked when its deals have been read."""
    return run.pk in _kept()


def latest() -> PurgeRun | None:
    """The inventory that was asked for last."""
    return stored().filter(inventory=True).order_by("-created_at").first()


def latest_finished() -> PurgeRun | None:
    """The newest inventory that came to its end."""
    runs = stored().filter(inventory=True, status=PurgeRun.Status.COMPLETED).defer("report")
    return runs.order_by("-created_at").first()


def organisations(run: PurgeRun, names: Iterable[str]) -> set[str]:
    """Those of the organisations of which an inventory found a deal."""
    rows = InventoryDeal.objects.using(alias()).filter(run=run, org_id__in=list(names)).order_by()
    return {org_id for org_id in rows.values_list("org_id", flat=True).distinct() if org_id is not None}


def deals(run: PurgeRun, *, org_id: str, deal_id: str, sort: str) -> QuerySet[InventoryDeal]:
    """The deals of an inventory, of one organisation or with one id if they are named."""
    rows = InventoryDeal.objects.using(alias()).filter(run=run)
    if any(map(id_problem, filter(None, (org_id, deal_id)))):
        return rows.none()  # PostgreSQL refuses to look for a NUL
    if org_id:
        rows = rows.filter(org_id=org_id)
    if deal_id:
        rows = rows.filter(deal_id=deal_id)
    return rows.order_by(*SORTS[sort], "pk")


@bounded()
def _kept() -> list[UUID]:
    """The inventories whose deals are kept. One that is not among them never is again."""
    return list(stored().filter(inventory=True).order_by("-created_at").values_list("pk", flat=True)[:KEPT])


def _item(run: PurgeRun, families: Sequence[str], row: InventoryRow) -> InventoryDeal:
    counts: dict[str, Any] = {name: count for name, count in zip(families, row.families, strict=True) if count}
    return InventoryDeal(
        run=run,
        org_id=row.org_id,
        deal_id=row.deal_id,
        keys=sum(row.families),
        families=counts,
        last_active_at=row.last_active_at,
    )
