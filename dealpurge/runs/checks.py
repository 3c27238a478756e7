"""System checks of the record itself: whether anybody prunes it, and lets archives go that are past their time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.core.checks import CheckMessage, Warning
from django.db import Error as DatabaseTrouble
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.db.models.functions import Now

from dealpurge.models import InventoryDeal, PurgeRun, PurgeRunDeal
from dealpurge.runs.archive.removal import KEPT
from dealpurge.runs.database import alias, bounded, stored
from dealpurge.runs.pruning import PREVIEW_DEALS_KEPT, past

#: What somebody prunes is gone by then, even if they keep it for two years and prune once a week.
WEEKS_AGO, YEARS_AGO = 2 * PREVIEW_DEALS_KEPT, timedelta(days=2 * 366 + 7)
#: An archive is gone by then if somebody removes them every night.
NIGHTS = timedelta(days=2)


def check_pruning(app_configs: Any = None, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """For ``check --database`` and ``migrate``, which ask databases. Nothing where it cannot be asked."""
    if alias() not in (databases or ()):
        return []
    try:
        words = _words()
    except DatabaseTrouble:  # not migrated yet, or away
        return []
    if not words:
        return []
    hint = "Have manage.py prune_purge_runs --older-than 400d --no-dry-run --quiet run every day."
    return [Warning(f"Nothing prunes the record of purges: it has {words}.", hint=hint, id="dealpurge.W009")]


def check_expired_archives(
    app_configs: Any = None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """For the same, as archives hold what deals held. Nothing where the database cannot be asked."""
    if alias() not in (databases or ()):
        return []
    try:
        with bounded():
            number = stored().filter(KEPT, archived_until__lt=Now() - NIGHTS).count()
    except DatabaseTrouble:
        return []
    if not number:
        return []
    words = f"Nothing removes archives that are past their time: {number} {'is' if number == 1 else 'are'} still there."
    hint = "Have manage.py purge_archives --no-dry-run --quiet run every day."
    return [Warning(words, hint=hint, id="dealpurge.W011")]


@bounded()
def _words() -> str:
    """What somebody who prunes would have no more; empty if there is nothing."""
    if _has(PurgeRunDeal, past(WEEKS_AGO).filter(dry_run=True)):
        return "deals of dry runs of more than two weeks ago"
    years = past(YEARS_AGO)
    dry_runs = years.filter(dry_run=True, applied=None).order_by()
    if dry_runs.exists() or _has(PurgeRunDeal, years) or _has(InventoryDeal, years.filter(inventory=True)):
        return "rows of more than two years ago"
    return ""


def _has(model: type[Model], runs: QuerySet[PurgeRun]) -> bool:
    """Whether a run has such rows. Run by run: there may be thousands of times as many rows."""
    return runs.filter(Exists(model._base_manager.using(alias()).filter(run=OuterRef("pk")))).exists()
