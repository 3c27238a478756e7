"""One run from its row's start to its row's end: the engine carried out, the report stored, the signal sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, islice
from time import monotonic, sleep
from uuid import UUID

from dealpurge.clock import Deadline, deadline_of_request
from dealpurge.conf import conf
from dealpurge.engine import purging
from dealpurge.engine.archive.archiver import Archive
from dealpurge.engine.inventory import take_inventory
from dealpurge.engine.limits import in_force
from dealpurge.engine.sweep.deal_log import INTERRUPTED, SKIPPED_ACTIVE, DealLog, DealNote
from dealpurge.engine.sweep.meeting import Meeting
from dealpurge.engine.sweep.reporting import notes_of_all, report_of
from dealpurge.engine.sweep.tally import Tally
from dealpurge.engine.tracking.details import Progress
from dealpurge.exceptions import (
    ArchiveUnavailable,
    DealPurgeError,
    FieldError,
    OutOfTime,
    PurgeConfigurationError,
    PurgeNotAllowed,
    RedisUnavailable,
    RunLost,
    ScopeError,
    of_run,
)
from dealpurge.i18n import said_by
from dealpurge.keys.families import EVENTS, Keyspace
from dealpurge.models import PurgeRun
from dealpurge.permissions import may_purge
from dealpurge.report import PurgeReport
from dealpurge.runs import inventory, messages, store
from dealpurge.runs.archive.keeper import ArchiveKeeper, keeper_of
from dealpurge.runs.database import ROWS_AT_ONCE
from dealpurge.runs.deals.suggestions import with_suggestions
from dealpurge.runs.label import Bound
from dealpurge.runs.log import log_run
from dealpurge.runs.progress import looks_at_activity, tracker_of
from dealpurge.runs.record import RunRecord
from dealpurge.runs.retry import RETRY_SECONDS, patience
from dealpurge.scope import PurgeScope
from dealpurge.signals import purge_finished

#: Called on every page and while the engine waits, from the calling thread; False stops the run.
Observer = Callable[[Progress], bool]


def run(run_id: UUID | str, *, observer: Observer | None = None) -> PurgeReport:
    """Carry out a queued run: what a worker calls. Raises ``RunTaken`` if it is not queued any more, ``RunLost`` if
    it waited too long, ``PurgeNotAllowed`` if its actor may not purge any more, and what ends a run that began."""
    deadline = deadline_of_request()
    row = store.claim(UUID(str(run_id)), seconds=patience(deadline))

    def prepare() -> Keyspace:
        _check_actor(row)
        keyspace = check(row.scope)  # the settings of the worker, or those of today, may not serve it
        if not keyspace.agrees_with(row.families_digest, row.scope, archived=bool(row.archive_alias)):
            raise PurgeConfigurationError(messages.OTHER_FAMILIES)
        return keyspace

    return Execution(row, row.scope, prepare, observer, deadline=deadline)()


def check(scope: PurgeScope) -> Keyspace:
    """The keyspace in force. Raises ``ScopeError`` where it cannot serve the scope, and ``PurgeConfigurationError`` for
    families, limits or names of the environment that are none."""
    in_force(scope)
    _ = conf.environment, conf.server_label, conf.confirm_deals
    keyspace = Keyspace.from_settings()
    if scope.guarded and EVENTS not in keyspace.families:
        field, _, message = messages.NO_EVENTS.partition(": ")
        error = ScopeError(FieldError(field=field, code="value_error", message=message))
        error.args = (messages.NO_EVENTS,)  # the same words, known by their code
        raise error
    return keyspace


class Execution:
    """One run from its row's start to its row's end."""

    def __init__(
        self,
        row: PurgeRun,
        scope: PurgeScope,
        prepare: Callable[[], Keyspace],
        observer: Observer | None,
        request_id: str = "",
        deadline: Deadline | None = None,
    ) -> None:
        self.row, self.scope, self.prepare, self.observer = row, scope, prepare, observer
        self.request_id, self.deadline = request_id, deadline
        #: Why the run was told to stop, where nobody asked for it.
        self.cut_off = ""
        self.families: Sequence[str] = ()
        self.log = DealLog()
        self.bound = Bound(row, deadline)
        self.tally = Tally(log=None if scope.dry_run else self.log, meeting=Meeting(self.bound.expect))
        self.tally.tracker = tracker_of(row, self.tally.progress)
        self.record = RunRecord(row, deadline, self.tally.tracker)
        self.keeper: ArchiveKeeper | None = None
        self.started_at, self.clock = datetime.now(UTC), monotonic()

    def __call__(self) -> PurgeReport:
        """The report; what the engine raises passes through once the row is marked failed. Raises ``OutOfTime``."""
        log_run("purge started", self.row, self.request_id)
        try:
            self.work()
            report = self.report()
        except RunLost as exc:
            self.note_loss(exc, self.report(failed=True))
            raise
        except DealPurgeError as exc:
            report = self.finish(self.report(failed=True), error=said_by(exc))
            if isinstance(exc, (RedisUnavailable, ArchiveUnavailable)):
                exc.run_id, exc.report = self.row.pk, report
            of_run(exc, self.row.pk, report)
            raise
        except BaseException as exc:
            report = self.report(failed=True)
            of_run(exc, self.row.pk, report)
            with suppress(Exception):
                self.finish(report, error=messages.unexpected(exc))
            raise
        cut_off = self.cut_off if report.status == "cancelled" else ""
        report = self.finish(report, error=cut_off)
        if cut_off:
            out_of_time = OutOfTime(cut_off, self.row.pk, report)
            of_run(out_of_time, self.row.pk, report)
            raise out_of_time
        return report

    def work(self) -> None:
        """What the run is for."""
        keyspace = self.prepare()
        self.bound.check()
        self.families = keyspace.names
        self.scope = in_force(self.scope)
        if self.is_overdue():  # the database may have been slow, and Redis need not be asked
            self.tally.cancelled = True
        elif self.row.inventory:
            rows = take_inventory(keyspace, self.tally, self.watch)
            inventory.store(self.row, keyspace.names, rows)
        else:
            look = looks_at_activity(self.row) and EVENTS in keyspace.families
            self.keeper = keeper_of(self.row, keyspace, patience(self.deadline))
            archive = Archive(self.keeper, conf.archive_max_key_bytes) if self.keeper else None
            purging.purge(self.scope, keyspace, self.tally, self.watch, self.keep_active, archive, look)
            if self.scope.dry_run and self.tally.complete:
                self.write_down()

    def watch(self) -> bool:
        """Whether the engine may go on. Waits where the record has been out of reach for too long to delete more."""
        while not self.is_overdue():
            counts = self.counts()
            may_go_on = self.record.keep_up(self.log.take(), **counts)
            if self.observer is not None and not self.observer(Progress(**counts, details=self.record.details)):
                return False
            if not self.record.is_behind:
                return may_go_on
            sleep(RETRY_SECONDS)
        return False

    def write_down(self) -> None:
        """What a dry run would do with each deal: while it goes on, so that it can be stopped."""
        known = notes_of_all(self.scope, self.tally)
        self.tally.tracker.record(complete=True, deals=len(known))
        notes = iter(known.items())
        while not self.tally.cancelled and (batch := list(islice(notes, ROWS_AT_ONCE))):
            self.log.extend(batch)
            self.tally.cancelled = not self.watch()

    def is_overdue(self) -> bool:
        """Whether who asked waits no longer. A run that somebody cancelled before that is on its way to its end."""
        if self.deadline and self.deadline.passed and not self.record.cancelled:
            self.cut_off = messages.OUT_OF_TIME.format(f"{self.deadline.after:g}")
        return bool(self.cut_off)

    def keep_active(self, deals: Mapping[bytes, bool]) -> None:
        """Write down who was found active, and whether keys of theirs had gone by then."""
        active = ((token, DealNote(INTERRUPTED if begun else SKIPPED_ACTIVE)) for token, begun in deals.items())
        self.record.write_down(chain(self.log.take(), active), **self.counts())

    def counts(self) -> dict[str, int]:
        """How far the run is, as ``Progress`` has it."""
        counts = self.tally.progress()
        return {"scanned": counts.scanned, "total": counts.total, "deleted": counts.deleted}

    def report(self, *, failed: bool = False) -> PurgeReport:
        """What was done so far."""
        self.bound.warn(self.tally)
        return report_of(
            self.tally,
            run_id=self.row.pk,
            scope=self.scope,
            families=self.families,
            environment=self.row.environment or None,
            archive=self.keeper.report() if self.keeper else None,
            started_at=self.started_at,
            duration_ms=round((monotonic() - self.clock) * 1000),
            failed=failed,
        )

    def finish(self, report: PurgeReport, *, error: str = "") -> PurgeReport:
        """Store the end and tell the host. Raises ``RunLost`` where the row is somebody else's by now."""
        if report.deals_not_found:
            report = replace(report, deals_not_found=with_suggestions(report.deals_not_found))
        if self.keeper:
            self.keeper.close(report.status)
        # A dry run that was stopped has gone through part of the deals only.
        part = self.scope.dry_run and (self.tally.cancelled or not self.tally.complete)
        notes = None if part else notes_of_all(self.scope, self.tally)
        try:
            met = self.tally.meeting.processes
            self.record.finish(report, total=self.tally.total, error=error, notes=notes, processes=met)
        except RunLost as exc:
            self.note_loss(exc, report)
            raise
        except Exception as exc:
            of_run(exc, self.row.pk, report)
            raise
        log_run("purge finished", self.row, self.request_id, report)
        purge_finished.send_robust(sender=PurgeRun, run=self.row, report=report)
        return report

    def note_loss(self, exc: RunLost, report: PurgeReport) -> None:
        """The log knows what was done by a run whose row is out of reach, and so does who started it."""
        exc.run_id, exc.report = self.row.pk, report
        of_run(exc, self.row.pk, report)
        log_run("purge lost", self.row, self.request_id, report)


def _check_actor(row: PurgeRun) -> None:
    """A user who lost the permission, or was deleted, while their run waited has nothing purged."""
    deleted = row.actor is None and row.source == PurgeRun.Source.ADMIN
    if deleted or (row.actor is not None and not may_purge(row.actor)):
        raise PurgeNotAllowed(messages.NOT_ALLOWED)
