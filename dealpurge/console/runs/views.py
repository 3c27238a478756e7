"""The flow of the console: form, preview, the POST that applies it, and the page of a run that is under way or over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import Error as DatabaseTrouble
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import URLPattern
from django.utils.translation import gettext as _

from dealpurge import services
from dealpurge.api import address
from dealpurge.console import shell_commands, translation
from dealpurge.console.base import ConsolePages, non_atomic, purgers_only, viewers_only
from dealpurge.console.forms.confirm import ConfirmForm
from dealpurge.console.forms.prefilled import kept_query, of_query, of_run, write_query
from dealpurge.console.forms.purge import PurgeForm
from dealpurge.console.forms.spare import reason_wanted
from dealpurge.console.runs import csv_export
from dealpurge.console.runs.asking import Asking, confirm_form
from dealpurge.console.runs.deal_table import DealTable
from dealpurge.console.runs.missing import MissingDeals
from dealpurge.console.runs.page import RunPage
from dealpurge.console.runs.progress import RunProgress
from dealpurge.console.translation import in_language
from dealpurge.exceptions import DealPurgeError
from dealpurge.i18n import said_by
from dealpurge.models import LOST_AFTER, PurgeRun
from dealpurge.permissions import may_purge, may_restore
from dealpurge.previews.preview import Preview
from dealpurge.risk import HOUR
from dealpurge.runs import inventory, inventory_filter
from dealpurge.runs.archive import restores
from dealpurge.runs.deals.remainder import KINDS, scope_of
from dealpurge.runs.outcome import restored
from dealpurge.runs.outcome.archives import kept_of
from dealpurge.runs.outcome.ends import end_of
from dealpurge.runs.store import Origin
from dealpurge.runs.termination import fail_lost_runs
from dealpurge.scope import PurgeScope

#: Organisations that the form offers, those with most keys first.
MOST_OFFERED = 200


class Console(ConsolePages):
    """Views of the form and of one run."""

    def console_urls(self) -> list[URLPattern]:
        """Our addresses; they stand before the admin's own, whose last one catches all."""
        return [
            self.route("purge/", self.form_view, "purge", kept=kept_query),
            self.route("<uuid:run_id>/progress/", self.progress_view, "progress"),
            self.route("<uuid:run_id>/apply/", self.apply_view, "apply"),
            self.route("<uuid:run_id>/cancel/", self.cancel_view, "cancel"),
            self.route("<uuid:run_id>/repeat/", self.repeat_view, "repeat"),
            self.route("<uuid:run_id>/rest/", self.rest_view, "rest"),
            self.route("<uuid:run_id>/deals/", self.export_deals_view, "export_deals"),
        ]

    @purgers_only
    def form_view(self, request: HttpRequest) -> HttpResponse:
        """Ask what to preview. A POST with ``prefill`` only fills in the form: a selection too long for a URL."""
        if request.method != "POST" or "prefill" in request.POST:
            data = request.POST if request.method == "POST" else request.GET
            if again := data.get("again"):
                run = self.load(again).run
                if run.is_restore:  # what it asked for is no purge
                    return self.go("change", run.pk)
                missing = MissingDeals(run, self.admin_site, request)
                return self.form_page(request, PurgeForm(initial=of_run(run)), missing=missing)
            return self.form_page(request, PurgeForm(initial=of_query(data)))
        form = PurgeForm(request.POST)
        if not form.is_valid():
            return self.form_page(request, form)
        return self.begin(request, form.cleaned_data["scope"], form.cleaned_data["reason"])

    def form_page(self, request: HttpRequest, form: PurgeForm, **known: Any) -> HttpResponse:
        """The form; the mixin's action shows it with many deals filled in."""
        with suppress(DatabaseTrouble):  # which says itself, when something is to be previewed
            if scan := inventory.latest_finished():
                totals = inventory_filter.organisations_of(scan)
                known["organisations"] = [item.org_id for item in totals if item.org_id][:MOST_OFFERED]
                known["scan"] = scan
        return self.page(
            request, "form/page.html", title=_("Purge deals"), form=form, address=self.address("purge"), **known
        )

    def begin(self, request: HttpRequest, scope: PurgeScope, reason: str, **kind: Any) -> HttpResponse:
        """Queue a dry run and show it, or say why there is none."""
        origin = Origin(source=PurgeRun.Source.ADMIN, actor=current_user(request), reason=reason)
        try:
            wanted = reason_wanted(scope)
            if wanted and not (reason or kind):
                self.message_user(request, wanted, messages.ERROR)
                return HttpResponseRedirect(f"{self.address('purge')}?{write_query(scope)}")
            run = services.queue(scope, origin, **kind)
        except DealPurgeError as exc:
            self.complain(request, exc)
            return self.go("purge")
        return self.go("change", run.pk)

    @non_atomic
    @viewers_only
    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The page of a run stands where the admin has the form that changes an object."""
        return self._run_page(request, self.load(object_id))

    @viewers_only
    def progress_view(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """How far a run is, for the script of its page."""
        preview = self.load(run_id, Preview.load_brief)
        told = RunProgress(preview.run, preview.now)
        html = render_to_string("admin/dealpurge/purgerun/phases.html", {"page": told, "run": preview.run}, request)
        words = {name: getattr(told, name) for name in ("badge", "progress", "outlook", "trouble")}
        phase = told.phase["name"] if told.phase else ""
        return JsonResponse({"over": preview.run.is_over, "phase": phase, **words, "html": html})

    @viewers_only
    def export_deals_view(self, request: HttpRequest, run_id: UUID) -> HttpResponseBase:
        """All deals of a run that the table shows with the same query, whatever page of it."""
        return self.export_of(request, self.load(run_id, Preview.load_brief).run)

    def export_of(self, request: HttpRequest, run: PurgeRun) -> HttpResponseBase:
        """All rows of its table."""
        return csv_export.deals_file(run, DealTable(run, request.GET, self.timeline_of).filter.rows(run))

    @purgers_only
    def apply_view(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """Start the live run of a preview. A second click finds the run that the first one started."""
        preview = self.load(run_id)
        applied = preview.applied_as
        if request.method != "POST" or preview.refusal(current_user(request)):
            return self._refused(request, preview)
        form = confirm_form(preview, request.POST)
        if form and not form.is_valid():
            return self._run_page(request, preview, form)
        try:
            applied = preview.apply(current_user(request))
        except DealPurgeError as exc:
            self.complain(request, exc)
        return self.go("change", applied.pk if applied else run_id)

    @viewers_only
    def cancel_view(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """Stop a run at its next page. Who may start such a run may stop one."""
        run = self.load(run_id, Preview.load_brief).run
        if not (may_restore if run.is_restore else may_purge)(current_user(request)):
            raise PermissionDenied
        if request.method == "POST":
            if services.cancel(run.pk, Origin(source=PurgeRun.Source.ADMIN, actor=current_user(request))):
                self.message_user(request, _("The run was told to stop."), messages.INFO)
            else:
                self.message_user(request, _("The run was over already."), messages.WARNING)
        return self.go("change", run_id)

    @purgers_only
    def repeat_view(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """Preview the scope of an earlier run again, with ``guard`` so that deals active within an hour stay."""
        if request.method != "POST":
            return self.go("change", run_id)
        run = self.load(run_id).run
        if run.is_restore:
            return self.go("change", run_id)
        scope = replace(run.scope, dry_run=True)
        if "guard" in request.POST:
            scope = replace(scope, exclude_active_within_secs=HOUR)
        return self.begin(request, scope, run.reason, **({"inventory": True} if run.inventory else {}))

    @purgers_only
    def rest_view(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """Preview what a run left."""
        asked = next((kind for kind in KINDS if kind == request.POST.get("kind")), None)
        if asked is None:
            return self.go("change", run_id)
        run = self.load(run_id).run
        return self.go("change", run_id) if run.is_restore else self.begin(request, scope_of(run, asked), run.reason)

    def load(self, run_id: UUID | str, read: Callable[[UUID], Preview] = Preview.load) -> Preview:
        """A run by its id, found out if it is lost. Raises ``Http404``."""
        try:
            preview = read(UUID(str(run_id)))
            if not preview.run.is_over and _seems_lost(preview):
                fail_lost_runs()
                preview = read(preview.run.pk)
        except (PurgeRun.DoesNotExist, ValueError):
            raise Http404 from None
        return preview

    def _run_page(self, request: HttpRequest, preview: Preview, form: ConfirmForm | None = None) -> HttpResponse:
        run, user = preview.run, current_user(request)
        if run.inventory:
            return self.go("inventory", run.pk)
        preview.mark_seen(user)
        page = RunPage(preview, user)
        api = address.address()
        return self.page(
            request,
            "run.html",
            title=page.title,
            page=page,
            run=run,
            now=preview.now,
            table=DealTable(run, request.GET, self.timeline_of) if run.is_over else None,
            missing=MissingDeals(run, self.admin_site, request) if run.dry_run else None,
            end=end_of(run, translation.error(run)),
            archive=kept_of(run, preview.now),
            restores=restored.told_of(run),
            elsewhere=in_language(restores.elsewhere(run) or ""),
            named=page.named(self.timeline_of),
            asked_samples=request.GET.getlist("sample"),
            ask=Asking(page, form) if run.dry_run and run.status == PurgeRun.Status.COMPLETED else None,
            curl=shell_commands.curl(run, request.build_absolute_uri(api)) if api else None,
        )

    def _refused(self, request: HttpRequest, preview: Preview) -> HttpResponse:
        """Show why a preview is not applied; where it was applied, the run that it became."""
        problem = preview.refusal(current_user(request))
        if preview.applied_as:
            return self.go("change", preview.applied_as.pk)
        if request.method == "POST" and problem:
            self.message_user(request, in_language(said_by(problem)), messages.ERROR)
        return self.go("change", preview.run.pk)


def current_user(request: HttpRequest) -> Any:
    """Who asks; behind the admin's login nobody is anonymous."""
    return request.user


def _seems_lost(preview: Preview) -> bool:
    """Whether a run under way has been silent for so long that it is worth a write to ask the database."""
    run = preview.run
    silent: timedelta = preview.now - (run.heartbeat_at or run.created_at)
    return silent > LOST_AFTER
