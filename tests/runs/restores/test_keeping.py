"""What the record and the storage keep while an archive is restored, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import redis
from django.utils import timezone

from dealpurge import services
from dealpurge.exceptions import ArchiveRefused
from dealpurge.models import PurgeRun, RestoredDeal
from dealpurge.runs.archive.removal import Removal
from dealpurge.runs.pruning import DRY_RUNS, LIVE_DEALS, LIVE_RUNS, PREVIEW_DEALS, Pruning
from dealpurge.runs.store import Origin
from dealpurge.scope import RestoreScope

pytestmark = pytest.mark.django_db(transaction=True)
ORIGIN = Origin(source=PurgeRun.Source.COMMAND, actor_name="op")
DAY = timedelta(days=1)


def restored(purge: PurgeRun, *, dry_run: bool = False) -> PurgeRun:
    report = services.start_restore(purge.pk, RestoreScope(dry_run=dry_run), ORIGIN)
    return PurgeRun.objects.get(pk=str(report.run_id))


def removed(**options: object) -> int:
    removal = Removal("op", **options)  # type: ignore[arg-type]
    for _ in removal.steps(dry_run=False):
        pass
    return removal.runs


def pruned(older_than: timedelta, *, dry_run: bool = False, **options: bool) -> dict[str, int]:
    pruning = Pruning(older_than, **options)
    for _ in pruning.steps(dry_run=dry_run):
        pass
    assert pruning.kept == 0
    return {name: count for name, count in pruning.rows.items() if count}


def test_an_archive_that_is_read_is_not_removed(archived: Callable[..., PurgeRun]) -> None:
    purge = archived(left=DAY)
    reading = restored(purge)
    PurgeRun.objects.filter(pk=reading.pk).update(status="running", heartbeat_at=timezone.now())
    PurgeRun.objects.filter(pk=purge.pk).update(archived_until=timezone.now() - DAY)

    assert removed() == 0
    with pytest.raises(ArchiveRefused, match=str(reading.pk)):
        removed(run_id=purge.pk)

    PurgeRun.objects.filter(pk=reading.pk).update(status="completed")
    assert removed() == 1


def test_rows_of_deals_go_as_those_of_purges_do(archived: Callable[..., PurgeRun], valkey_client: redis.Redis) -> None:
    purge = archived(left=DAY)
    restored(purge, dry_run=True)
    live = restored(purge)
    assert RestoredDeal.objects.count() == 2
    PurgeRun.objects.update(created_at=timezone.now() - 8 * DAY)

    assert pruned(30 * DAY)[PREVIEW_DEALS] == 1
    assert list(RestoredDeal.objects.values_list("run_id", flat=True)) == [live.pk]
    assert pruned(DAY)[LIVE_DEALS] >= 1
    assert not RestoredDeal.objects.exists()


def test_restores_go_before_their_purge(archived: Callable[..., PurgeRun]) -> None:
    purge = archived(left=DAY)
    restored(purge)
    removed(run_id=purge.pk)
    PurgeRun.objects.update(created_at=timezone.now() - 8 * DAY)

    assert pruned(DAY, live_runs=True)[LIVE_RUNS] == 2
    assert not PurgeRun.objects.exists()


def test_their_previews_go_with_them(archived: Callable[..., PurgeRun]) -> None:
    purge = archived(left=DAY)
    restored(purge, dry_run=True)
    services.start_restore(purge.pk, RestoreScope(dry_run=False), ORIGIN, preview=restored(purge, dry_run=True))
    removed(run_id=purge.pk)
    PurgeRun.objects.update(created_at=timezone.now() - 8 * DAY)

    counted = pruned(DAY, live_runs=True, dry_run=True)

    assert (counted[LIVE_RUNS], counted[DRY_RUNS]) == (2, 2)
    assert pruned(DAY, live_runs=True) == counted
    assert not PurgeRun.objects.exists()


def test_one_that_is_young_keeps_its_purge(archived: Callable[..., PurgeRun]) -> None:
    purge = archived(left=DAY)
    removed(run_id=purge.pk)
    PurgeRun.objects.update(created_at=timezone.now() - 8 * DAY)
    PurgeRun.objects.create(mode="all", status="completed", dry_run=True, restored_run=purge)

    assert LIVE_RUNS not in pruned(DAY, live_runs=True, dry_run=True)
    assert LIVE_RUNS not in pruned(DAY, live_runs=True)
    assert PurgeRun.objects.filter(pk=purge.pk).exists()
