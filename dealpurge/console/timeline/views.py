"""The address of a deal's timeline, and its CSV."""

from __future__ import annotations

from datetime import UTC, datetime

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern

from dealpurge.console.base import viewers_only
from dealpurge.console.deals.links import addresses
from dealpurge.console.forms.purge import write_deals
from dealpurge.console.forms.span import HOUR
from dealpurge.console.runs import csv_export
from dealpurge.console.runs.views import Console
from dealpurge.console.timeline.now import DealNow
from dealpurge.console.timeline.page import TimelinePage
from dealpurge.scope import Deal, id_problem


class TimelineConsole(Console):
    """Views of one deal in all runs."""

    def timeline_urls(self) -> list[URLPattern]:
        """Our addresses. Ids may hold a slash, so they stand in the query."""
        return [
            self.route("deal/", self.timeline_view, "deal"),
            self.route("deal/export/", self.export_timeline_view, "export_timeline"),
        ]

    @viewers_only
    def timeline_view(self, request: HttpRequest) -> HttpResponse:
        """Everything that happened to it."""
        deal = _deal(request)
        page, now = TimelinePage(deal, request.GET), datetime.now(UTC)
        return self.page(
            request,
            "timeline.html",
            title=page.name,
            page=page,
            now=now,
            today=DealNow(deal, page.scan, now),
            host=addresses(self.admin_site, request, [deal]).get(deal),
            named=write_deals([deal]),
            hour=HOUR,
        )

    @viewers_only
    def export_timeline_view(self, request: HttpRequest) -> HttpResponseBase:
        """The same as a file."""
        return csv_export.timeline_file(TimelinePage(_deal(request), request.GET).rows)


def _deal(request: HttpRequest) -> Deal:
    org_id, deal_id = request.GET.get("org") or None, request.GET.get("deal", "")
    if id_problem(deal_id) or (org_id and id_problem(org_id)):
        raise Http404
    return org_id, deal_id
