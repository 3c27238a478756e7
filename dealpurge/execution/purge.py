"""A purge, a dry run or an inventory: the engine carried out, and what became of each deal written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

from dealpurge.clock import Deadline
from dealpurge.conf import conf
from dealpurge.engine import purging
from dealpurge.engine.archive.archiver import Archive
from dealpurge.engine.inventory import take_inventory
from dealpurge.engine.limits import in_force
from dealpurge.engine.sweep.deal_log import INTERRUPTED, SKIPPED_ACTIVE, DealLog, DealNote
from dealpurge.engine.sweep.meeting import Meeting
from dealpurge.engine.sweep.reporting import notes_of_all, report_of
from dealpurge.engine.sweep.tally import Tally
from dealpurge.engine.tracking.tracker import Tracker
from dealpurge.exceptions import FieldError, ScopeError
from dealpurge.execution.base import Execution, Observer
from dealpurge.keys.families import EVENTS, Keyspace
from dealpurge.models import PurgeRun
from dealpurge.report import PurgeReport
from dealpurge.runs import inventory, messages
from dealpurge.runs.archive.keeper import ArchiveKeeper, keeper_of
from dealpurge.runs.database import ROWS_AT_ONCE
from dealpurge.runs.deals.suggestions import with_suggestions
from dealpurge.runs.progress import looks_at_activity, tracker_of
from dealpurge.runs.retry import patience
from dealpurge.scope import PurgeScope
from dealpurge.signals import purge_finished


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


class Purge(Execution[PurgeReport]):
    """One run of a purge's scope."""

    finished = purge_finished

    def __init__(
        self,
        row: PurgeRun,
        scope: PurgeScope,
        prepare: Callable[[], Keyspace],
        observer: Observer | None,
        request_id: str = "",
        deadline: Deadline | None = None,
    ) -> None:
        self.scope, self.prepare = scope, prepare
        self.families: Sequence[str] = ()
        self.log = DealLog()
        self.tally = Tally(log=None if scope.dry_run else self.log)
        self.keeper: ArchiveKeeper | None = None
        super().__init__(row, observer, request_id, deadline)
        self.tally.meeting = Meeting(self.bound.expect)

    def tracker(self) -> Tracker:
        """Of the tally."""
        self.tally.tracker = tracker_of(self.row, self.tally.progress)
        return self.tally.tracker

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

    def write_down(self) -> None:
        """What a dry run would do with each deal: while it goes on, so that it can be stopped."""
        known = notes_of_all(self.scope, self.tally)
        self.tally.tracker.record(complete=True, deals=len(known))
        notes = iter(known.items())
        while not self.tally.cancelled and (batch := list(islice(notes, ROWS_AT_ONCE))):
            self.log.extend(batch)
            self.tally.cancelled = not self.watch()

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
            duration_ms=self.duration_ms,
            failed=failed,
        )

    def notes(self) -> Iterable[tuple[bytes, DealNote]]:
        """As the engine met them."""
        return self.log.take()

    def completed(self, report: PurgeReport) -> PurgeReport:
        """With what may have been meant by names of deals that are not there."""
        if report.deals_not_found:
            return replace(report, deals_not_found=with_suggestions(report.deals_not_found))
        return report

    def settle(self, report: PurgeReport) -> dict[str, Any]:
        """What became of all deals. A dry run that was stopped has gone through part of the deals only."""
        if self.keeper:
            self.keeper.close(report.status)
        part = self.scope.dry_run and (self.tally.cancelled or not self.tally.complete)
        return {
            "total": self.tally.total,
            "notes": None if part else notes_of_all(self.scope, self.tally),
            "processes": self.tally.meeting.processes,
        }
