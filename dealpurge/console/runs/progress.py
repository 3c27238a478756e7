"""How far a run is that is under way, for its page and for the script that polls."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dealpurge.console import formatting
from dealpurge.models import PurgeRun

Status = PurgeRun.Status


class RunProgress:
    """Progress as the row has it."""

    def __init__(self, run: PurgeRun) -> None:
        self.run = run

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
            return _("Waiting for a worker.")
        values = {"scanned": formatting.number(run.keys_scanned), "total": formatting.number(self.total)}
        words = _("%(scanned)s of about %(total)s keys scanned") % values
        return words + (_(" · %(rate)s keys a second") % {"rate": formatting.number(self.rate)} if self.rate else "")

    @property
    def total(self) -> int:
        """Keys to scan, never fewer than were scanned."""
        return max(self.run.keys_total, self.run.keys_scanned, 1)

    @property
    def so_far(self) -> str:
        """What a run under way has deleted."""
        if self.run.dry_run:
            return _("Nothing is deleted: this is a dry run.")
        count = self.run.keys_deleted
        return ngettext("%(n)s key deleted so far.", "%(n)s keys deleted so far.", count) % {
            "n": formatting.number(count)
        }
