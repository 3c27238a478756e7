"""The life of a ``PurgeRun`` row: every write is its own committed transaction and conditional on what it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import Error as DatabaseTrouble
from django.db import IntegrityError
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from dealpurge.conf import conf
from dealpurge.engine.sweep.meeting import Process
from dealpurge.exceptions import (
    DealPurgeError,
    PreviewRefused,
    PurgeInProgress,
    RequestRepeated,
    RunLost,
    RunTaken,
)
from dealpurge.models import QUEUE_EXPIRES_AFTER, PurgeRun
from dealpurge.report import PurgeReport
from dealpurge.restore_report import RestoreReport
from dealpurge.runs import idempotency, messages, silence, throttling
from dealpurge.runs.database import (
    WORDS,
    alias,
    bounded,
    durable,
    ended,
    revive_connection,
    storable,
    stored,
    unwritable,
    update,
)
from dealpurge.runs.label import label_of_new
from dealpurge.runs.retry import LAST_TRY_SECONDS, with_retry
from dealpurge.runs.termination import fail_lost_runs
from dealpurge.scope import PurgeScope

Status = PurgeRun.Status
#: How often a row is tried to be inserted where what stood in its way is gone by now: a run that failed long ago, one
#: that took the key of that at the same time and failed at once, and then nothing.
TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who asked, through which door, and why; ``request_id`` is for the log alone. ``idempotency_key`` is what
    ``idempotency.digest`` makes of one: no second run begins with it."""

    source: str
    actor: AbstractBaseUser | None = None
    actor_name: str = ""
    reason: str = ""
    request_id: str = ""
    idempotency_key: str | None = None

    @property
    def name(self) -> str:
        """Who, in words that outlive the user."""
        return self.actor_name or (self.actor.get_username() if self.actor else "")


def create(
    scope: PurgeScope,
    origin: Origin,
    *,
    queued: bool = False,
    preview: PurgeRun | None = None,
    inventory: bool = False,
    families_digest: str = "",
    **columns: Any,
) -> PurgeRun:
    """Commit the row of a run that is to begin, with ``columns`` of what is no purge. Raises ``RequestRepeated``,
    ``PurgeInProgress``, ``PreviewRefused``, ``TooManyRequests``, ``AuditUnavailable``, and ``RuntimeError`` inside an
    open transaction."""
    fail_lost_runs()
    actor = origin.actor
    row: dict[str, Any] = {
        "source": origin.source,
        "actor_id": actor.pk if actor else None,
        "actor_name": storable(origin.name)[:255],
        "reason": storable(origin.reason),
        "mode": scope.mode,
        "deals": [list(deal) for deal in scope.deals],
        "deals_named": len(scope.deals),
        "org_id": scope.org_id,
        "include_checkpoints": scope.include_checkpoints,
        "exclude_active_within_secs": scope.exclude_active_within_secs,
        "leave_never_active": scope.leave_never_active,
        "at_most_deals": scope.at_most_deals,
        "at_most_keys": scope.at_most_keys,
        "dry_run": scope.dry_run,
        "inventory": inventory,
        "families_digest": families_digest,
        **label_of_new(preview)._asdict(),
        "archive_declined": not scope.keep_archive,
        **archive_of(scope),
        "exclusive": "all" if scope.mode == "all" and not scope.dry_run else None,
        "preview_id": preview.pk if preview else None,
        "idempotency_key": origin.idempotency_key,
        "created_at": Now(),
        **({} if queued else _running()),
        **columns,
    }
    run = PurgeRun(**row)
    _insert(run, TRIES)
    return run


def claim(run_id: UUID, *, seconds: float | None = None) -> PurgeRun:
    """Take a queued run for this process; tried for so many ``seconds``. Raises ``RunTaken`` if it is queued no more,
    ``RunLost`` if for too long."""
    waiting = Q(pk=run_id, status=Status.QUEUED, created_at__gte=Now() - QUEUE_EXPIRES_AFTER)
    if with_retry(run_id, lambda: update(waiting, **_running()), seconds=seconds):
        return with_retry(run_id, bounded()(lambda: stored().get(pk=run_id)), seconds=seconds)
    fail_lost_runs()
    with bounded():
        taken = stored().filter(pk=run_id).exclude(status=Status.FAILED, started_at=None).exists()
    raise (RunTaken if taken else RunLost)(f"Run {run_id} is not queued.")


def finish(
    run: PurgeRun,
    report: PurgeReport | RestoreReport,
    *,
    total: int = 0,
    error: str = "",
    outcomes: Mapping[str, int] | None = None,
    organisations: Mapping[str, Any] | None = None,
    processes: Sequence[Process] | None = None,
    progress: Mapping[str, Any] | None = None,
    seconds: float | None = None,
) -> None:
    """Store the end of a running run, which had ``total`` keys to scan, with its number of deals by outcome and by
    organisation, the processes of Redis that it met and how far each phase came; tried for so many ``seconds``.

    Raises ``RunLost`` if the row is no longer running, and writes nothing then."""
    end = ended(report.status) | {
        "report": report.as_dict(),
        **messages.columns(error, report.warnings),
        "keys_total": total,
        **report.columns,
        "outcomes": outcomes,
        "organisations": organisations,
        "redis_processes": processes,
        "progress": progress,
    }
    running = Q(pk=run.pk, status=Status.RUNNING)
    if not with_retry(run.pk, lambda: update(running, **end) or _is_stored(run, end), seconds=seconds):
        raise RunLost(f"Run {run.pk} was ended by somebody else.")
    try:
        with bounded():
            run.refresh_from_db(using=alias())
    except DatabaseTrouble:  # it stands in the record, and this process knows what stands there
        vars(run).update(end, finished_at=datetime.now(UTC))


def archive_of(scope: PurgeScope) -> dict[str, Any]:
    """What the row says of the archive of a purge that is to begin now. Raises ``PurgeConfigurationError``."""
    alias = conf.archive
    if alias is None or scope.dry_run or not scope.keep_archive:
        return {}
    return {"archive_alias": alias, "archived_until": datetime.now(UTC) + timedelta(days=conf.archive_days)}


def _running() -> dict[str, Any]:
    return {"status": Status.RUNNING, "started_at": Now(), "heartbeat_at": Now()}


def _insert(run: PurgeRun, tries: int) -> None:
    try:
        with durable(), throttling.admission(run, alias()):
            run.save(force_insert=True, using=alias())
        with bounded():
            run.refresh_from_db(using=alias())
    except IntegrityError as exc:
        try:
            conflict = _conflict(run)
        except DatabaseTrouble as trouble:
            raise unwritable(trouble, alias()) from trouble
        if conflict is None and tries > 1:
            run._state.adding = True  # where the COMMIT failed, Django takes it for saved
            _insert(run, tries - 1)
            return
        # Where no other run stood in the way, the user may have been deleted since.
        raise conflict or unwritable(exc, alias()) from exc
    except DatabaseTrouble as exc:
        _withdraw(run)
        raise unwritable(exc, alias()) from exc


def _withdraw(run: PurgeRun) -> None:
    """The row may stand there after all, of a run that nobody carries out: it stands in nobody's way then."""
    end = {**ended(Status.FAILED), **messages.columns(WORDS), "started_at": None}
    with suppress(DatabaseTrouble), silence.at_most(LAST_TRY_SECONDS):
        revive_connection()
        update(Q(pk=run.pk), **end)


def _conflict(run: PurgeRun) -> DealPurgeError | None:
    """What stands in the way of the row; None where it did, if anything, and is gone."""
    with bounded():
        if run.preview_id and stored().filter(preview_id=run.preview_id).exists():
            return PreviewRefused(_("This preview was applied before."))
        other = run.exclusive and stored().filter(exclusive=run.exclusive).only("pk", "restored_run_id").first()
    # The same request that comes again is not another purge. Asked last: if ``other`` has the key, it has it by now.
    holder = run.idempotency_key and idempotency.holder(run.idempotency_key)
    if holder:
        return RequestRepeated(holder)
    return PurgeInProgress(other.pk, is_restore=other.is_restore) if other else None


@bounded()
def _is_stored(run: PurgeRun, end: dict[str, Any]) -> bool:
    """Whether the end is in the row: an UPDATE that was committed may still have reported a lost connection."""
    row = stored().filter(pk=run.pk, status=end["status"]).first()
    return row is not None and bool(row.report == end["report"])
