"""Rows of a restore's deals in a database that is in trouble."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import OperationalError
from django.utils import timezone

from dealpurge import services
from dealpurge.execution.restore import Restore
from dealpurge.models import PurgeRun, RestoredDeal
from dealpurge.restore_report import RestoreReport
from dealpurge.runs import retry
from dealpurge.runs.record import BEHIND_SECONDS, RunRecord
from dealpurge.runs.store import Origin
from dealpurge.scope import RestoreScope

pytestmark = pytest.mark.django_db(transaction=True)
ORIGIN = Origin(source=PurgeRun.Source.COMMAND, actor_name="op")


@pytest.mark.parametrize("committed", [False, True])
def test_they_are_there_once(
    archived: Callable[..., PurgeRun], monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    purge = archived(left=timedelta(days=1))
    write, tries = RunRecord._write_rows, list[int]()

    def failing(*arguments: Any) -> None:
        tries.append(1)
        if len(tries) > 1 or committed:
            write(*arguments)
        if len(tries) == 1:
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(RunRecord, "_write_rows", failing)
    monkeypatch.setattr(retry, "RETRY_SECONDS", 0)
    report = services.start_restore(purge.pk, RestoreScope(dry_run=False), ORIGIN)

    assert report.status == "completed"
    assert len(tries) == 2
    assert RestoredDeal.objects.filter(run__restored_run=purge).count() == report.deals.archived == 1


def test_one_that_is_cancelled_stays_alive(
    archived: Callable[..., PurgeRun], valkey_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    purge = archived(left=timedelta(days=1))
    settle, told = Restore.settle, list[Any]()

    def cancelled(self: Restore, report: RestoreReport) -> dict[str, Any]:
        self.record.cancelled = True
        row = PurgeRun.objects.filter(pk=self.row.pk)
        row.update(heartbeat_at=timezone.now() - timedelta(seconds=50), cancel_requested=True)
        settled = settle(self, report)
        told.extend(row.values_list("heartbeat_at", "keys_restored"))
        return settled

    monkeypatch.setattr(Restore, "settle", cancelled)
    services.start_restore(purge.pk, RestoreScope(dry_run=False), ORIGIN)

    [(heartbeat, keys)] = told
    assert timezone.now() - heartbeat < timedelta(seconds=30)
    assert keys == valkey_client.dbsize()


def test_what_was_written_back_is_not_to_be_far_ahead_of_the_record(archived: Callable[..., PurgeRun]) -> None:
    run = archived(left=timedelta(days=1))
    record = RunRecord(run)
    record.keep_up(scanned=9, total=9, restored=0)
    record._written -= 2 * BEHIND_SECONDS
    assert not record.is_behind

    record.keep_up(scanned=9, total=9, restored=5)

    assert record.is_behind
