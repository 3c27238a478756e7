"""What all runs have in common: the work carried out, the report stored, the host told, whatever ends it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any, Generic, TypeVar

from django.dispatch import Signal

from dealpurge.clock import Deadline
from dealpurge.engine.sweep.deal_log import DealNote
from dealpurge.engine.tracking.details import Progress
from dealpurge.engine.tracking.tracker import Tracker
from dealpurge.exceptions import (
    ArchiveUnavailable,
    DealPurgeError,
    OutOfTime,
    RedisUnavailable,
    RestoreRefused,
    RunLost,
    of_run,
)
from dealpurge.i18n import Sentence, said_by
from dealpurge.models import PurgeRun
from dealpurge.report import PurgeReport
from dealpurge.restore_report import RestoreReport
from dealpurge.runs import messages
from dealpurge.runs.label import Bound
from dealpurge.runs.log import log_run
from dealpurge.runs.record import RunRecord
from dealpurge.runs.retry import RETRY_SECONDS

Report = TypeVar("Report", PurgeReport, RestoreReport)

#: Called on every page and while the engine waits, from the calling thread; False stops the run.
Observer = Callable[[Progress], bool]


class Execution(ABC, Generic[Report]):
    """One run from its row's start to its row's end."""

    #: Sent to the host at the end.
    finished: Signal
    #: What a run says that was stopped at its deadline.
    out_of_time: Sentence = messages.OUT_OF_TIME

    def __init__(
        self, row: PurgeRun, observer: Observer | None, request_id: str = "", deadline: Deadline | None = None
    ) -> None:
        self.row, self.observer = row, observer
        self.request_id, self.deadline = request_id, deadline
        #: Why the run was told to stop, where nobody asked for it.
        self.cut_off = ""
        self.bound = Bound(row, deadline)
        self.record = RunRecord(row, deadline, self.tracker())
        self.started_at, self.clock = datetime.now(UTC), monotonic()

    @abstractmethod
    def tracker(self) -> Tracker:
        """What tells how far it is; asked for once."""

    @abstractmethod
    def work(self) -> None:
        """What the run is for."""

    @abstractmethod
    def counts(self) -> dict[str, int]:
        """Keys scanned, of how many in ``total``, and deleted or restored."""

    @abstractmethod
    def report(self, *, failed: bool = False) -> Report:
        """What was done so far."""

    @abstractmethod
    def settle(self, report: Report) -> dict[str, Any]:
        """Write down what became of deals; what ``RunRecord.finish`` is to be told besides."""

    def notes(self) -> Iterable[tuple[bytes, DealNote]]:
        """What became of deals since this was asked last."""
        return ()

    def completed(self, report: Report) -> Report:
        """The report as it is stored."""
        return report

    def __call__(self) -> Report:
        """The report; what the engine raises passes through once the row is marked failed. Raises ``OutOfTime``."""
        log_run("purge started", self.row, self.request_id)
        try:
            self.work()
            done = self.report()
        except RunLost as exc:
            self.note_loss(exc, self.report(failed=True))
            raise
        except DealPurgeError as exc:
            report = self.finish(self.report(failed=True), error=said_by(exc))
            if isinstance(exc, (RedisUnavailable, ArchiveUnavailable, RestoreRefused)):
                exc.run_id, exc.report = self.row.pk, report
            of_run(exc, self.row.pk, report)
            raise
        except BaseException as exc:
            report = self.report(failed=True)
            of_run(exc, self.row.pk, report)
            with suppress(Exception):
                self.finish(report, error=messages.unexpected(exc))
            raise
        cut_off = self.cut_off if done.status == "cancelled" else ""
        report = self.finish(done, error=cut_off)
        if cut_off:
            out_of_time = OutOfTime(cut_off, self.row.pk, report)
            of_run(out_of_time, self.row.pk, report)
            raise out_of_time
        return report

    def watch(self) -> bool:
        """Whether the engine may go on. Waits where the record has been out of reach for too long to delete more."""
        while not self.is_overdue():
            counts = self.counts()
            may_go_on = self.record.keep_up(self.notes(), **counts)
            if self.observer is not None and not self.observer(self.progress(counts)):
                return False
            if not self.record.is_behind:
                return may_go_on
            sleep(RETRY_SECONDS)
        return False

    def progress(self, counts: Mapping[str, int]) -> Progress:
        """For the observer."""
        known = {"deleted": 0} | dict(counts)
        known.pop("restored", None)
        return Progress(**known, details=self.record.details)

    def is_overdue(self) -> bool:
        """Whether who asked waits no longer. A run that somebody cancelled before that is on its way to its end."""
        if self.deadline and self.deadline.passed and not self.record.cancelled:
            self.cut_off = self.out_of_time.format(f"{self.deadline.after:g}")
        return bool(self.cut_off)

    @property
    def duration_ms(self) -> int:
        """Since it began."""
        return round((monotonic() - self.clock) * 1000)

    def finish(self, report: Report, *, error: str = "") -> Report:
        """Store the end and tell the host. Raises ``RunLost`` where the row is somebody else's by now."""
        report = self.completed(report)
        try:
            self.record.finish(report, error=error, **self.settle(report))
        except RunLost as exc:
            self.note_loss(exc, report)
            raise
        except Exception as exc:
            of_run(exc, self.row.pk, report)
            raise
        log_run("purge finished", self.row, self.request_id, report)
        self.finished.send_robust(sender=PurgeRun, run=self.row, report=report)
        return report

    def note_loss(self, exc: RunLost, report: Report) -> None:
        """The log knows what was done by a run whose row is out of reach, and so does who started it."""
        exc.run_id, exc.report = self.row.pk, report
        of_run(exc, self.row.pk, report)
        log_run("purge lost", self.row, self.request_id, report)
