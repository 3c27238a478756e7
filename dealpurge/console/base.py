"""What all pages of the console share: their addresses in whatever admin site, their frame, and who may see them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlencode

import django
from django.contrib import admin, messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect

from dealpurge.console.strip import Strip
from dealpurge.console.translation import in_language
from dealpurge.exceptions import DealPurgeError, PurgeInProgress
from dealpurge.i18n import said_by
from dealpurge.models import InventoryDeal, PurgeRun
from dealpurge.permissions import may_purge, may_restore, may_view_runs

if TYPE_CHECKING:
    RunModelAdmin = admin.ModelAdmin[PurgeRun]
else:
    RunModelAdmin = admin.ModelAdmin

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def purgers_only(view: View) -> View:
    """403 for who may not purge."""
    return _allowed(may_purge, view)


def restorers_only(view: View) -> View:
    """403 for who may not restore."""
    return _allowed(may_restore, view)


def viewers_only(view: View) -> View:
    """403 for who may not see the record."""
    return _allowed(may_view_runs, view)


def non_atomic(view: View) -> View:
    """Keep ``ATOMIC_REQUESTS`` of any database away: every write of a run is a transaction of its own."""
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def _allowed(test: Callable[[Any], bool], view: View) -> View:
    @wraps(view)
    def guarded(page: ConsolePages, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not test(request.user):
            raise PermissionDenied
        return view(page, request, *args, **kwargs)

    return cast(View, guarded)


class ConsolePages(RunModelAdmin):
    """The frame of a page and the address of one."""

    def address(self, name: str, *args: Any) -> str:
        """The URL of one of our pages in this admin site."""
        return reverse(f"admin:dealpurge_purgerun_{name}", args=args, current_app=self.admin_site.name)

    @property
    def home_address(self) -> str:
        """The URL of the app's first page, where the site has the deals in Redis among its models or not."""
        if not self.admin_site.is_registered(InventoryDeal):
            return self.address("latest_inventory")
        return reverse("admin:dealpurge_inventorydeal_changelist", current_app=self.admin_site.name)

    def timeline_of(self, org_id: str | None, deal_id: str) -> str:
        """The URL of what happened to a deal."""
        query = {"org": org_id} if org_id is not None else {}
        return f"{self.address('deal')}?{urlencode(query | {'deal': deal_id})}"

    def route(
        self,
        route: str,
        view: Callable[..., HttpResponseBase],
        name: str,
        kept: Callable[[QueryDict], str] | None = None,
    ) -> URLPattern:
        """A URL pattern of ours, behind the site's login and outside of any transaction. ``kept``: the query that fills
        in again what was sent by somebody who has to log in first."""
        behind_login = self.admin_site.admin_view(view)

        def entrance(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if kept and request.method == "POST" and not self.admin_site.has_permission(request):
                login = reverse("admin:login", current_app=self.admin_site.name)
                return redirect_to_login(f"{request.path}?{kept(request.POST)}", login)
            return behind_login(request, *args, **kwargs)

        # Who looks at the view must still find what Django wrote on it.
        wrapped = csrf_protect(wraps(behind_login)(entrance)) if kept else behind_login
        return path(route, non_atomic(wrapped), name=f"dealpurge_purgerun_{name}")

    def go(self, name: str, *args: Any) -> HttpResponseRedirect:
        """Redirect to one of our pages."""
        return HttpResponseRedirect(self.address(name, *args))

    def page(self, request: HttpRequest, template: str, *, title: str, **context: Any) -> TemplateResponse:
        """A page of ours in the frame of the admin."""
        request.current_app = self.admin_site.name
        frame = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "may_purge": may_purge(request.user),
            "may_restore": may_restore(request.user),
            "strip": Strip(),
            "home_address": self.home_address,
            # Their markup changed in Django 6.1.
            "breadcrumbs_are_a_list": django.VERSION >= (6, 1),
        }
        return TemplateResponse(request, f"admin/dealpurge/purgerun/{template}", frame | context)

    def complain(self, request: HttpRequest, exc: DealPurgeError) -> None:
        """Tell why nothing was started."""
        if isinstance(exc, PurgeInProgress) and exc.run_id:
            link = format_html('<a href="{}">{}</a>', self.address("change", exc.run_id), _("Look at it."))
            words = _("A restore is under way.") if exc.is_restore else _("Another purge of all deals is under way.")
            text: str = format_html("{} {}", words, link)
        else:
            text = in_language(said_by(exc))
        self.message_user(request, text, messages.ERROR)
