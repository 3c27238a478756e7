"""A purge stands in the history of the host's deals too: a ``LogEntry`` for each deal that lost keys."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.sites import all_sites

from dealpurge.console.deals.admin import DealPurgeAdminMixin
from dealpurge.console.deals.links import deal_admins
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs.database import alias
from dealpurge.scope import Deal

#: Deals in one query; SQLite once took 999 parameters.
BATCH = 500

#: In the language of the record, not of who looks: it is stored.
MESSAGES = {
    PurgeRunDeal.Outcome.PURGED: "Redis state purged (run {}).",
    PurgeRunDeal.Outcome.NOT_REMOVED: "Redis state purged, though some keys could not be removed (run {}).",
    PurgeRunDeal.Outcome.INTERRUPTED: "Redis state purged in part (run {}).",
}


def record(run: PurgeRun, **kwargs: Any) -> None:
    """Receiver of ``purge_finished``. An entry needs a user, so runs of nobody leave none."""
    if run.dry_run or run.actor_id is None:
        return
    # A model may be on several sites.
    for admin in {item.model: item for item in deal_admins(all_sites)}.values():
        for outcome, message in MESSAGES.items():
            for deals in _batches(run, outcome):
                _log(admin, run.actor_id, deals, message.format(run.pk))


def _log(admin: DealPurgeAdminMixin, user_id: int, deals: list[Deal], message: str) -> None:
    items = {item.pk: item for item in admin.purge_find(deals).values()}
    if items:
        LogEntry.objects.log_actions(user_id, list(items.values()), CHANGE, change_message=message)


def _batches(run: PurgeRun, outcome: str) -> Iterator[list[Deal]]:
    rows = (
        PurgeRunDeal.objects.using(alias())
        .filter(run=run, outcome=outcome)
        .values_list("org_id", "deal_id")
        .iterator(chunk_size=BATCH)
    )
    while batch := list(islice(rows, BATCH)):
        yield batch
