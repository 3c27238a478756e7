"""What is kept of what a purge deleted, and for how long, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dealpurge.models import PurgeArchiveChunk, PurgeRun
from dealpurge.report import PurgeReport
from dealpurge.runs.database import alias
from dealpurge.runs.outcome import counts
from dealpurge.text import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a page says of a run's archive. ``complete``: unless less is there than was deleted."""

    words: str
    complete: bool = True
    #: Whether something is there that can be restored.
    restorable: bool = False


def kept_of(run: PurgeRun, now: datetime) -> Kept | None:
    """Of a purge that is over; None for one that has deleted nothing, and for all others."""
    if run.dry_run or run.inventory or run.is_restore or not run.is_over:
        return None
    told: dict[str, Any] = (run.report or {}).get("archive") or {}
    keys = _keys_of_lost(run)
    if not (told.get("chunks") or keys or (run.is_lost and run.archive_removed_at)):
        return Kept(words=_none()) if run.keys_deleted else None
    words = _gone(run, now)
    if words:
        return Kept(words=words)
    if keys:
        return Kept(words=_incomplete(keys), complete=False, restorable=True)
    return Kept(words=_archived(told["bytes"], run.archived_until), restorable=True)


def kept_by(report: PurgeReport) -> str:
    """Of a run that has just ended; empty where no archive is spoken of, since the settings name no storage for one."""
    archive = report.archive
    if archive and archive.chunks:
        return _archived(archive.bytes, archive.until)
    spoken_of = archive is not None or not report.scope.keep_archive
    return _none() if spoken_of and report.keys.deleted else ""


def _archived(size: int, until: datetime | None) -> str:
    if until is None:
        return _("Archived: %(size)s.") % {"size": counts.size(size)}
    return _("Archived: %(size)s until %(time)s.") % {"size": counts.size(size), "time": counts.minute(until)}


def _none() -> str:
    return _("No archive was kept. This cannot be undone.")


def _incomplete(keys: int) -> str:
    words = ngettext(
        "Archive incomplete: the run was lost. %(n)s key can be restored.",
        "Archive incomplete: the run was lost. %(n)s keys can be restored.",
        keys,
    )
    return words % {"n": counts.number(keys)}


def _gone(run: PurgeRun, now: datetime) -> str:
    """That it is there no more; empty while it is. Who clears away what is past its time has not removed it."""
    until, removed = run.archived_until, run.archive_removed_at
    if removed and until and removed < until:
        values = {"who": plain(run.archive_removed_by), "day": counts.day(removed)}
        words = _("Archive removed by %(who)s on %(day)s") if values["who"] else _("Archive removed on %(day)s")
        return words % values
    end = until or removed
    return _("Archive expired on %(day)s") % {"day": counts.day(end)} if end and end <= now else ""


def _keys_of_lost(run: PurgeRun) -> int:
    """Nobody has written down what the archive has of a run that was lost."""
    if not (run.archive_alias and run.is_lost):
        return 0
    chunks = PurgeArchiveChunk.objects.using(alias()).filter(run=run)
    return chunks.aggregate(keys=Sum("keys"))["keys"] or 0
