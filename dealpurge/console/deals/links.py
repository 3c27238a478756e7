"""From deals in Redis to the host's own pages of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.urls import reverse

from dealpurge.console.deals.admin import DealPurgeAdminMixin
from dealpurge.runs.deals.suggestions import batched, edits
from dealpurge.scope import Deal, id_problem


def deal_admins(sites: Iterable[AdminSite]) -> Iterator[DealPurgeAdminMixin]:
    """The admins of deals that the host has registered on these sites."""
    for site in sites:
        yield from (item for item in site._registry.values() if isinstance(item, DealPurgeAdminMixin))


def known(site: AdminSite, request: HttpRequest, deals: Iterable[Deal]) -> set[Deal]:
    """Those that the host's database has, as far as this user may see."""
    return set(addresses(site, request, deals))


def nearly(site: AdminSite, request: HttpRequest, deal: Deal) -> Deal | None:
    """One of the host's deals whose id, or organisation, is one slip of a key away; by at most a few queries."""
    org_id, deal_id = deal
    if not any(True for _admin in deal_admins([site])) or id_problem(deal_id):
        return None
    for names in batched(edits(deal_id)):
        found = known(site, request, [(org_id, name) for name in names])
        if found:
            return min(found, key=str)
    others = known(site, request, [(name, deal_id) for name in edits(org_id)]) if org_id else ()
    return min(others, key=str, default=None)


def addresses(site: AdminSite, request: HttpRequest, deals: Iterable[Deal]) -> dict[Deal, str]:
    """The pages of deals that this user may see, a query or two for each admin of deals."""
    wanted = list(deals)
    found: dict[Deal, str] = {}
    if not wanted:
        return found
    for admin in deal_admins([site]):
        if not admin.has_view_or_change_permission(request):
            continue
        view = f"admin:{admin.opts.app_label}_{admin.opts.model_name}_change"
        for deal, item in _shown(admin, request, admin.purge_find(wanted)):
            found.setdefault(deal, reverse(view, args=[item.pk], current_app=site.name))
    return found


def _shown(admin: DealPurgeAdminMixin, request: HttpRequest, items: dict[Deal, Any]) -> Iterator[tuple[Deal, Any]]:
    """Those that the host's own page would open for this user: it may hide rows from somebody."""
    keys = {item.pk for item in items.values()}
    shown = set(admin.get_queryset(request).filter(pk__in=keys).values_list("pk", flat=True)) if keys else ()
    yield from ((deal, item) for deal, item in items.items() if item.pk in shown)
