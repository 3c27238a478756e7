"""What others do to the deals of a preview while somebody looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from django.db.models import Q
from django.utils.translation import gettext as _

from dealpurge.exceptions import AuditUnavailable
from dealpurge.models import LOST_AFTER, PurgeRun
from dealpurge.runs.database import bounded, stored
from dealpurge.runs.label import Label
from dealpurge.runs.progress import percent
from dealpurge.runs.termination import fail_lost_runs
from dealpurge.scope import PurgeScope
from dealpurge.text import plain

#: Purges that are looked at, the newest first.
READ = 200
Status = PurgeRun.Status
ENDED = (Status.COMPLETED, Status.PARTIAL, Status.CANCELLED, Status.FAILED)
#: What is not asked of them.
UNUSED = ("report", "sentences", "outcomes", "organisations", "redis_processes", "error", "reason")


class Meanwhile(NamedTuple):
    """A purge that meets some of the same deals, under way or over. ``single``: there is one deal alone."""

    run: PurgeRun
    single: bool

    @property
    def words(self) -> str:
        """In the active language, without its scope."""
        if self.run.is_restore:
            words = (
                _("A restore by %(who)s has ended since this preview was made.")
                if self.run.is_over
                else _("A restore by %(who)s is under way, %(percent)s %%.")
            )
        elif self.run.is_over:
            words = (
                _("A purge of this deal by %(who)s has ended since this preview was made.")
                if self.single
                else _("A purge of some of these deals by %(who)s has ended since this preview was made.")
            )
        elif self.single:
            words = _("A purge of this deal by %(who)s is under way, %(percent)s %%.")
        else:
            words = _("A purge of some of these deals by %(who)s is under way, %(percent)s %%.")
        return words % {"who": plain(self.run.actor_name) or _("somebody"), "percent": percent(self.run)}


def purges_meeting(scope: PurgeScope, label: Label, *, since: datetime | None = None) -> Iterator[Meanwhile]:
    """Live purges of the same Redis that are under way, or ended after ``since``, newest first."""
    runs = _read(since)
    if any(map(_seems_lost, runs)):
        with suppress(AuditUnavailable):
            fail_lost_runs()
        runs = _read(since)
    for run in runs:
        if Label.of_run(run).agrees_with(label) and run.scope.meets(scope):
            yield Meanwhile(run, bool(scope.single))


def _read(since: datetime | None) -> list[PurgeRun]:
    wanted = Q(status__in=(Status.QUEUED, Status.RUNNING))
    if since:  # the last sign of life is in an index, and an end comes soon behind it
        wanted |= Q(status__in=ENDED, heartbeat_at__gte=since - LOST_AFTER, finished_at__gte=since)
    with bounded():
        return list(stored().filter(wanted, dry_run=False).order_by("-created_at").defer(*UNUSED)[:READ])


def _seems_lost(run: PurgeRun) -> bool:
    """Whether it has been silent for so long that it is worth a write to ask the database."""
    return not run.is_over and datetime.now(UTC) - (run.heartbeat_at or run.created_at) > LOST_AFTER
