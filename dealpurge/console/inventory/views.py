"""The addresses of the deals in Redis: the newest scan, any other one, and what is to become of deals chosen there."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern
from django.utils.translation import gettext as _

from dealpurge.console import formatting
from dealpurge.console.base import purgers_only, viewers_only
from dealpurge.console.inventory.activity import Activity
from dealpurge.console.inventory.forms import SelectionForm
from dealpurge.console.inventory.page import InventoryPage
from dealpurge.console.runs import csv_export
from dealpurge.console.runs.views import Console, current_user
from dealpurge.console.selection import MOST, Selection, is_understood, kept_choice, read_filter
from dealpurge.models import PurgeRun
from dealpurge.previews.preview import Preview
from dealpurge.runs import inventory, inventory_filter
from dealpurge.scope import PurgeScope

#: An inventory is of everything, and deletes nothing.
EVERYTHING = PurgeScope(mode="all", include_checkpoints=True)
#: The address of one inventory, below which its others are.
ONE = "<uuid:run_id>/inventory/"
#: Longer ones are of no deal's id, and Django redirects to no address that is much longer.
LONGEST_QUERY = 4000


class InventoryConsole(Console):
    """Views of inventories."""

    def inventory_urls(self) -> list[URLPattern]:
        """Our addresses."""
        return [
            self.route("inventory/", self.latest_inventory_view, "latest_inventory"),
            self.route("inventory/scan/", self.scan_view, "scan"),
            self.route(ONE, self.inventory_view, "inventory"),
            self.route(f"{ONE}export/", self.export_inventory_view, "export_inventory"),
            self.route(f"{ONE}purge/", self.purge_selection_view, "purge_selection", kept=kept_choice),
        ]

    @viewers_only
    def latest_inventory_view(self, request: HttpRequest) -> HttpResponse:
        """The first page of the app, at the address that it has in every site; it may have a better one."""
        if self.home_address == request.path:
            return self.home_view(request)
        query = request.GET.urlencode()
        return HttpResponseRedirect(f"{self.home_address}?{query}" if query else self.home_address)

    @viewers_only
    def home_view(self, request: HttpRequest) -> HttpResponse:
        """The newest scan that is under way or came to its end, or the button that takes the first."""
        newest = inventory.latest()
        if newest is None:
            return self.page(request, "no_inventory.html", title=_("Deals in Redis"), is_home=True)
        preview = self.load(newest.pk)
        finished = inventory.latest_finished() if preview.run.is_over else None
        if finished is None or finished.pk == newest.pk:
            return self._inventory_page(request, preview, is_home=True)
        return self._inventory_page(request, self.load(finished.pk), is_home=True, failed=preview)

    @purgers_only
    def scan_view(self, request: HttpRequest) -> HttpResponse:
        """Take an inventory."""
        if request.method == "POST":
            self.begin(request, EVERYTHING, "", inventory=True)  # or say there why not
        return HttpResponseRedirect(self.home_address)

    @viewers_only
    def inventory_view(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """What one inventory found."""
        preview = self.load(run_id)
        if not preview.run.inventory:
            return self.go("change", run_id)
        return self._inventory_page(request, preview)

    @viewers_only
    def export_inventory_view(self, request: HttpRequest, run_id: UUID) -> HttpResponseBase:
        """All deals of a scan that the table shows with the same query, whatever page of it."""
        preview = self.load(run_id)
        page = self._inventory(request, preview)
        if not page.is_finished:
            return self.go("inventory", run_id)
        rows = inventory_filter.in_order(page.table.filter.rows(preview.run), page.table.sort)
        return csv_export.inventory_file(preview.run, rows, [choice.value for choice in page.family_choices])

    @purgers_only
    def purge_selection_view(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """What is to be spared of the deals that a filter chose. A POST without ``preview`` is the choice itself."""
        preview = self.load(run_id)
        data = request.POST if request.method == "POST" else request.GET
        selection = Selection(preview.run, read_filter(data))
        understood = is_understood(data, query=request.method != "POST")
        problem = self._problem(preview, selection) if understood else _("There is no such filter.")
        if problem:
            self.message_user(request, problem, messages.ERROR)
            back = selection.query if len(selection.query) <= LONGEST_QUERY else ""
            return HttpResponseRedirect(self.address("inventory", run_id) + back)
        if request.method == "POST" and "preview" not in data:
            return HttpResponseRedirect(self.address("purge_selection", run_id) + selection.query)
        form = SelectionForm(request.POST if request.method == "POST" else None, selection=selection)
        if form.is_valid():
            begun = self.begin(request, form.cleaned_data["scope"], form.cleaned_data["reason"])
            if begun.headers["Location"] != self.address("purge"):
                return begun
        change = self.address("inventory", run_id) + selection.query
        return self.page(
            request,
            "form/selection.html",
            title=_("Purge deals"),
            form=form,
            selection=selection,
            change=change,
            now=preview.now,
            scanned_at=inventory_filter.scanned_at(preview.run),
        )

    def _problem(self, preview: Preview, selection: Selection) -> str:
        """Why nothing can be chosen so; empty where it can."""
        if not preview.run.inventory or preview.run.status != PurgeRun.Status.COMPLETED:
            return _("This scan did not come to its end. Scan again.")
        if Activity(preview.run, ()).elsewhere:
            return _("This scan is of another Redis than the one that is purged now.")
        if selection.is_too_large:
            words = _("Choose at most %(n)s deals, or purge all deals of their organisation.")
            return words % {"n": formatting.number(MOST)}
        found = bool(selection.deals)
        if not inventory.is_kept(preview.run):
            return _("The deals of this inventory are no longer kept. Scan again.")
        return "" if found else _("No deal matches.")

    def _inventory(self, request: HttpRequest, preview: Preview) -> InventoryPage:
        page = InventoryPage(preview, current_user(request))
        page.query, page.address = request.GET, self.timeline_of
        return page

    def _inventory_page(self, request: HttpRequest, preview: Preview, **context: object) -> HttpResponse:
        page = self._inventory(request, preview)
        return self.page(
            request, "inventory.html", title=page.title, page=page, run=preview.run, now=preview.now, **context
        )
