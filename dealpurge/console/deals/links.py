"""From deals in Redis to the host's own pages of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import reverse

from dealpurge.console.deals.admin import DealPurgeAdminMixin
from dealpurge.console.runs.page import Skipped, Touched
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.report import LIST_LIMIT, escape
from dealpurge.runs.database import alias
from dealpurge.scope import Deal


def deal_admins(sites: Iterable[AdminSite]) -> Iterator[DealPurgeAdminMixin]:
    """The admins of deals that the host has registered on these sites."""
    for site in sites:
        yield from (item for item in site._registry.values() if isinstance(item, DealPurgeAdminMixin))


def addresses(site: AdminSite, request: HttpRequest, deals: Iterable[Deal]) -> dict[Deal, str]:
    """The pages of deals that this user may see, a query for each admin of deals."""
    wanted = list(deals)
    found: dict[Deal, str] = {}
    if not wanted:
        return found
    for admin in deal_admins([site]):
        if not admin.has_view_or_change_permission(request):
            continue
        view = f"admin:{admin.opts.app_label}_{admin.opts.model_name}_change"
        for deal, item in admin.purge_find(wanted).items():
            found.setdefault(deal, reverse(view, args=[item.pk], current_app=site.name))
    return found


def link_deals(site: AdminSite, request: HttpRequest, skipped: Sequence[Skipped]) -> list[Skipped]:
    """The deals of a report with their pages. Ids that the report had to escape are not those of any deal."""
    plain = [(item.org_id, item.deal_id) for item in skipped if "\\" not in f"{item.org_id}{item.deal_id}"]
    urls = addresses(site, request, plain)
    return [replace(item, url=urls.get((item.org_id, item.deal_id))) for item in skipped]


def touched_deals(site: AdminSite, request: HttpRequest, run: PurgeRun) -> list[Touched]:
    """The first of the deals that lost keys in a live run, with their pages."""
    stored = PurgeRunDeal.objects.using(alias()).filter(run=run)
    rows = list(stored.exclude(outcome=PurgeRunDeal.Outcome.SKIPPED_ACTIVE).order_by("pk")[:LIST_LIMIT])
    urls = addresses(site, request, [(row.org_id, row.deal_id) for row in rows])
    return [
        Touched(
            org_id=None if row.org_id is None else escape(row.org_id),
            deal_id=escape(row.deal_id),
            outcome=row.get_outcome_display(),
            url=urls.get((row.org_id, row.deal_id)),
        )
        for row in rows
    ]
