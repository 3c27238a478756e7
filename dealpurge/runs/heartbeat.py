"""The sign of life of a running run, which is also how it learns that it was cancelled or taken for lost."""

from __future__ import annotations

from django.db import Error as DatabaseTrouble
from django.db.models import Q
from django.db.models.functions import Now

from dealpurge import clock
from dealpurge.exceptions import RunLost
from dealpurge.models import PurgeRun
from dealpurge.runs.database import revive_connection, stored, update
from dealpurge.runs.store import RETRY_FOR_SECONDS

#: Seconds between two heartbeats.
HEARTBEAT_SECONDS = 1.0


class Heartbeat:
    """Tells the row that the run is alive, at most once a second, and learns whether it may go on."""

    def __init__(self, run: PurgeRun) -> None:
        self.run = run
        self.cancelled = False
        self._tried = self._written = clock.seconds()

    def __call__(self, *, scanned: int, total: int, deleted: int) -> bool:
        """Whether the run may go on. Raises ``RunLost`` when the row is no longer ours to write."""
        if not self.cancelled and clock.seconds() - self._tried >= HEARTBEAT_SECONDS:
            self._write(keys_scanned=scanned, keys_total=total, keys_deleted=deleted)
            self._tried = clock.seconds()
        return not self.cancelled

    def _write(self, **progress: int) -> None:
        alive = Q(pk=self.run.pk, status=PurgeRun.Status.RUNNING, cancel_requested=False)
        try:
            if not update(alive, heartbeat_at=Now(), **progress):
                self._learn_why()
        except DatabaseTrouble as exc:
            self._bear(exc)
        else:
            self._written = clock.seconds()

    def _learn_why(self) -> None:
        row = stored().filter(pk=self.run.pk, status=PurgeRun.Status.RUNNING).first()
        if row is None or not row.cancel_requested:
            raise RunLost(f"Run {self.run.pk} is no longer running.")
        self.cancelled = True

    def _bear(self, exc: DatabaseTrouble) -> None:
        """A short trouble is no reason to stop; one that soon makes others take the run for lost is."""
        if clock.seconds() - self._written > RETRY_FOR_SECONDS:
            raise RunLost(f"Run {self.run.pk} cannot be written down any more.") from exc
        revive_connection()
