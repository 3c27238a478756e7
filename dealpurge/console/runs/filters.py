"""Filters and search of the list of runs."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from itertools import chain
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db import connections
from django.db.models import OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from dealpurge.models import PurgeRun, PurgeRunDeal, RestoredDeal, stored_zone
from dealpurge.runs.database import storable
from dealpurge.runs.deals.queries import FIRST
from dealpurge.scope import BLANKS

#: Longer than any id or name; SQLite refuses to look for 50,000 characters.
LONGEST_TERM = 255
#: Years that have one before and one behind them, in whatever time zone.
YEAR = re.compile(r"[1-8][0-9]{3}")


class RunList(ChangeList):
    """The list as its filters narrow it. Raises ``IncorrectLookupParameters`` for all else that a query may ask of it.

    Django lets through every lookup of every field, those too that the field or the database has no answer to.
    """

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        texts = chain(request.GET, *(values for _name, values in request.GET.lists()))
        if any(storable(text) != text for text in texts):
            raise IncorrectLookupParameters
        super().__init__(request, *args, **kwargs)

    def get_filters(self, request: HttpRequest) -> Any:
        """Those of the list; what none of them takes is refused."""
        year = request.GET.get(f"{self.date_hierarchy}__year")
        if year is not None and not YEAR.fullmatch(year):
            raise IncorrectLookupParameters
        found: Any = super().get_filters(request)
        # A filter of the host's by the same date takes lookups of these names too.
        of_year = set() if year is None else {f"{self.date_hierarchy}__gte", f"{self.date_hierarchy}__lt"}
        if (found[2].keys() - of_year) & request.GET.keys():
            raise IncorrectLookupParameters
        if not settings.USE_TZ:  # the days that are offered begin where the database has them begin
            zone = stored_zone(connections[self.root_queryset.db])
            for bounds in found[2].values():
                bounds[:] = [moment.replace(tzinfo=zone) for moment in bounds]
        return found


class KindFilter(admin.SimpleListFilter):
    """Purges, dry runs, inventories, restores."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """What there is."""
        return [
            ("purge", _("purge")),
            ("dry_run", _("dry run")),
            ("inventory", _("inventory")),
            ("restore", _("restore")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PurgeRun]) -> QuerySet[PurgeRun]:
        """Runs of the chosen kind."""
        match self.value():
            case "purge":
                return queryset.filter(dry_run=False, restored_run=None)
            case "dry_run":
                return queryset.filter(dry_run=True, inventory=False, restored_run=None)
            case "restore":
                return queryset.filter(restored_run__isnull=False)
            case "inventory":
                return queryset.filter(inventory=True)
        return queryset


def search(queryset: QuerySet[PurgeRun], text: str) -> QuerySet[PurgeRun]:
    """Runs that met the deal or named it, each with its outcome there as ``deal_outcome``; runs of the organisation,
    of somebody, for the reason; that run."""
    term = text.strip(BLANKS)
    if not term:
        return queryset
    if len(term) > LONGEST_TERM or storable(term) != term:
        return queryset.none()
    org_id, colon, deal_id = term.rpartition(":")
    met = _met(term)
    condition = (
        Q(pk__in=met.values("run_id"))
        | Q(pk__in=_restored(term).values("run_id"))
        | Q(actor_name__icontains=term)
        | Q(reason__icontains=term)
    )
    condition |= _names(org_id, deal_id) if colon else Q(org_id=term) | _names(None, term) | _names(term, None)
    with suppress(ValueError):
        condition |= Q(pk=UUID(term))
    there = met.filter(run=OuterRef("pk")).order_by(FIRST, "pk").values("outcome")[:1]
    runs = queryset.alias(deals_text=Cast("deals", TextField())).filter(condition)
    return runs.annotate(deal_outcome=Subquery(there))


def is_of_deal(text: str) -> bool:
    """Whether some run has met a deal that is called so."""
    term = text.strip(BLANKS)
    return bool(term) and len(term) <= LONGEST_TERM and storable(term) == term and _met(term).exists()


def _met(term: str) -> QuerySet[PurgeRunDeal]:
    return PurgeRunDeal.objects.filter(_is_called(term))


def _restored(term: str) -> QuerySet[RestoredDeal]:
    return RestoredDeal.objects.filter(_is_called(term))


def _is_called(term: str) -> Q:
    org_id, colon, deal_id = term.rpartition(":")
    return Q(deal_id=deal_id) & (Q(org_id=org_id) | Q(org_id=None)) if colon else Q(deal_id=deal_id)


def _names(org_id: str | None, deal_id: str | None) -> Q:
    """Runs that name the deal, or deals of the organisation, read from the stored JSON: databases differ in whether
    they keep it ASCII."""
    condition = Q()
    for ascii_only in (True, False):
        org, deal = (json.dumps(text, ensure_ascii=ascii_only) for text in (org_id, deal_id))
        text = f"[{org}, {deal}]" if org_id and deal_id else f", {deal}]" if deal_id else f"[{org}, "
        condition |= Q(deals_text__contains=text)
    return condition
