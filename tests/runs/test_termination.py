"""Runs that are cancelled, lost or never taken."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from dealpurge.engine.sweep.deal_log import DealNote
from dealpurge.exceptions import RunLost
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs import store, termination
from dealpurge.runs.record import RunRecord
from tests.support.runs import DRY, LIVE, ONE, ORIGIN, report_of

pytestmark = pytest.mark.django_db(transaction=True)


def set_back(run: PurgeRun, **age: float) -> None:
    """As if the run's heartbeat were that old."""
    PurgeRun.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(**age))


# Cancelling


def test_a_queued_run_is_cancelled_at_once() -> None:
    run = store.create(LIVE, ORIGIN, queued=True)

    assert termination.request_cancel(run.pk)

    run.refresh_from_db()
    assert (run.status, run.exclusive, run.is_over) == ("cancelled", None, True)
    with pytest.raises(RunLost):
        store.claim(run.pk)


@pytest.mark.parametrize("queued", [True, False])
def test_the_record_says_who_cancelled_first(queued: bool) -> None:
    run = store.create(LIVE, ORIGIN, queued=queued)

    assert termination.request_cancel(run.pk, "b\udce9n" + "x" * 300)
    assert termination.request_cancel(run.pk, "another") is not queued

    run.refresh_from_db()
    assert run.cancelled_by == ("b\\udce9n" + "x" * 300)[:255]


def test_there_is_nothing_to_cancel_in_a_run_that_is_over() -> None:
    run = store.create(DRY, ORIGIN)
    store.finish(run, report_of(run))

    assert not termination.request_cancel(run.pk)
    assert not termination.request_cancel(uuid4())


# Lost


def test_a_run_without_a_heartbeat_is_failed_and_blocks_nobody() -> None:
    lost = store.create(LIVE, ORIGIN)
    set_back(lost, seconds=61)

    again = store.create(LIVE, ORIGIN)

    lost.refresh_from_db()
    assert (lost.status, lost.exclusive) == ("failed", None)
    assert lost.error == "The process that ran it was lost: no sign of life for a minute."
    assert again.status == "running"


def test_a_run_with_a_heartbeat_is_left() -> None:
    run = store.create(LIVE, ORIGIN)
    set_back(run, seconds=55)

    assert termination.fail_lost_runs() == 0


def test_a_late_finish_of_a_lost_run_changes_nothing() -> None:
    run = store.create(ONE, ORIGIN)
    set_back(run, seconds=61)
    termination.fail_lost_runs()

    with pytest.raises(RunLost):
        RunRecord(run).finish(report_of(run), total=0, error="", notes={b"acme:deal-1": DealNote("purged")})

    run.refresh_from_db()
    assert (run.status, run.report) == ("failed", None)
    assert not PurgeRunDeal.objects.exists()


def test_a_queued_run_that_nobody_took_expires() -> None:
    run = store.create(LIVE, ORIGIN, queued=True)
    PurgeRun.objects.update(created_at=timezone.now() - timedelta(minutes=15, seconds=1))

    with pytest.raises(RunLost):
        store.claim(run.pk)

    run.refresh_from_db()
    assert (run.status, run.exclusive, run.error) == ("failed", None, "No worker took it in time.")
