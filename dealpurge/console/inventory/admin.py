"""The deals in Redis among the models of an admin site, above the runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path

from dealpurge.console.base import non_atomic
from dealpurge.models import InventoryDeal, PurgeRun
from dealpurge.permissions import may_view_runs

if TYPE_CHECKING:
    InventoryModelAdmin = admin.ModelAdmin[InventoryDeal]
else:
    InventoryModelAdmin = admin.ModelAdmin


class InventoryDealAdmin(InventoryModelAdmin):
    """Its list is the page of the newest scan, which stands on the admin of ``PurgeRun`` in the same site; who may see
    the runs may see it. There is nothing to add, to change or to delete."""

    def get_urls(self) -> list[URLPattern]:
        """The list alone."""
        view = non_atomic(self.admin_site.admin_view(self.changelist_view))
        return [path("", view, name="dealpurge_inventorydeal_changelist")]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The newest scan."""
        if not self.admin_site.is_registered(PurgeRun):
            raise Http404
        console: Any = self.admin_site._registry[PurgeRun]
        page: HttpResponse = console.home_view(request)
        return page

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the site lists it."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: InventoryDeal | None = None) -> bool:
        """As of the runs, where the site has them."""
        return self.admin_site.is_registered(PurgeRun) and may_view_runs(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A scan finds them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: InventoryDeal | None = None) -> bool:
        """They are what a scan found."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: InventoryDeal | None = None) -> bool:
        """What deletes deals is a purge."""
        return False
