"""The flow of a restore: asked for at a purge or a deal, previewed, and the POST that applies it."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern
from django.utils.translation import gettext as _

from dealpurge import services
from dealpurge.conf import conf
from dealpurge.console.base import restorers_only
from dealpurge.console.forms.confirm import ConfirmForm
from dealpurge.console.forms.purge import read_deals
from dealpurge.console.restores.deal_table import RestoredTable
from dealpurge.console.restores.page import RestorePage, question_of
from dealpurge.console.runs import csv_export
from dealpurge.console.runs.views import Console, current_user
from dealpurge.exceptions import DealPurgeError
from dealpurge.models import PurgeRun
from dealpurge.previews.preview import Preview
from dealpurge.previews.restoring import RestorePreview
from dealpurge.runs.store import Origin
from dealpurge.scope import RestoreScope

#: Characters of a reason that are taken.
REASON_LENGTH = 1000


class RestoreConsole(Console):
    """Views of restores, beside those of all runs."""

    def restore_urls(self) -> list[URLPattern]:
        """Our addresses: of a purge, and of a restore's preview."""
        return [
            self.route("<uuid:run_id>/restore/", self.restore_view, "restore"),
            self.route("<uuid:run_id>/restore/apply/", self.restore_apply_view, "restore_apply"),
        ]

    @restorers_only
    def restore_view(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """Preview a restore of this purge, of the ``deals`` that are named or of all; of a restore the same again, but
        for what ``leave_mixed`` and ``skip_damaged`` say."""
        if request.method != "POST":
            return self.go("change", run_id)
        run = self.load(run_id, Preview.load_brief).run
        try:
            if run.is_restore:
                run = self.load(run_id).run
                scope = replace(
                    run.restore_scope,
                    dry_run=True,
                    leave_mixed=run.leave_mixed or "leave_mixed" in request.POST,
                    skip_damaged=run.skip_damaged or "skip_damaged" in request.POST,
                )
                purge_id, reason = UUID(str(run.restored_run_id)), run.reason
            else:
                scope = RestoreScope(deals=tuple(read_deals(request.POST.get("deals", ""), None)))
                purge_id, reason = run_id, ""
            origin = Origin(source=PurgeRun.Source.ADMIN, actor=current_user(request), reason=reason)
            return self.go("change", services.queue_restore(purge_id, scope, origin).pk)
        except DealPurgeError as exc:
            self.complain(request, exc)
            return self.go("change", run_id)

    @restorers_only
    def restore_apply_view(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """Start the restore of a preview. A second click finds the one that the first one started."""
        preview = self._preview(self.load(run_id))
        if not preview.run.is_restore or request.method != "POST" or preview.refusal(current_user(request)):
            return self._refused(request, preview)
        form, reason = _form(preview, request), request.POST.get("reason", "").strip()[:REASON_LENGTH]
        if form and not form.is_valid():
            return self._run_page(request, preview, form)
        if conf.reason_required and not (reason or preview.run.reason):
            self.message_user(
                request, _("Give a reason or a ticket: here nothing is restored without."), messages.ERROR
            )
            return self.go("change", run_id)
        applied = None
        try:
            applied = preview.apply(current_user(request), reason)
        except DealPurgeError as exc:
            self.complain(request, exc)
        return self.go("change", applied.pk if applied else run_id)

    def export_of(self, request: HttpRequest, run: PurgeRun) -> HttpResponseBase:
        """All deals that the table shows with the same query."""
        if run.is_restore:
            return csv_export.restored_file(run, RestoredTable(run, request.GET, self.timeline_of).matching)
        return super().export_of(request, run)

    def _run_page(self, request: HttpRequest, preview: Preview, form: ConfirmForm | None = None) -> HttpResponse:
        run, user = preview.run, current_user(request)
        if not run.is_restore:
            return super()._run_page(request, preview, form)
        preview.mark_seen(user)
        page = RestorePage(self._preview(preview), user, form, request.POST.get("reason", ""))
        return self.page(
            request,
            "restore.html",
            title=page.title,
            page=page,
            run=run,
            now=preview.now,
            table=RestoredTable(run, request.GET, self.timeline_of) if run.report else None,
            named=page.named(self.timeline_of),
        )

    def _preview(self, preview: Preview) -> RestorePreview:
        return RestorePreview(preview.run, preview.now)


def _form(preview: RestorePreview, request: HttpRequest) -> ConfirmForm | None:
    """What was typed, to be judged by the preview's row and the settings of this moment; None if a click is enough."""
    question = question_of(preview)
    return ConfirmForm(request.POST, confirmation=question) if question.words else None
