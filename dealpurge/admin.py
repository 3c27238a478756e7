"""The record of purges in the admin, read-only, with the console behind it; and the mixin for the host's deals."""

from __future__ import annotations

from contextlib import suppress
from itertools import chain
from typing import Any

import django
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dealpurge.console import formatting
from dealpurge.console.base import non_atomic, viewers_only
from dealpurge.console.deals.admin import DealPurgeAdminMixin
from dealpurge.console.inventory.admin import InventoryDealAdmin
from dealpurge.console.inventory.views import InventoryConsole
from dealpurge.console.restores.views import RestoreConsole
from dealpurge.console.runs import csv_export, filters
from dealpurge.console.runs.outcomes import Outcome, badge
from dealpurge.console.strip import Strip
from dealpurge.console.timeline.views import TimelineConsole
from dealpurge.exceptions import AuditUnavailable
from dealpurge.models import InventoryDeal, PurgeRun
from dealpurge.permissions import may_purge, may_view_runs
from dealpurge.runs.termination import fail_lost_runs
from dealpurge.text import plain

#: Columns of the list where somebody looks for something; with those of numbers it would not fit a laptop.
FOR_A_DEAL = ("state", "outcome_of_deal", "what", "scope_in_words", "who", "when")

__all__ = ["DealPurgeAdminMixin", "InventoryDealAdmin", "PurgeRunAdmin"]

admin.site.register(InventoryDeal, InventoryDealAdmin)

#: What the list of runs does not show.
UNLISTED = ("report", "sentences", "deals", "organisations", "error", "reason")


@admin.register(PurgeRun)
class PurgeRunAdmin(TimelineConsole, InventoryConsole, RestoreConsole):
    """The list of runs. Nothing in it can be added, changed or deleted by hand."""

    list_display = ("state", "what", "scope_in_words", "who", "deals_in_numbers", "keys", "took", "when")
    list_display_links = ("state", "scope_in_words")
    list_filter = (
        "status",
        filters.KindFilter,
        "mode",
        "source",
        "include_checkpoints",
        ("actor", admin.RelatedOnlyFieldListFilter),
    )
    list_per_page = 50
    date_hierarchy = "created_at"
    ordering = ("-created_at", "-id")
    # One of them must stand here for the search box to show; ``get_search_results`` does the work.
    search_fields = ("actor_name",)
    search_help_text = _("A deal's id, organisation:deal, an organisation, a run's id, who asked for it or why")
    show_full_result_count = False
    change_list_template = "admin/dealpurge/purgerun/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        """Ours before the admin's own."""
        export = self.route("export/", self.export_view, "export")
        ours = (self.console_urls(), self.inventory_urls(), self.timeline_urls(), self.restore_urls())
        return [export, *chain.from_iterable(ours), *super().get_urls()]

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Who may purge may read the record."""
        return may_view_runs(request.user)

    def has_view_permission(self, request: HttpRequest, obj: PurgeRun | None = None) -> bool:
        """Who may purge may read the record."""
        return may_view_runs(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Runs come from the service alone."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: PurgeRun | None = None) -> bool:
        """The record is not edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: PurgeRun | None = None) -> bool:
        """The record is not thinned out."""
        return False

    @non_atomic
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, after lost runs were found out: a list that says "running" of a dead one would be wrong."""
        if may_view_runs(request.user):
            with suppress(AuditUnavailable):
                fail_lost_runs()
        query = request.GET.urlencode()
        ours = {
            "may_purge": may_purge(request.user),
            "strip": Strip(),
            "purge_address": self.address("purge"),
            "home_address": self.home_address,
            "breadcrumbs_are_a_list": django.VERSION >= (6, 1),
            "export_address": f"{self.address('export')}?{query}",
            "title": _("Purge runs"),
        }
        return super().changelist_view(request, {**(extra_context or {}), **ours})

    @viewers_only
    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """The rows that the list shows with the same query, all pages of them."""
        try:
            changes = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return self.go("changelist")
        return csv_export.runs_file(changes.get_queryset(request).defer(None).defer("report", "sentences", "deals"))

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """Who looks for a deal sees what became of it in each run: one that skipped it did not purge it."""
        return FOR_A_DEAL if filters.is_of_deal(request.GET.get("q", "")) else self.list_display

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[filters.RunList]:
        """A list that takes no other query than its filters'."""
        return filters.RunList

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The list; who is led back to all of it is told so."""
        try:
            return super().get_changelist_instance(request)
        except IncorrectLookupParameters:
            self.message_user(
                request, gettext("The list has no such filter or page. It shows all runs."), messages.WARNING
            )
            raise

    def get_queryset(self, request: HttpRequest) -> QuerySet[PurgeRun]:
        """Without what the list does not show: reports and named deals may be large."""
        rows = super().get_queryset(request).defer(*UNLISTED)
        lost = Q(status=PurgeRun.Status.FAILED, started_at__isnull=False, report__isnull=True)
        return rows.annotate(first_deal=F("deals__0"), lost=lost)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[PurgeRun], search_term: str
    ) -> tuple[QuerySet[PurgeRun], bool]:
        """Runs that touched the deal or named it, that run, or those of somebody."""
        return filters.search(queryset, search_term), False

    @admin.display(description=_("status"), ordering="status")
    def state(self, run: PurgeRun) -> str:
        """The status as a badge."""
        return format_html('<span class="dp-badge dp-{}">{}</span>', run.status, run.get_status_display())

    @admin.display(description=_("run"), ordering="dry_run")
    def what(self, run: PurgeRun) -> str:
        """Whether anything was to be deleted."""
        if run.inventory:
            return str(_("inventory"))
        if run.is_restore:
            return str(_("restore preview")) if run.dry_run else format_html("<strong>{}</strong>", _("restore"))
        return str(_("dry run")) if run.dry_run else format_html("<strong>{}</strong>", _("purge"))

    @admin.display(description=_("scope"))
    def scope_in_words(self, run: PurgeRun) -> str:
        """Which deals."""
        return formatting.scope(run, getattr(run, "first_deal", None))

    @admin.display(description=_("by"), ordering="actor_name")
    def who(self, run: PurgeRun) -> str:
        """The name as it was at the time, and the door."""
        door = _("via %s") % run.get_source_display()
        return format_html('{} <span class="dp-quiet">{}</span>', plain(run.actor_name) or "-", door)

    @admin.display(description=_("created"), ordering="created_at")
    def when(self, run: PurgeRun) -> str:
        """In UTC, as everywhere in the console; a narrow column breaks it in front of the time, not behind it."""
        return formatting.utc(run.created_at).replace(" UTC", "\u00a0UTC")

    @admin.display(description=_("the deal"))
    def outcome_of_deal(self, run: PurgeRun) -> str:
        """What became of the deal that is looked for; nothing where the run did not meet it, or it is no deal."""
        outcome = getattr(run, "deal_outcome", None)
        if outcome is None:
            return formatting.NOTHING
        return render_to_string("admin/dealpurge/purgerun/outcome.html", {"badge": badge(outcome)})

    @admin.display(description=_("deals"), ordering="deals_purged")
    def deals_in_numbers(self, run: PurgeRun) -> str:
        """Deals purged, of those that were there; in a dry run, those that would be."""
        if run.inventory or not run.is_over or getattr(run, "lost", False):
            return formatting.NOTHING
        met = sum(count for name, count in (run.outcomes or {}).items() if name != Outcome.NOT_FOUND)
        told = formatting.number(run.deals_purged)
        if run.is_restore and run.dry_run:
            return format_html('<span class="dp-quiet">{}</span>', _("%s would come back") % told)
        if not run.is_restore and met > run.deals_purged:
            told = _("%(n)s of %(all)s") % {"n": told, "all": formatting.number(met)}
        return format_html('<span class="dp-quiet">{}</span>', _("%s would go") % told) if run.dry_run else told

    @admin.display(description=_("keys"), ordering="keys_deleted")
    def keys(self, run: PurgeRun) -> str:
        """Keys deleted; in a dry run, those that would be, and said so."""
        if run.inventory:
            return "-"
        if run.dry_run:
            words = _("%s would come back") if run.is_restore else _("%s would go")
            return format_html('<span class="dp-quiet">{}</span>', words % formatting.number(run.keys_to_go))
        number = formatting.number(run.keys_restored if run.is_restore else run.keys_deleted)
        return _("at least %s") % number if getattr(run, "lost", False) else number

    @admin.display(description=_("took"))
    def took(self, run: PurgeRun) -> str:
        """From start to end."""
        if not (run.started_at and run.finished_at):
            return "-"
        return formatting.duration(round((run.finished_at - run.started_at).total_seconds() * 1000))
