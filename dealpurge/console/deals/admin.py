"""``DealPurgeAdminMixin``: the host's own deals, with buttons that lead into the console."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core import checks
from django.core.exceptions import FieldDoesNotExist, PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.loader import select_template
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dealpurge.console.formatting import number
from dealpurge.console.forms.prefilled import MAX_QUERY
from dealpurge.console.forms.purge import MAX_DEALS, PurgeForm, write_deals
from dealpurge.models import PurgeRun
from dealpurge.permissions import may_purge, may_view_runs
from dealpurge.scope import Deal, id_problem

if TYPE_CHECKING:
    HostModelAdmin = admin.ModelAdmin[Any]
else:
    HostModelAdmin = object

ACTION = "purge_redis_state"


class DealPurgeAdminMixin(HostModelAdmin):
    """Put it before ``ModelAdmin`` among the bases. Its buttons appear for who may purge.

    The fields may follow relations, as ``"organization__slug"`` does.
    """

    #: The field that holds the deal's id as it stands in Redis keys.
    purge_deal_field = "deal_id"
    #: The field that holds the organisation's id; None where deals have none.
    purge_org_field: str | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # None means that the host wants no actions at all.
        if self.actions is not None and ACTION not in self.actions:
            self.actions = [*self.actions, ACTION]

    @admin.action(permissions=["purge_deals"], description=gettext_lazy("Purge Redis state of selected deals"))
    def purge_redis_state(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseBase | None:
        """Lead into the console with the selected deals; an action itself purges nothing."""
        if not may_purge(request.user):
            raise PermissionDenied
        selected = queryset[: MAX_DEALS + 1]
        deals, rows = list(self.purge_deals_of(selected)), selected.count()
        if rows > MAX_DEALS:
            text = _("Select at most %(n)s deals, or purge all deals of their organisation.")
            self.message_user(request, text % {"n": number(MAX_DEALS)}, messages.ERROR)
            return None
        if len(deals) < rows:
            self._tell_left_out(request, rows - len(deals))
        if not deals:
            return None
        initial = {"mode": PurgeRun.RunMode.BY_DEAL.value, "deals": write_deals(deals)}
        query = urlencode(initial)
        if len(query) <= MAX_QUERY:
            return HttpResponseRedirect(f"{self._console_address('purge')}?{query}")
        console: Any = self.admin_site._registry[PurgeRun]
        return console.form_page(request, PurgeForm(initial=initial))  # type: ignore[no-any-return]

    def has_purge_deals_permission(self, request: HttpRequest) -> bool:
        """Whether the action is offered."""
        return may_purge(request.user)

    def purge_deals_of(self, queryset: QuerySet[Any]) -> Iterator[Deal]:
        """The ``(org_id, deal_id)`` of rows, without those that no key can name: nothing is trimmed to become an id,
        and a row that lacks the organisation which others have must not stand for the deals of all of them."""
        fields = (self.purge_org_field or self.purge_deal_field, self.purge_deal_field)
        for values in queryset.values_list(*fields):
            org_id, deal_id = map(_as_text, values)
            if deal_id is not None and self._can_name(org_id, deal_id):
                yield (org_id if self.purge_org_field else None), deal_id

    def purge_find(self, deals: Iterable[Deal]) -> dict[Deal, Any]:
        """The host's objects of deals, by the pair that was asked for, with one query.

        Where a pair without an organisation could mean several, none of them is.
        """
        wanted, twice = set(deals), set[Deal]()
        field = _field(self.model, self.purge_deal_field)
        condition = {f"{self.purge_deal_field}__in": {deal_id for _org, deal_id in wanted if _can_hold(field, deal_id)}}
        found: dict[Deal, Any] = {}
        rows, relations = self.model._default_manager.filter(**condition), self._purge_relations()
        # Without names it would follow every relation that a deal has.
        for item in rows.select_related(*relations) if relations else rows:
            org_id, deal_id = self._purge_pair(item)
            for pair in {(org_id, deal_id), (None, deal_id)} & wanted:
                if pair in found:
                    twice.add(pair)
                found[pair] = item
        return {pair: item for pair, item in found.items() if pair not in twice}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Add the button to whatever template the host's list has."""
        response = super().changelist_view(request, extra_context)
        if isinstance(response, TemplateResponse) and "cl" in (response.context_data or {}):
            query = urlencode({"mode": PurgeRun.RunMode.ALL.value})
            purge = f"{self._console_address('purge')}?{query}" if may_purge(request.user) else ""
            self._extend(response, "deal_list.html", dealpurge_address=purge)
        return response

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        """Add the button to whatever template the host's form has."""
        response = super().render_change_form(request, context, *args, **kwargs)
        item = context.get("original")
        if isinstance(response, TemplateResponse) and item is not None and item.pk:
            org_id, deal_id = self._purge_pair(item)
            if self._can_name(org_id, deal_id):
                query = urlencode({"mode": PurgeRun.RunMode.BY_DEAL.value, "deals": write_deals([(org_id, deal_id)])})
                purge = f"{self._console_address('purge')}?{query}" if may_purge(request.user) else ""
                query = urlencode({"org": org_id or "", "deal": deal_id})
                timeline = f"{self._console_address('deal')}?{query}" if may_view_runs(request.user) else ""
                self._extend(response, "deal_form.html", dealpurge_address=purge, dealpurge_timeline=timeline)
        return response

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """The admin's own checks, and that our fields are some."""
        return [*super().check(**kwargs), *self._check_fields()]

    def _extend(self, response: TemplateResponse, template: str, **addresses: str) -> None:
        if response.is_rendered or not any(addresses.values()):
            return
        names = response.template_name
        base = names if hasattr(names, "render") else select_template([names] if isinstance(names, str) else names)
        response.context_data = {
            **(response.context_data or {}),
            "dealpurge_base_template": base,
            **addresses,
        }
        response.template_name = f"admin/dealpurge/{template}"

    def _console_address(self, name: str) -> str:
        return reverse(f"admin:dealpurge_purgerun_{name}", current_app=self.admin_site.name)

    def _tell_left_out(self, request: HttpRequest, count: int) -> None:
        text = ngettext(
            "%(n)s selected deal has no id, or no organisation, as Redis keys have them, and was left out.",
            "%(n)s selected deals have no id, or no organisation, as Redis keys have them, and were left out.",
            count,
        )
        self.message_user(request, text % {"n": number(count)}, messages.WARNING)

    def _can_name(self, org_id: str | None, deal_id: str) -> bool:
        """Whether keys can name this deal, and the form's text too: one a line, a colon after the organisation."""
        return id_problem(deal_id) is None and (self.purge_org_field is None or id_problem(org_id) is None)

    def _purge_pair(self, item: Model) -> tuple[str | None, str]:
        org_id = None if self.purge_org_field is None else _as_text(_follow(item, self.purge_org_field))
        return org_id, _as_text(_follow(item, self.purge_deal_field)) or ""

    def _purge_relations(self) -> list[str]:
        paths = [self.purge_deal_field, self.purge_org_field or ""]
        return [path.rpartition(LOOKUP_SEP)[0] for path in paths if LOOKUP_SEP in path]

    def _check_fields(self) -> Iterator[checks.CheckMessage]:
        for name in ("purge_deal_field", "purge_org_field"):
            path = getattr(self, name)
            if path is None and name == "purge_org_field":
                continue
            if _field(self.model, path) is None:
                yield checks.Error(
                    f"{name} of {type(self).__name__} is {path!r}, which is no field of {self.model.__name__}.",
                    hint="Name a field of the model, or follow a relation to one: organization__slug.",
                    obj=type(self),
                    id="dealpurge.E020",
                )


def _follow(item: Any, path: str) -> Any:
    for name in path.split(LOOKUP_SEP):
        item = getattr(item, name, None)
    return item.pk if isinstance(item, Model) else item


def _as_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _field(model: type[Model] | None, path: Any) -> Any:
    """The field that the path leads to, or None."""
    field: Any = None
    for name in path.split(LOOKUP_SEP) if isinstance(path, str) else ():
        try:
            field = model._meta.get_field(name) if model else None
        except FieldDoesNotExist:
            return None
        if field is None:
            return None
        model = field.related_model if field.is_relation else None
    return field


def _can_hold(field: Any, text: str) -> bool:
    """Whether the field takes the text: ids in Redis come from anywhere, and a query for one that is no number where
    the host's are numbers, or too large a one, is an error."""
    target = getattr(field, "target_field", field)
    try:
        value = target.to_python(text)
        if isinstance(value, int):
            target.run_validators(value)
    except (ValueError, ValidationError):
        return False
    return True
