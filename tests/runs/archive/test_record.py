"""What the record says of a run that is archived, and for whom it says so."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.utils import timezone
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.keys.families import Keyspace
from dealpurge.models import PurgeArchiveChunk, PurgeRun
from dealpurge.runs.pruning import LIVE_RUNS, Pruning
from tests.support.archive_storages import keep_archives_in, purged

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _archive(valkey_settings: Settings, tmp_path: Path) -> None:
    keep_archives_in(valkey_settings, tmp_path / "archive")


def test_a_worker_that_knows_no_archive_finds_other_families_and_refuses(valkey_client: redis.Redis) -> None:
    run, keyspace = purged(valkey_client), Keyspace.from_settings()

    assert not keyspace.agrees_with(run.families_digest, run.scope)
    assert keyspace.agrees_with(run.families_digest, run.scope, archived=True)


@pytest.mark.parametrize("options", [{"dry_run": True}, {"dry_run": False, "keep_archive": False}])
def test_what_keeps_nothing_is_for_any_worker(valkey_client: redis.Redis, options: dict[str, bool]) -> None:
    report = services.purge_deals(mode="all", **options)  # type: ignore[arg-type]

    run = PurgeRun.objects.get(pk=str(report.run_id))
    assert Keyspace.from_settings().agrees_with(run.families_digest, run.scope)
    assert (run.archive_alias, run.archived_until, report.archive) == ("", None, None)
    assert run.archive_declined == (not options["dry_run"])


def prune() -> int:
    pruning = Pruning(timedelta(days=400), live_runs=True)
    for _ in pruning.steps(dry_run=False):
        pass
    return pruning.rows[LIVE_RUNS]


def test_a_run_stays_in_the_record_until_its_archive_is_removed(valkey_client: redis.Redis) -> None:
    """Also where no row names a file: of a process that was killed before its first one there may be some."""
    run = purged(valkey_client)
    PurgeArchiveChunk.objects.all().delete()
    PurgeRun.objects.update(created_at=timezone.now() - timedelta(days=500))

    assert prune() == 0

    PurgeRun.objects.update(archive_removed_at=timezone.now())

    assert prune() == 1
    assert not PurgeRun.objects.filter(pk=run.pk).exists()
