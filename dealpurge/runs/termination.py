"""Ends of runs that nobody at work on them writes: cancelled or expired in the queue, never queued, lost."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from django.db import Error as DatabaseTrouble
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from dealpurge.models import LOST_AFTER, QUEUE_EXPIRES_AFTER, PurgeRun
from dealpurge.runs import messages
from dealpurge.runs.database import alias, bounded, ended, storable, stored, unwritable, update
from dealpurge.runs.log import log_run

Status = PurgeRun.Status
QUEUED, RUNNING = Q(status=Status.QUEUED), Q(status=Status.RUNNING)


def request_cancel(run_id: UUID, by: str = "", request_id: str = "") -> bool:
    """Cancel a queued run at once, ask a running one to stop; whether there was anything to cancel.

    ``by``: the name of who wants that. The first one who asked stands in the record, each in the log.
    """
    fail_lost_runs()
    name = storable(by)[:255]
    row = _row(run_id)
    if row is None:
        return False
    asked = {"cancel_requested": True, "cancelled_by": name}
    if update(Q(QUEUED, pk=run_id), **ended(Status.CANCELLED), **asked):
        _log("purge finished", row, Status.CANCELLED, request_id, name)
        return True
    first = update(Q(RUNNING, pk=run_id, cancel_requested=False), **asked)
    with bounded():
        if not first and not stored().filter(RUNNING, pk=run_id).exists():
            return False
    _log("purge cancel requested", row, Status.RUNNING, request_id, name)
    return True


def canceller(run_id: UUID) -> str:
    """The name of who cancelled a run; empty where nobody did, or the database does not tell."""
    with suppress(DatabaseTrouble), bounded():
        return stored().filter(pk=run_id).values_list("cancelled_by", flat=True).first() or ""
    return ""


def fail_queued(run_id: UUID, error: str) -> bool:
    """Mark a queued run failed that no worker was told of; False if it was queued no more.

    A database in trouble makes no difference: nobody comes for the run, and it expires.
    """
    try:
        row = _row(run_id)
        return row is not None and _fail(row, QUEUED, error, "purge finished")
    except DatabaseTrouble:
        return True


def fail_lost_runs() -> int:
    """Mark failed the running runs without a heartbeat and the queued ones that nobody took; how many."""
    lost = Q(RUNNING, heartbeat_at__lt=Now() - LOST_AFTER)
    expired = Q(QUEUED, created_at__lt=Now() - QUEUE_EXPIRES_AFTER)
    try:
        with bounded():
            rows = list(_rows().filter(lost | expired))
        return sum(
            _fail(row, lost, messages.PROCESS_LOST, "purge lost")
            if row.status == Status.RUNNING
            else _fail(row, expired, messages.EXPIRED, "purge finished")
            for row in rows
        )
    except DatabaseTrouble as exc:
        raise unwritable(exc, alias()) from exc


def _fail(row: PurgeRun, condition: Q, error: str, message: str) -> bool:
    """End the run if it still meets the condition, and log that."""
    if not update(Q(condition, pk=row.pk), **ended(Status.FAILED), **messages.columns(error)):
        return False
    _log(message, row, Status.FAILED)
    return True


def _log(message: str, row: PurgeRun, status: str, request_id: str = "", cancelled_by: str = "") -> None:
    """``row`` as it was read before its change, which is committed, whatever becomes of the database."""
    row.status = status
    log_run(message, row, request_id, cancelled_by=cancelled_by)


def _row(run_id: UUID) -> PurgeRun | None:
    with bounded():
        return _rows().filter(pk=run_id).first()


def _rows() -> QuerySet[PurgeRun]:
    """What the log wants of them."""
    return stored().defer("deals", "report", "sentences")
