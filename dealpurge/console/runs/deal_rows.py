"""The deals that the page of a run lists, with the host's own pages of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib.admin import AdminSite
from django.db.models import QuerySet
from django.http import HttpRequest

from dealpurge.console.deals.links import addresses
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.report import LIST_LIMIT
from dealpurge.runs.database import alias
from dealpurge.runs.deal_rows import SKIPPED
from dealpurge.text import escape

Outcome = PurgeRunDeal.Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A deal that stays; its ids are escaped as the report has them."""

    org_id: str | None
    deal_id: str
    last_active_at: datetime | None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """A deal that lost keys, fit to be shown."""

    org_id: str | None
    deal_id: str
    outcome: str
    url: str | None


def link_deals(site: AdminSite, request: HttpRequest, skipped: Sequence[Skipped]) -> list[Skipped]:
    """The deals of a report with their pages. Ids that the report had to escape are not those of any deal."""
    plain = [(item.org_id, item.deal_id) for item in skipped if "\\" not in f"{item.org_id}{item.deal_id}"]
    urls = addresses(site, request, plain)
    return [replace(item, url=urls.get((item.org_id, item.deal_id))) for item in skipped]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The first of some deals, and how many more there are."""

    deals: list[Touched]
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LostDeals(Listed):
    """Of a run that was lost: those that may have keys left, and the number of those purged."""

    purged: int


def touched_deals(site: AdminSite, request: HttpRequest, run: PurgeRun) -> Listed:
    """The first of the deals that lost keys in a live run, with their pages."""
    return _listed(site, request, _rows(run).exclude(outcome__in=SKIPPED))


def lost_deals(site: AdminSite, request: HttpRequest, run: PurgeRun) -> LostDeals:
    """What the record knows of the deals of a run that was lost."""
    unsure = _rows(run).filter(outcome__in=(Outcome.INTERRUPTED, Outcome.NOT_REMOVED))
    listed, purged = _listed(site, request, unsure), _rows(run).filter(outcome=Outcome.PURGED)
    return LostDeals(deals=listed.deals, more=listed.more, purged=purged.count())


def _rows(run: PurgeRun) -> QuerySet[PurgeRunDeal]:
    return PurgeRunDeal.objects.using(alias()).filter(run=run)


def _listed(site: AdminSite, request: HttpRequest, found: QuerySet[PurgeRunDeal]) -> Listed:
    rows = list(found.order_by("pk")[:LIST_LIMIT])
    urls = addresses(site, request, [(row.org_id, row.deal_id) for row in rows])
    deals = [
        Touched(
            org_id=None if row.org_id is None else escape(row.org_id),
            deal_id=escape(row.deal_id),
            outcome=row.get_outcome_display(),
            url=urls.get((row.org_id, row.deal_id)),
        )
        for row in rows
    ]
    return Listed(deals=deals, more=found.count() - LIST_LIMIT if len(deals) == LIST_LIMIT else 0)
