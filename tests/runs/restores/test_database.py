"""Rows of a restore's deals in a database that is in trouble."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from dealpurge import services
from dealpurge.models import PurgeRun, RestoredDeal
from dealpurge.runs import retry
from dealpurge.runs.archive import restores
from dealpurge.runs.store import Origin
from dealpurge.scope import RestoreScope

pytestmark = pytest.mark.django_db(transaction=True)
ORIGIN = Origin(source=PurgeRun.Source.COMMAND, actor_name="op")


@pytest.mark.parametrize("committed", [False, True])
def test_they_are_there_once(
    archived: Callable[..., PurgeRun], monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    purge = archived(left=timedelta(days=1))
    write, tries = restores._write, list[int]()

    def failing(*arguments: Any) -> None:
        tries.append(1)
        if len(tries) > 1 or committed:
            write(*arguments)
        if len(tries) == 1:
            raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(restores, "_write", failing)
    monkeypatch.setattr(retry, "RETRY_SECONDS", 0)
    report = services.start_restore(purge.pk, RestoreScope(dry_run=False), ORIGIN)

    assert report.status == "completed"
    assert len(tries) == 2
    assert RestoredDeal.objects.filter(run__restored_run=purge).count() == report.deals.archived == 1
