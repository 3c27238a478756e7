"""What the record lets go of: rows of deals, dry runs, and if asked for live runs, past their time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from dealpurge.models import InventoryDeal, PurgeRun, PurgeRunDeal, RestoredDeal
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
    live runs stay unless ``live_runs`` says otherwise. So do runs that the host's own rows refer to and do not let go.
    """

    def __init__(self, older_than: timedelta, *, live_runs: bool = False) -> None:
        self.older_than, self.live_runs = older_than, live_runs
        #: Rows that were dropped, or would be, by what they are.
        self.rows: Counter[str] = Counter(dict.fromkeys(self.subjects(), 0))
        #: Runs that were to be dropped, and stay since rows of the host's refer to them.
        self.kept = 0

    def subjects(self) -> list[str]:
        """What is looked for."""
        return [PREVIEW_DEALS, LIVE_DEALS, INVENTORY_DEALS, *([LIVE_RUNS] if self.live_runs else []), DRY_RUNS]

    def steps(self, *, dry_run: bool) -> Iterator[None]:
        """Count, or delete and count, step by step; whoever stops in between has lost nothing. Raises what the database
        does; each batch is a transaction of its own."""
        for name, rows in chain(self._deals(), self._runs(dry_run=dry_run)):
            if dry_run:
                with bounded():
                    self.rows[name] += rows.count()
                yield
            elif rows.model is PurgeRun:
                for keys in listed(rows):
                    yield from self._drop_runs(name, keys)
            else:
                yield from self._drop(name, rows)

    def _drop(self, name: str, rows: QuerySet[Model]) -> Iterator[None]:
        for count in delete_in_batches(rows):
            self.rows[name] += count
            yield
        yield  # also where there were none: whoever wants to stop is asked often

    def _drop_runs(self, name: str, keys: list[UUID]) -> Iterator[None]:
        """By halves where one of them has to stay."""
        try:
            yield from self._drop(name, stored().filter(pk__in=keys))
        except IntegrityError:
            if len(keys) == 1:
                self.kept += 1
                return
            middle = len(keys) // 2
            for half in (keys[:middle], keys[middle:]):
                yield from self._drop_runs(name, half)

    def _deals(self) -> Iterator[tuple[str, QuerySet[Model]]]:
        """Rows of deals, in querysets that a database counts within seconds."""
        runs, previews = past(self.older_than), past(min(self.older_than, PREVIEW_DEALS_KEPT)).filter(dry_run=True)
        live, of_restores = runs.filter(dry_run=False), Q(restored_run__isnull=False)
        deals: QuerySet[Model] = PurgeRunDeal.objects.using(alias()).all()
        restored: QuerySet[Model] = RestoredDeal.objects.using(alias()).all()
        found: QuerySet[Model] = InventoryDeal.objects.using(alias()).all()
        for name, rows, owners in (
            (PREVIEW_DEALS, deals, previews),
            (PREVIEW_DEALS, restored, previews.filter(of_restores)),
            (LIVE_DEALS, deals, live),
            (LIVE_DEALS, restored, live.filter(of_restores)),
            (INVENTORY_DEALS, found, runs.filter(inventory=True)),
        ):
            yield from ((name, some) for some in _of_runs(rows, owners))

    def _runs(self, *, dry_run: bool) -> Iterator[tuple[str, QuerySet[PurgeRun]]]:
        """Restores before their purges, each behind what refers to it. Counted is what would go by then."""
        runs, there = past(self.older_than), stored()
        if self.live_runs and dry_run:  # those that would be gone by now keep none of the others
            there = there.exclude(pk__in=runs.values("pk"))
        dry, live = runs.filter(~Exists(there.filter(preview=OuterRef("pk"))), dry_run=True), runs.filter(dry_run=False)
        restores, purges = Q(restored_run__isnull=False), Q(restored_run=None)
        if self.live_runs:
            yield LIVE_RUNS, live.filter(restores)
        yield DRY_RUNS, dry.filter(restores)
        if self.live_runs:
            without_archive = Q(archive_alias="") | Q(archive_removed_at__isnull=False)
            yield LIVE_RUNS, live.filter(purges, without_archive, ~Exists(there.filter(restored_run=OuterRef("pk"))))
        yield DRY_RUNS, dry.filter(purges)


def past(age: timedelta) -> QuerySet[PurgeRun]:
    """Runs that are over and were asked for longer ago, by the database's clock."""
    return stored().filter(OVER, created_at__lt=Now() - age)


def _of_runs(rows: QuerySet[Model], runs: QuerySet[PurgeRun]) -> Iterator[QuerySet[Model]]:
    """The rows that belong to the runs, of a few runs at once. Most old runs have none any more."""
    some = Exists(rows.filter(run=OuterRef("pk")))
    for keys in listed(runs):
        with bounded():
            having = list(stored().filter(some, pk__in=keys).order_by().values_list("pk", flat=True))
        for start in range(0, max(1, len(having)), RUNS_AT_ONCE):
            yield rows.filter(run__in=having[start : start + RUNS_AT_ONCE])


def listed(runs: QuerySet[Any]) -> Iterator[list[UUID]]:
    """Their keys, so many at once. Not in the order of time: SQLite compares moments as texts of several forms."""
    behind, found = Q(), [UUID(int=0)] * RUNS_LISTED
    while len(found) == RUNS_LISTED:
        with bounded():
            found = list(runs.filter(behind).order_by("pk").values_list("pk", flat=True)[:RUNS_LISTED])
        if found:
            yield found
            behind = Q(pk__gt=found[-1])
