"""The record of a running run: kept alive, and in step with what the run does. It is also how the run learns that it
was cancelled or taken for lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from django.db import Error as DatabaseTrouble
from django.db.models.functions import Now

from dealpurge import clock
from dealpurge.engine.sweep.deal_log import DealNote
from dealpurge.engine.sweep.meeting import Process
from dealpurge.engine.tracking.details import ProgressDetails
from dealpurge.engine.tracking.tracker import Tracker
from dealpurge.exceptions import RunLost
from dealpurge.models import PurgeRun
from dealpurge.report import PurgeReport
from dealpurge.restore_report import RestoreReport
from dealpurge.runs import retry, silence, store
from dealpurge.runs.database import bounded, durable, revive_connection, stored
from dealpurge.runs.deals import rows as deal_rows
from dealpurge.runs.deals.organisations import organisations_of
from dealpurge.runs.deals.rows import DealRows

#: Seconds between two signs of life.
HEARTBEAT_SECONDS = 1.0
#: Seconds by which the record may be behind before the run waits for it.
BEHIND_SECONDS = 5.0


class RunRecord:
    """What the database knows of a run under way. Every write is a committed transaction, and a sign of life."""

    def __init__(self, run: PurgeRun, deadline: clock.Deadline | None = None, tracker: Tracker | None = None) -> None:
        """``deadline``: of who waits for the run's end. ``tracker``: tells how far it is."""
        self.run, self._deadline, self._tracker = run, deadline, tracker or Tracker()
        self.cancelled = False
        self._deals = DealRows(run)
        self._tried = self._written = clock.seconds()
        #: Since when nothing could be written, if so.
        self._in_trouble: float | None = None
        #: Counts of keys for the row, and how many that were deleted or restored it tells of.
        self._progress = {"keys_scanned": 0, "keys_total": 0, "keys_deleted": 0}
        self._known_changed = 0

    def keep_up(self, notes: Iterable[tuple[bytes, DealNote]] = (), **counts: int) -> bool:
        """Take in what became of deals, and counts of keys, and write it once a second, or once a batch is full.
        Whether the run may go on. Raises ``RunLost`` when the row is no longer ours to write."""
        self._note(notes, **counts)
        if not self.cancelled and self._is_due():
            self._write()
        return not self.cancelled

    def expect(self, rows: int) -> None:
        """So many rows of another kind are to be written."""
        self._tracker.record(complete=True, deals=rows)

    def write_rows(self, count: int, insert: Callable[[], None]) -> None:
        """So many of them, which ``insert`` writes inside our transaction; it is called again where that failed. A
        sign of life, of a run that was cancelled too. Raises ``RunLost``."""
        write = partial(self._write_rows, insert)
        retry.with_retry(self.run.pk, write, seconds=retry.patience(self._deadline))
        self._tracker.recorded += count

    def details(self) -> ProgressDetails:
        """How far it is, phase by phase."""
        tracker = self._tracker
        if not (self.run.inventory or self.run.is_restore):  # which have rows of another kind
            tracker.recorded = self._deals.written
            if tracker.recording:
                tracker.to_record = max(tracker.to_record or 0, tracker.recorded + self._deals.new)
        return replace(tracker.details(), deals=dict(+self._deals.outcomes))

    @property
    def is_behind(self) -> bool:
        """Whether the database is in trouble for so long that nothing more may be done before it is written."""
        unwritten = self._deals.waiting or self._changed != self._known_changed
        return bool(unwritten) and not self.cancelled and clock.seconds() - self._written > BEHIND_SECONDS

    @property
    def _changed(self) -> int:
        return self._progress["keys_deleted"] + self._progress.get("keys_restored", 0)

    def write_down(self, notes: Iterable[tuple[bytes, DealNote]] = (), **counts: int) -> None:
        """Have it written before this returns, with the counts that ``keep_up`` takes. Raises ``RunLost``."""
        self._note(notes, **counts)
        while self._deals.waiting:
            retry.with_retry(self.run.pk, self._write_batch_now, seconds=retry.patience(self._deadline))

    def finish(
        self,
        report: PurgeReport | RestoreReport,
        *,
        total: int,
        error: str,
        notes: Mapping[bytes, DealNote] | None = None,
        processes: Sequence[Process] | None = None,
        organisations: Mapping[str, Any] | None = None,
    ) -> None:
        """Store the end, and what became of all deals where that is known. Raises ``RunLost`` where the row is somebody
        else's by now."""
        outcomes = None
        self._tracker.record(complete=report.status in ("completed", "partial"))
        if notes is not None:
            self._deals.settle(notes)
            outcomes = Counter(note.outcome for note in notes.values())
            organisations = organisations_of(notes)
        self.write_down((), total=total, **report.keys_told)
        retry.with_retry(self.run.pk, self._deals.recover, seconds=retry.patience(self._deadline))
        self.write_down()
        self._tracker.close()
        store.finish(
            self.run,
            report,
            total=total,
            error=error,
            outcomes=outcomes,
            organisations=organisations,
            processes=processes,
            progress=self.details().as_dict(),
            seconds=retry.patience(self._deadline),
        )

    def _note(self, notes: Iterable[tuple[bytes, DealNote]], **counts: int) -> None:
        self._deals.note(notes)
        self._progress |= {f"keys_{name}": count for name, count in counts.items()}

    def _is_due(self) -> bool:
        full = self._deals.waiting >= deal_rows.BATCH and self._in_trouble is None
        return full or clock.seconds() - self._tried >= HEARTBEAT_SECONDS

    def _write(self) -> None:
        began = clock.seconds()
        try:
            with silence.at_most(retry.patience(self._deadline)):
                while self._write_batch(cancel_requested=False):
                    if self._deals.waiting < deal_rows.BATCH:
                        return
                self._learn_why()
        except DatabaseTrouble as exc:
            self._bear(exc, began)
        finally:
            self._tried = clock.seconds()

    def _write_batch(self, **condition: bool) -> bool:
        """A sign of life and as many rows as a batch has; False if the run is not under way, and nothing is written."""
        with durable():
            alive = stored().filter(pk=self.run.pk, status=PurgeRun.Status.RUNNING, **condition)
            if not alive.update(heartbeat_at=Now(), progress=self.details().as_dict(), **self._progress):
                return False
            written = self._deals.write()
        self._deals.confirm(written)
        self._known_changed = self._changed
        self._written, self._in_trouble = clock.seconds(), None
        return True

    def _write_rows(self, insert: Callable[[], None]) -> None:
        with durable():
            alive = stored().filter(pk=self.run.pk, status=PurgeRun.Status.RUNNING)
            if not alive.update(heartbeat_at=Now(), progress=self.details().as_dict(), **self._progress):
                raise RunLost(f"Run {self.run.pk} was ended by somebody else.")
            insert()
        self._written = clock.seconds()

    def _write_batch_now(self) -> None:
        if not self._write_batch():
            raise RunLost(f"Run {self.run.pk} was ended by somebody else.")

    def _learn_why(self) -> None:
        with bounded():
            row = stored().filter(pk=self.run.pk, status=PurgeRun.Status.RUNNING).first()
        if row is None or not row.cancel_requested:
            raise RunLost(f"Run {self.run.pk} is no longer running.")
        self.cancelled = True

    def _bear(self, exc: DatabaseTrouble, began: float) -> None:
        """A short trouble is no reason to stop, also behind a sleep of the process; one that soon makes others take
        the run for lost is."""
        self._in_trouble = began if self._in_trouble is None else self._in_trouble
        if clock.seconds() - self._in_trouble > retry.RETRY_FOR_SECONDS:
            raise retry.given_up(self.run.pk) from exc
        revive_connection()
