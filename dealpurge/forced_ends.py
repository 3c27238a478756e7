"""Ends of runs that nobody at work on them writes: cancelled or expired in the queue, never queued, lost."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import Error as DatabaseTrouble
from django.db.models import Q
from django.db.models.functions import Now

from dealpurge import endings
from dealpurge.models import LOST_AFTER, QUEUE_EXPIRES_AFTER, PurgeRun
from dealpurge.rows import alias, ended, storable, stored, update
from dealpurge.telemetry import log_run
from dealpurge.unwritable import unwritable

Status = PurgeRun.Status
QUEUED, RUNNING = Q(status=Status.QUEUED), Q(status=Status.RUNNING)


def request_cancel(run_id: UUID, by: str = "", request_id: str = "") -> bool:
    """Cancel a queued run at once, ask a running one to stop; whether there was anything to cancel.

    ``by``: the name of who wants that. The first one who asked stands in the record, each in the log.
    """
    fail_lost_runs()
    name = {"cancelled_by": storable(by)[:255]}
    if _end(run_id, QUEUED, Status.CANCELLED, request_id=request_id, cancel_requested=True, **name):
        return True
    first = update(Q(RUNNING, pk=run_id, cancel_requested=False), cancel_requested=True, **name)
    if not first and not stored().filter(RUNNING, pk=run_id).exists():
        return False
    log_run("purge cancel requested", _row(run_id), request_id, cancelled_by=by)
    return True


def fail_queued(run_id: UUID, error: str) -> bool:
    """Mark a queued run failed that no worker was told of; False if it was queued no more.

    A database in trouble makes no difference: nobody comes for the run, and it expires.
    """
    try:
        return _end(run_id, QUEUED, Status.FAILED, error=error)
    except DatabaseTrouble:
        return True


def fail_lost_runs() -> int:
    """Mark failed the running runs without a heartbeat and the queued ones that nobody took; how many."""
    lost = Q(RUNNING, heartbeat_at__lt=Now() - LOST_AFTER)
    expired = Q(QUEUED, created_at__lt=Now() - QUEUE_EXPIRES_AFTER)
    try:
        found = list(stored().filter(lost | expired).values_list("pk", "status"))
        return sum(
            _end(run_id, lost, Status.FAILED, "purge lost", error=endings.LOST)
            if status == Status.RUNNING
            else _end(run_id, expired, Status.FAILED, error=endings.EXPIRED)
            for run_id, status in found
        )
    except DatabaseTrouble as exc:
        raise unwritable(exc, alias()) from exc


def _end(
    run_id: UUID, condition: Q, status: str, message: str = "purge finished", request_id: str = "", **values: Any
) -> bool:
    """End the run if it still meets the condition, and log that."""
    if not update(Q(condition, pk=run_id), **ended(status), **values):
        return False
    log_run(message, _row(run_id), request_id, cancelled_by=values.get("cancelled_by", ""))
    return True


def _row(run_id: UUID) -> PurgeRun:
    return stored().defer("deals", "report").get(pk=run_id)
