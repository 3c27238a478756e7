"""How a restore ended, in words, and what a page of its purge says of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dealpurge.models import PurgeRun, RestoredDeal
from dealpurge.runs.database import alias, bounded
from dealpurge.runs.outcome import counts
from dealpurge.runs.outcome.ends import End
from dealpurge.scope import Deal
from dealpurge.text import plain

Status = PurgeRun.Status
#: Restores that a purge's page names, the newest.
MOST = 5


def end_of(run: PurgeRun, error: str) -> End | None:
    """Of a restore that is over, or of a preview that did not get to its end. ``error``: in the active language."""
    if not run.is_over or (run.dry_run and run.status == Status.COMPLETED):
        return None
    if run.status == Status.CANCELLED:
        who = plain(run.cancelled_by)
        if run.dry_run:
            heading = _("Preview cancelled by %(who)s. Nothing was written.") if who else _("Preview cancelled.")
            return End(tone="calm", icon="pause", heading=heading % {"who": who} if who else heading, text=error)
        heading = _("Restore cancelled by %(who)s") % {"who": who} if who else _("Restore cancelled")
        return End(tone="warn", icon="warning", heading=heading, text=" ".join(filter(None, (error, _stays(run)))))
    if run.status == Status.FAILED:
        heading = _("Failed: %(error)s") % {"error": error}
        if run.is_lost:
            heading = _("Lost: no sign of life from its worker for a minute")
        return End(tone="bad", icon="cross", heading=heading, text=_stays(run))
    return _restored(run)


class Told(NamedTuple):
    """A restore, and what a page of its purge says of it."""

    run: PurgeRun
    words: str


def told_of(purge: PurgeRun) -> list[Told]:
    """Those that wrote something, the newest first."""
    if not purge.archive_alias:
        return []
    with bounded():
        rows = purge.restores.using(alias()).filter(dry_run=False, keys_restored__gt=0)
        runs = list(rows.order_by("-created_at").defer("sentences", "deals")[:MOST])
    return [Told(run, _words(run)) for run in runs]


def of_deal(deal: Deal) -> list[RestoredDeal]:
    """What restores did with a deal, previews not among them, the newest first."""
    org_id, deal_id = deal
    rows = RestoredDeal.objects.using(alias()).filter(deal_id=deal_id, run__dry_run=False)
    if org_id is not None:
        rows = rows.filter(Q(org_id=org_id) | Q(org_id=None))
    with bounded():
        return list(rows.select_related("run").defer("run__report", "run__deals").order_by("-run__created_at")[:MOST])


def is_restorable(run: PurgeRun) -> bool:
    """Whether its archive is likely to be there; who asks for it is told if not."""
    until = run.archived_until
    return bool(run.archive_alias) and not run.archive_removed_at and (until is None or until > datetime.now(UTC))


def _words(run: PurgeRun) -> str:
    values = {
        "who": plain(run.actor_name) or _("somebody"),
        "day": counts.day(run.created_at),
        "deals": counts.deals(run.deals_purged),
    }
    if run.status == Status.COMPLETED and run.deals_purged:
        return _("Restored by %(who)s on %(day)s, %(deals)s") % values
    return _("Restored in part by %(who)s on %(day)s") % values


def _restored(run: PurgeRun) -> End:
    values = {"deals": counts.deals(run.deals_purged), "keys": counts.keys(run.keys_restored)}
    told = []
    kept, missed = _keys(run, "kept_newer"), _keys(run, "refused") + _keys(run, "not_restored")
    if kept:
        words = ngettext(
            "%(keys)s exists again and stays as it is.", "%(keys)s exist again and stay as they are.", kept
        )
        told.append(words % {"keys": counts.keys(kept)})
    if missed:
        words = ngettext("%(keys)s could not be restored.", "%(keys)s could not be restored.", missed)
        told.append(words % {"keys": counts.keys(missed)})
    if run.status == Status.PARTIAL:
        heading = _("Restored in part: %(deals)s, %(keys)s") % values
        return End(tone="warn", icon="warning", heading=heading, text=" ".join(told))
    return End(tone="good", icon="tick", heading=_("Restored: %(deals)s, %(keys)s") % values, text=" ".join(told))


def _stays(run: PurgeRun) -> str:
    count = run.keys_restored
    if not count:
        return _("Nothing was written.")
    words = ngettext(
        "%(keys)s was written back and stays. Restore again for the rest.",
        "%(keys)s were written back and stay. Restore again for the rest.",
        count,
    )
    return words % {"keys": counts.keys(count)}


def _keys(run: PurgeRun, name: str) -> int:
    numbers: dict[str, Any] = (run.report or {}).get("keys", {})
    return int(numbers.get(name) or 0)
