"""What the record lets go of: rows of deals, dry runs, and if asked for live runs, past their time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from dealpurge.models import InventoryDeal, PurgeRun, PurgeRunDeal
from dealpurge.runs.database import alias, bounded, delete_in_batches, stored

#: What dry runs tell of deals is of use while they may be applied, and some days more for who looks back.
PREVIEW_DEALS_KEPT = timedelta(days=7)
#: Idempotency keys and rate limits look back for a day.
LEAST = timedelta(days=1)
#: Runs whose rows are looked for in one query: of some, hundreds of thousands may be found.
RUNS_AT_ONCE = 20
#: Runs that are listed in one query.
RUNS_LISTED = 1000

OVER = ~Q(status__in=(PurgeRun.Status.QUEUED, PurgeRun.Status.RUNNING))
#: What may be dropped, in the order in which it is.
PREVIEW_DEALS, LIVE_DEALS, INVENTORY_DEALS = "deals of dry runs", "deals of purges", "deals of inventories"
LIVE_RUNS, DRY_RUNS = "purges", "dry runs"


class Pruning:
    """Rows of runs that are over and were asked for longer ago than ``older_than``, by the database's clock.

    Rows of deals of dry runs go after a week at the latest. A dry run stays as long as the purge that it became, and
    live runs stay unless ``live_runs`` says otherwise.
    """

    def __init__(self, older_than: timedelta, *, live_runs: bool = False) -> None:
        self.older_than, self.live_runs = older_than, live_runs
        #: Rows that were dropped, or would be, by what they are.
        self.rows: Counter[str] = Counter(dict.fromkeys(self.subjects(), 0))

    def subjects(self) -> list[str]:
        """What is looked for."""
        return [PREVIEW_DEALS, LIVE_DEALS, INVENTORY_DEALS, *([LIVE_RUNS] if self.live_runs else []), DRY_RUNS]

    def steps(self, *, dry_run: bool) -> Iterator[None]:
        """Count, or delete and count, step by step; whoever stops in between has lost nothing. Raises what the database
        does; each batch is a transaction of its own."""
        for name in self.subjects():
            for rows in self._portions(name):
                if dry_run:
                    with bounded():
                        self.rows[name] += rows.count()
                    yield
                else:
                    for count in delete_in_batches(rows):
                        self.rows[name] += count
                        yield

    def _portions(self, name: str) -> Iterator[QuerySet[Model]]:
        """The rows, in querysets that a database counts within seconds."""
        runs, previews = past(self.older_than), past(min(self.older_than, PREVIEW_DEALS_KEPT)).filter(dry_run=True)
        deals: QuerySet[Model] = PurgeRunDeal.objects.using(alias()).all()
        if name == PREVIEW_DEALS:
            yield from _of_runs(deals, previews)
        elif name == LIVE_DEALS:
            yield from _of_runs(deals, runs.filter(dry_run=False))
        elif name == INVENTORY_DEALS:
            yield from _of_runs(InventoryDeal.objects.using(alias()).all(), runs.filter(inventory=True))
        elif name == LIVE_RUNS:
            yield runs.filter(dry_run=False)
        else:
            became = stored().filter(preview=OuterRef("pk"))
            if self.live_runs:  # those that are to go do not keep their previews
                became = became.exclude(pk__in=runs.values("pk"))
            yield runs.filter(~Exists(became), dry_run=True)


def past(age: timedelta) -> QuerySet[PurgeRun]:
    """Runs that are over and were asked for longer ago, by the database's clock."""
    return stored().filter(OVER, created_at__lt=Now() - age)


def _of_runs(rows: QuerySet[Model], runs: QuerySet[PurgeRun]) -> Iterator[QuerySet[Model]]:
    """The rows that belong to the runs, of a few runs at once."""
    listed = runs.order_by("created_at", "pk").values_list("created_at", "pk")
    behind = Q()
    while True:
        with bounded():
            found = list(listed.filter(behind)[:RUNS_LISTED])
        for start in range(0, len(found), RUNS_AT_ONCE):
            yield rows.filter(run__in=[pk for _, pk in found[start : start + RUNS_AT_ONCE]])
        if len(found) < RUNS_LISTED:
            return
        moment, pk = found[-1]
        behind = Q(created_at__gt=moment) | Q(created_at=moment, pk__gt=pk)
