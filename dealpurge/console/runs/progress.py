"""How far a run is that is under way, for its page and for the script that polls."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dealpurge.console import formatting
from dealpurge.models import QUEUE_EXPIRES_AFTER, PurgeRun

Status = PurgeRun.Status
#: Seconds after which a run that waits for a worker may be waiting for one that is not there.
PATIENCE_SECONDS = 30
#: Seconds between two signs of life that are worth a word; there is one a second.
SILENCE_SECONDS = 5


class RunProgress:
    """Progress as the row has it, at the database's ``now``."""

    def __init__(self, run: PurgeRun, now: datetime) -> None:
        self.run, self.now = run, now

    @property
    def badge(self) -> str:
        """The run's state in a word or two; a dry run never speaks of deletion but to deny it."""
        if self.run.dry_run and self.run.status == Status.COMPLETED:
            return _("dry run · nothing deleted")
        if self.run.cancel_requested and not self.run.is_over:
            return _("cancelling")
        status = self.run.get_status_display()
        return _("dry run · %(status)s") % {"status": status} if self.run.dry_run else status

    @property
    def rate(self) -> int:
        """Keys scanned a second, by the database's clock; 0 while it cannot be told."""
        run = self.run
        if not (run.started_at and run.heartbeat_at):
            return 0
        seconds = (run.heartbeat_at - run.started_at).total_seconds()
        return round(run.keys_scanned / seconds) if seconds >= 0.5 else 0

    @property
    def progress(self) -> str:
        """How far it is, in words."""
        run = self.run
        if run.status == Status.QUEUED:
            return _("Waiting for a worker, %(n)s s.") % {"n": formatting.number(self._seconds_since(run.created_at))}
        if not run.keys_total:
            return _("Looking for Redis.")
        values = {"scanned": formatting.number(run.keys_scanned), "total": formatting.number(self.total)}
        words = _("%(scanned)s of about %(total)s keys scanned") % values
        return words + (_(" · %(rate)s keys a second") % {"rate": formatting.number(self.rate)} if self.rate else "")

    @property
    def trouble(self) -> str:
        """That nobody takes it, or that who has it is silent, and what to do; empty while all is well."""
        run = self.run
        if run.status == Status.QUEUED:
            waited = self._seconds_since(run.created_at)
            left = max(round((QUEUE_EXPIRES_AFTER.total_seconds() - waited) / 60), 0)
            words = ngettext(
                "No worker has taken it yet. It expires in %(n)s minute.",
                "No worker has taken it yet. It expires in %(n)s minutes.",
                left,
            )
            start = _("Start a worker of what TASKS or DEALPURGE_ENQUEUE names, such as manage.py db_worker.")
            return f"{words % {'n': formatting.number(left)}} {start}" if waited >= PATIENCE_SECONDS else ""
        silent = self._seconds_since(run.heartbeat_at or run.started_at or run.created_at)
        if run.status != Status.RUNNING or silent < SILENCE_SECONDS:
            return ""
        words = _("No sign of life for %(n)s s. A run that is silent for a minute is lost, and blocks nobody.")
        return words % {"n": formatting.number(silent)}

    @property
    def total(self) -> int:
        """Keys to scan, never fewer than were scanned."""
        return max(self.run.keys_total, self.run.keys_scanned, 1)

    def _seconds_since(self, moment: datetime) -> int:
        return max(int((self.now - moment).total_seconds()), 0)

    @property
    def so_far(self) -> str:
        """What a run under way has deleted."""
        if self.run.dry_run:
            return _("Nothing is deleted: this is a dry run.")
        count = self.run.keys_deleted
        return ngettext("%(n)s key deleted so far.", "%(n)s keys deleted so far.", count) % {
            "n": formatting.number(count)
        }
