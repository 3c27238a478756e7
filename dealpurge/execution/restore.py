"""A restore, or its preview: the archive of a purge read, and what became of each deal written down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from dealpurge.clock import Deadline
from dealpurge.engine.restore.reporting import report_of
from dealpurge.engine.restore.restoring import restore
from dealpurge.engine.restore.tally import RestoreTally
from dealpurge.engine.restore.tracking import RestoreTracker
from dealpurge.engine.restore.words import EARLIER_WARNING
from dealpurge.engine.sweep.meeting import Meeting
from dealpurge.engine.tracking.tracker import Tracker
from dealpurge.execution.base import Execution, Observer
from dealpurge.models import PurgeRun
from dealpurge.restore_report import RestoreReport
from dealpurge.runs import messages
from dealpurge.runs.archive import restores
from dealpurge.runs.archive.source import StoredArchive, archived_keyspace
from dealpurge.runs.deals.organisations import organisations_of
from dealpurge.signals import restore_finished


class Restore(Execution[RestoreReport]):
    """One run of a restore's scope. ``prepare``: called first, may raise."""

    finished = restore_finished
    out_of_time = messages.RESTORE_OUT_OF_TIME

    def __init__(
        self,
        row: PurgeRun,
        prepare: Callable[[], object],
        observer: Observer | None,
        request_id: str = "",
        deadline: Deadline | None = None,
    ) -> None:
        self.scope, self.prepare = row.restore_scope, prepare
        self.families: Sequence[str] = ()
        self.tally = RestoreTally()
        super().__init__(row, observer, request_id, deadline)
        self.tally.meeting = Meeting(self.bound.expect)

    def tracker(self) -> Tracker:
        """Of the tally."""
        return RestoreTracker(self.tally, dry_run=self.scope.dry_run)

    def work(self) -> None:
        """The purge may have lost its archive since this was asked for."""
        self.prepare()
        self.bound.check()
        purge = restores.purge_of(self.row)
        keyspace = archived_keyspace(purge)
        self.families = keyspace.names
        if self.is_overdue():
            self.tally.cancelled = True
            return
        if restores.was_restored(purge):
            self.tally.warn(EARLIER_WARNING)
        restore(self.scope, keyspace, StoredArchive(purge), self.tally, self.watch)

    def counts(self) -> dict[str, int]:
        """Files are read before anything is written."""
        tally = self.tally
        restored = tally.keys_restored if tally.phase == "write" else 0
        return {"scanned": tally.read, "total": tally.total, "restored": restored}

    def report(self, *, failed: bool = False) -> RestoreReport:
        """What was done so far."""
        self.bound.warn(self.tally)
        return report_of(
            self.tally,
            run_id=self.row.pk,
            purge_id=self.row.restored_run_id,
            scope=self.scope,
            families=self.families,
            environment=self.row.environment or None,
            started_at=self.started_at,
            duration_ms=self.duration_ms,
            failed=failed,
        )

    def settle(self, report: RestoreReport) -> dict[str, Any]:
        """Every deal that was met, whatever ended it; of a preview only where all was met."""
        deals = self.tally.deals() if self.tally.complete or not self.scope.dry_run else {}
        self.record.expect(len(deals))
        self.record.write_down((), total=self.tally.total, **report.keys_told)
        for rows in restores.rows_of(self.row, deals):
            self.record.write_rows(len(rows), partial(restores.insert, rows))
            self.watch()
        return {
            "total": self.tally.total,
            "processes": self.tally.meeting.processes,
            "organisations": organisations_of(deals),
        }
