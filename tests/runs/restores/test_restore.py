"""A restore from the service to the record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from dealpurge import services
from dealpurge.models import PurgeRun, RestoredDeal
from dealpurge.runs.store import Origin
from dealpurge.scope import RestoreScope

pytestmark = pytest.mark.django_db(transaction=True)
ORIGIN = Origin(source=PurgeRun.Source.COMMAND, actor_name="op", reason="wrong deal")
LEFT = timedelta(days=1)


def test_it_is_a_run_of_its_own(archived: Callable[..., PurgeRun], valkey_client: redis.Redis, place: Path) -> None:
    purge = archived(left=LEFT)
    assert not valkey_client.dbsize()

    report = services.start_restore(purge.pk, RestoreScope(dry_run=False), ORIGIN)

    run = PurgeRun.objects.get(pk=str(report.run_id))
    assert (run.status, run.restored_run_id, run.reason, run.actor_name) == ("completed", purge.pk, "wrong deal", "op")
    assert run.keys_restored == report.keys.restored == purge.keys_deleted
    assert run.report == report.as_dict()
    assert valkey_client.dbsize() == purge.keys_deleted
    rows = RestoredDeal.objects.filter(run=run)
    assert sum(row.keys_restored for row in rows) == purge.keys_deleted
    print(run.report, run.progress)
