"""The page that answers which deals are in Redis, and the scan behind it."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext as _

from dealpurge.console.base import purgers_only, viewers_only
from dealpurge.console.inventory.page import InventoryPage
from dealpurge.console.runs.views import Console, current_user
from dealpurge.runs import inventory
from dealpurge.scope import PurgeScope

#: An inventory is of everything, and deletes nothing.
EVERYTHING = PurgeScope(mode="all", include_checkpoints=True)


class InventoryConsole(Console):
    """Views of inventories."""

    def inventory_urls(self) -> list[URLPattern]:
        """Our addresses."""
        return [
            self.route("inventory/", self.latest_inventory_view, "latest_inventory"),
            self.route("inventory/scan/", self.scan_view, "scan"),
            self.route("<uuid:run_id>/inventory/", self.inventory_view, "inventory"),
        ]

    @viewers_only
    def latest_inventory_view(self, request: HttpRequest) -> HttpResponse:
        """The newest inventory, or the button that takes the first."""
        run = inventory.latest()
        if run:
            return self.go("inventory", run.pk)
        return self.page(request, "no_inventory.html", title=_("What is in Redis"))

    @purgers_only
    def scan_view(self, request: HttpRequest) -> HttpResponse:
        """Take an inventory."""
        if request.method != "POST":
            return self.go("latest_inventory")
        return self.begin(request, EVERYTHING, "", inventory=True)

    @viewers_only
    def inventory_view(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """What one inventory found."""
        preview = self.load(run_id)
        if not preview.run.inventory:
            return self.go("change", run_id)
        page = InventoryPage(preview, current_user(request))
        page.query = request.GET
        finished = bool(page.report) and preview.run.status == preview.run.Status.COMPLETED
        return self.page(
            request,
            "inventory.html",
            title=page.title,
            page=page,
            run=preview.run,
            now=preview.now,
            finished=finished,
            holdings=page.holdings(self.timeline_of) if finished else [],
        )
