"""The one way in: every door calls these. Scope checked, run written down, engine, report stored, signal sent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser

from dealpurge.engine import passes
from dealpurge.engine.inventory import take_inventory
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import (
    DealPurgeError,
    FieldError,
    PurgeConfigurationError,
    PurgeNotAllowed,
    QueueUnavailable,
    RedisUnavailable,
    RunLost,
    ScopeError,
)
from dealpurge.keys.families import EVENTS, Keyspace
from dealpurge.models import PurgeRun
from dealpurge.permissions import may_purge
from dealpurge.report import PurgeReport
from dealpurge.runs import inventory, messages, store
from dealpurge.runs.database import stored
from dealpurge.runs.heartbeat import Heartbeat
from dealpurge.runs.log import log_run
from dealpurge.runs.store import Origin
from dealpurge.runs.termination import fail_queued, request_cancel
from dealpurge.scope import Deal, Mode, PurgeScope
from dealpurge.signals import purge_finished
from dealpurge.text import redacted

logger = logging.getLogger("dealpurge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is: keys scanned of about ``total``, keys deleted."""

    scanned: int
    total: int
    deleted: int


#: Called on every page and while the engine waits, from the calling thread; False stops the run.
Observer = Callable[[Progress], bool]


def purge_deals(
    *,
    mode: Mode,
    deals: Sequence[Deal] = (),
    org_id: str | None = None,
    include_checkpoints: bool = False,
    exclude_active_within_secs: int | None = None,
    dry_run: bool = True,
    source: str = PurgeRun.Source.COMMAND,
    actor: AbstractBaseUser | None = None,
    actor_name: str = "",
    reason: str = "",
    preview: PurgeRun | None = None,
    observer: Observer | None = None,
) -> PurgeReport:
    """Purge, or with ``dry_run`` count what a purge would delete, and write it down.

    Raises ``ScopeError``, ``PurgeInProgress``, ``PreviewRefused``, ``AuditUnavailable``, ``RedisUnavailable``,
    ``RunLost``, and ``RuntimeError`` inside an open transaction.
    """
    scope = PurgeScope(
        mode=mode,
        deals=tuple(deals),
        org_id=org_id,
        include_checkpoints=include_checkpoints,
        exclude_active_within_secs=exclude_active_within_secs,
        dry_run=dry_run,
    )
    origin = Origin(source=source, actor=actor, actor_name=actor_name, reason=reason)
    return start(scope, origin, preview=preview, observer=observer)


def start(
    scope: PurgeScope, origin: Origin, *, preview: PurgeRun | None = None, observer: Observer | None = None
) -> PurgeReport:
    """``purge_deals`` for a scope that is made already."""
    keyspace = check(scope)
    row = store.create(scope, origin, preview=preview, families_digest=keyspace.digest)
    return _Execution(row, scope, lambda: keyspace, observer, origin.request_id)()


def queue(scope: PurgeScope, origin: Origin, *, preview: PurgeRun | None = None, inventory: bool = False) -> PurgeRun:
    """Write a run down and hand it to a worker; with an immediate task backend it is over when this returns.

    An ``inventory`` is a dry run that keeps what each deal holds.

    Raises what ``purge_deals`` does except ``RedisUnavailable``, which is then the run's own end, and
    ``QueueUnavailable`` where it cannot be handed over.
    """
    from dealpurge import tasks  # a door above this module, and its import fails where TASKS cannot be used

    digest = check(scope).digest
    row = store.create(scope, origin, queued=True, preview=preview, inventory=inventory, families_digest=digest)
    log_run("purge queued", row, origin.request_id)
    try:
        tasks.enqueue(row.pk)
    except Exception as exc:
        error = QueueUnavailable(row.pk)
        reason = f"{type(exc).__name__}: {redacted(exc)}"  # without a traceback, whose texts cannot be redacted
        logger.error("the queue failed: %s", reason, extra={"run_id": str(row.pk), "request_id": origin.request_id})
        if fail_queued(row.pk, str(error)):
            raise error from exc
        # A worker has it, or had it: whatever the queue's client says, the row knows better.
    return stored().get(pk=row.pk)


def run(run_id: UUID | str, *, observer: Observer | None = None) -> PurgeReport:
    """Carry out a queued run: what a worker calls. Raises ``RunTaken`` if it is not queued any more, ``RunLost`` if
    it waited too long, ``PurgeNotAllowed`` if its actor may not purge any more, and what ends a run that began."""
    row = store.claim(UUID(str(run_id)))

    def prepare() -> Keyspace:
        _check_actor(row)
        keyspace = check(row.scope)  # the settings of the worker, or those of today, may not serve it
        if not keyspace.agrees_with(row.families_digest):
            raise PurgeConfigurationError(messages.OTHER_FAMILIES)
        return keyspace

    return _Execution(row, row.scope, prepare, observer)()


def cancel(run_id: UUID, origin: Origin | None = None) -> bool:
    """Cancel a queued run, or ask a running one to stop at its next page; False if it was over.

    ``origin``: who wants that, for the record and the log.
    """
    return request_cancel(run_id, origin.name if origin else "", origin.request_id if origin else "")


def check(scope: PurgeScope) -> Keyspace:
    """The keyspace in force. Raises ``ScopeError`` where it cannot serve the scope."""
    keyspace = Keyspace.from_settings()
    if scope.guarded and EVENTS not in keyspace.families:
        field, _, message = messages.NO_EVENTS.partition(": ")
        raise ScopeError(FieldError(field=field, code="value_error", message=message))
    return keyspace


def _check_actor(row: PurgeRun) -> None:
    """A user who lost the permission, or was deleted, while their run waited has nothing purged."""
    deleted = row.actor is None and row.source == PurgeRun.Source.ADMIN
    if deleted or (row.actor is not None and not may_purge(row.actor)):
        raise PurgeNotAllowed(messages.NOT_ALLOWED)


class _Execution:
    """One run from its row's start to its row's end."""

    def __init__(
        self,
        row: PurgeRun,
        scope: PurgeScope,
        prepare: Callable[[], Keyspace],
        observer: Observer | None,
        request_id: str = "",
    ) -> None:
        self.row, self.scope, self.prepare, self.observer = row, scope, prepare, observer
        self.request_id = request_id
        self.families: Sequence[str] = ()
        self.tally = Tally()
        self.heartbeat = Heartbeat(row)
        self.started_at, self.clock = datetime.now(UTC), monotonic()

    def __call__(self) -> PurgeReport:
        """The report; what the engine raises passes through once the row is marked failed."""
        log_run("purge started", self.row, self.request_id)
        try:
            self.work()
        except RunLost as exc:
            self.note_loss(exc, self.report(failed=True))
            raise
        except DealPurgeError as exc:
            report = self.finish(self.report(failed=True), error=str(exc))
            if isinstance(exc, RedisUnavailable):
                exc.run_id, exc.report = self.row.pk, report
            raise
        except BaseException as exc:
            with suppress(Exception):
                self.finish(self.report(failed=True), error=_words(exc))
            raise
        return self.finish(self.report())

    def work(self) -> None:
        """What the run is for."""
        keyspace = self.prepare()
        self.families = keyspace.names
        if self.row.inventory:
            rows = take_inventory(keyspace, self.tally, self.watch)
            inventory.store(self.row, keyspace.names, rows)
        else:
            passes.purge(self.scope, keyspace, self.tally, self.watch)

    def watch(self) -> bool:
        """Whether the engine may go on."""
        counts = dict(zip(("scanned", "total", "deleted"), self.tally.progress(), strict=True))
        may_go_on = self.heartbeat(**counts)
        return (self.observer is None or self.observer(Progress(**counts))) and may_go_on

    def report(self, *, failed: bool = False) -> PurgeReport:
        return self.tally.report(
            run_id=self.row.pk,
            scope=self.scope,
            families=self.families,
            started_at=self.started_at,
            duration_ms=round((monotonic() - self.clock) * 1000),
            failed=failed,
        )

    def finish(self, report: PurgeReport, *, error: str = "") -> PurgeReport:
        """Store the end and tell the host. Raises ``RunLost`` where the row is somebody else's by now."""
        outcomes = () if self.scope.dry_run else self.tally.outcomes()
        _, total, _ = self.tally.progress()
        try:
            store.finish(self.row, report, total=total, error=error, outcomes=outcomes)
        except RunLost as exc:
            self.note_loss(exc, report)
            raise
        log_run("purge finished", self.row, self.request_id, report)
        purge_finished.send_robust(sender=PurgeRun, run=self.row, report=report)
        return report

    def note_loss(self, exc: RunLost, report: PurgeReport) -> None:
        """The log knows what was done by a run whose row is out of reach, and so does who started it."""
        exc.run_id, exc.report = self.row.pk, report
        log_run("purge lost", self.row, self.request_id, report)


def _words(exc: BaseException) -> str:
    """For the record. The text of an error that nobody expected may hold secrets; the log has it."""
    return messages.UNEXPECTED.format(type(exc).__name__) if isinstance(exc, Exception) else messages.INTERRUPTED
