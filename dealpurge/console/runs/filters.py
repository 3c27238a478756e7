"""Filters and search of the list of runs."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from dealpurge.console.forms import BLANKS
from dealpurge.models import PurgeRun, PurgeRunDeal


class KindFilter(admin.SimpleListFilter):
    """Purges, dry runs, inventories."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """What there is."""
        return [("purge", _("purge")), ("dry_run", _("dry run")), ("inventory", _("inventory"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PurgeRun]) -> QuerySet[PurgeRun]:
        """Runs of the chosen kind."""
        match self.value():
            case "purge":
                return queryset.filter(dry_run=False)
            case "dry_run":
                return queryset.filter(dry_run=True, inventory=False)
            case "inventory":
                return queryset.filter(inventory=True)
        return queryset


def search(queryset: QuerySet[PurgeRun], text: str) -> QuerySet[PurgeRun]:
    """Runs that touched the deal or named it, that run, or those of somebody."""
    term = text.strip(BLANKS)
    if not term:
        return queryset
    touched = PurgeRunDeal.objects.filter(deal_id=term).values("run_id")
    condition = Q(pk__in=touched) | Q(actor_name__icontains=term) | _names(term)
    with suppress(ValueError):
        condition |= Q(pk=UUID(term))
    return queryset.alias(deals_text=Cast("deals", TextField())).filter(condition)


def _names(deal_id: str) -> Q:
    """Runs that name the deal, read from the stored JSON: databases differ in whether they keep it ASCII."""
    condition = Q()
    for text in {json.dumps(deal_id), json.dumps(deal_id, ensure_ascii=False)}:
        condition |= Q(deals_text__contains=f", {text}]")
    return condition
