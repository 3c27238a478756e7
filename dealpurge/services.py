"""The one way in: every door calls these. Scope checked, run written down, and carried out here or by a worker."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseTrouble

from dealpurge.clock import Deadline, waited_for
from dealpurge.engine import inventory, limits
from dealpurge.engine.tracking.details import PhaseProgress, Progress, ProgressDetails, ServerProgress
from dealpurge.exceptions import OUTAGE_RETRY_SECONDS, DealPurgeError, QueueUnavailable
from dealpurge.execution.base import Observer
from dealpurge.execution.purge import Purge, check
from dealpurge.execution.restore import Restore
from dealpurge.execution.running import run
from dealpurge.keys.families import Keyspace
from dealpurge.models import PurgeRun
from dealpurge.report import PurgeReport
from dealpurge.restore_report import RestoreReport
from dealpurge.risk import risk
from dealpurge.runs import idempotency, messages, silence, store
from dealpurge.runs.archive import restores
from dealpurge.runs.database import alias, bounded, stored, unwritable
from dealpurge.runs.log import log_run
from dealpurge.runs.retry import patience
from dealpurge.runs.store import Origin
from dealpurge.runs.termination import fail_lost_runs, fail_queued, request_cancel
from dealpurge.scope import Deal, Mode, PurgeScope, RestoreScope
from dealpurge.servers.errors import Stopped
from dealpurge.text import redacted

__all__ = [
    "Observer",
    "PhaseProgress",
    "Progress",
    "ProgressDetails",
    "ServerProgress",
    "cancel",
    "check",
    "excess",
    "last_activity",
    "purge_deals",
    "queue",
    "queue_restore",
    "risk",
    "run",
    "start",
    "start_restore",
]

logger = logging.getLogger("dealpurge")

#: For how long a page waits for what Redis tells of its deals, in seconds; it opens without that too.
LOOK_SECONDS = 0.5


def purge_deals(
    *,
    mode: Mode,
    deals: Sequence[Deal] = (),
    org_id: str | None = None,
    include_checkpoints: bool = False,
    exclude_active_within_secs: int | None = None,
    leave_never_active: bool = False,
    dry_run: bool = True,
    at_most_deals: int | None = None,
    at_most_keys: int | None = None,
    keep_archive: bool = True,
    source: str = PurgeRun.Source.COMMAND,
    actor: AbstractBaseUser | None = None,
    actor_name: str = "",
    reason: str = "",
    preview: PurgeRun | None = None,
    observer: Observer | None = None,
) -> PurgeReport:
    """Purge, or with ``dry_run`` count what a purge would delete, and write it down.

    Raises ``ScopeError``, ``LimitExceeded``, ``PurgeInProgress``, ``PreviewRefused``, ``AuditUnavailable``,
    ``RedisUnavailable``, ``ArchiveUnavailable``, ``RunLost``, and ``RuntimeError`` inside an open transaction.
    """
    scope = PurgeScope(
        mode=mode,
        deals=tuple(deals),
        org_id=org_id,
        include_checkpoints=include_checkpoints,
        exclude_active_within_secs=exclude_active_within_secs,
        leave_never_active=leave_never_active,
        dry_run=dry_run,
        at_most_deals=at_most_deals,
        at_most_keys=at_most_keys,
        keep_archive=keep_archive,
    )
    origin = Origin(source=source, actor=actor, actor_name=actor_name, reason=reason)
    return start(scope, origin, preview=preview, observer=observer)


def start(
    scope: PurgeScope,
    origin: Origin,
    *,
    preview: PurgeRun | None = None,
    observer: Observer | None = None,
    deadline: Deadline | None = None,
) -> PurgeReport:
    """``purge_deals`` for a scope that is made already. Raises ``OutOfTime`` where it was stopped at the deadline, and
    ``RequestRepeated`` where the origin's idempotency key has a run."""
    keyspace = check(scope)
    row = store.create(scope, origin, preview=preview, families_digest=_digest(keyspace, scope))
    return Purge(row, scope, lambda: keyspace, observer, origin.request_id, deadline)()


def queue(
    scope: PurgeScope,
    origin: Origin,
    *,
    preview: PurgeRun | None = None,
    inventory: bool = False,
    deadline: Deadline | None = None,
) -> PurgeRun:
    """Write a run down and hand it to a worker; with an immediate task backend it is over when this returns, and at
    the ``deadline`` at the latest.

    An ``inventory`` is a dry run that keeps what each deal holds.

    Raises what ``purge_deals`` does except ``RedisUnavailable``, which is then the run's own end, ``RequestRepeated``
    as ``start``, and ``QueueUnavailable`` where it cannot be handed over.
    """
    from dealpurge import tasks  # noqa: F401 - this import fails where TASKS cannot be used

    digest = _digest(check(scope), scope)
    row = store.create(scope, origin, queued=True, preview=preview, inventory=inventory, families_digest=digest)
    return _handed_over(row, origin, deadline)


def start_restore(
    purge_id: UUID,
    scope: RestoreScope,
    origin: Origin,
    *,
    preview: PurgeRun | None = None,
    observer: Observer | None = None,
    deadline: Deadline | None = None,
) -> RestoreReport:
    """Write back what a purge archived, or count what that would be, and write it down. Raises ``RestoreRefused``,
    ``ScopeError``, ``PurgeRun.DoesNotExist``, and what ``start`` raises."""
    row = _new_restore(purge_id, scope, origin, preview=preview)
    return Restore(row, lambda: None, observer, origin.request_id, deadline)()


def queue_restore(
    purge_id: UUID,
    scope: RestoreScope,
    origin: Origin,
    *,
    preview: PurgeRun | None = None,
    deadline: Deadline | None = None,
) -> PurgeRun:
    """``start_restore`` by a worker. Raises as it does before the run begins, and ``QueueUnavailable``."""
    return _handed_over(_new_restore(purge_id, scope, origin, queued=True, preview=preview), origin, deadline)


def _new_restore(purge_id: UUID, scope: RestoreScope, origin: Origin, **how: Any) -> PurgeRun:
    fail_lost_runs()  # the purge may be one of them
    try:
        # Who asks again is told of the first time, whatever became of the archive since.
        idempotency.check(origin.idempotency_key)
        purge = restores.restorable(purge_id)
    except DatabaseTrouble as exc:
        raise unwritable(exc, alias()) from exc
    restores.check(purge, scope)
    return restores.create(purge, scope, origin, **how)


def _handed_over(row: PurgeRun, origin: Origin, deadline: Deadline | None) -> PurgeRun:
    """The queued run as it is once a worker was told. Raises ``QueueUnavailable``."""
    from dealpurge import tasks  # this import fails where TASKS cannot be used

    log_run("purge queued", row, origin.request_id)
    try:
        with waited_for(deadline):
            tasks.enqueue(row.pk)
    except Exception as exc:
        wait = None if isinstance(exc, ImproperlyConfigured) else OUTAGE_RETRY_SECONDS
        error = QueueUnavailable(messages.NOT_QUEUED, row.pk, retry_after=wait)
        reason = f"{type(exc).__name__}: {redacted(exc)}"  # without a traceback, whose texts cannot be redacted
        logger.error("the queue failed: %s", reason, extra={"run_id": str(row.pk), "request_id": origin.request_id})
        if fail_queued(row.pk, messages.NOT_QUEUED):
            raise error from exc
        # A worker has it, or had it: whatever the queue's client says, the row knows better.
    try:
        with silence.at_most(patience(deadline)), bounded():
            return stored().get(pk=row.pk)
    except DatabaseTrouble:  # it was written down and handed over, whatever became of it
        return row


def _digest(keyspace: Keyspace, scope: PurgeScope) -> str:
    return keyspace.digest(scope, archived=bool(store.archive_of(scope)))


def excess(report: PurgeReport) -> str | None:
    """By how much what a dry run found is more than a purge may delete; None if it is not."""
    return limits.excess(report.scope, report.deals.purged, sum(report.families.values()))


def cancel(run_id: UUID, origin: Origin | None = None) -> bool:
    """Cancel a queued run, or ask a running one to stop at its next page; False if it was over.

    ``origin``: who wants that, for the record and the log.
    """
    return request_cancel(run_id, origin.name if origin else "", origin.request_id if origin else "")


def last_activity(deals: Sequence[Deal], others: Iterable[Deal] = ()) -> Mapping[Deal, datetime | None] | None:
    """When deals were last worked on, for a page that shows a few; None where Redis does not tell that in time.

    ``others``: deals with an organisation that have the ids of those without one. Of a deal that is missing it cannot
    be told, and None is one without events.
    """
    deadline = Deadline(LOOK_SECONDS)
    try:
        return inventory.last_activity(Keyspace.from_settings(), deals, others, lambda: not deadline.passed)
    except (DealPurgeError, Stopped):
        return None
