"""How a run ended, in words, and what that leads on to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs.database import alias
from dealpurge.runs.deals import queries
from dealpurge.runs.deals.remainder import MOST, Kind, remaining
from dealpurge.runs.outcome import counts
from dealpurge.text import plain

Outcome = PurgeRunDeal.Outcome
Status = PurgeRun.Status
#: Outcomes of deals that lost keys.
TOUCHED = (Outcome.PURGED, Outcome.INTERRUPTED, Outcome.NOT_REMOVED)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """``leads_to``: what a button previews, with its ``label``; none without one. ``urgent``: whether it leads on.
    ``shows``: the outcome of the deals that it speaks of."""

    tone: str
    icon: str
    heading: str
    text: str = ""
    leads_to: Kind | None = None
    label: str = ""
    urgent: bool = True
    shows: str = ""


def end_of(run: PurgeRun, error: str) -> End | None:
    """Of a purge that is over, or a dry run that did not get to its end; None for one that says it by its numbers.
    ``error``: that of the run, in the active language."""
    if run.inventory or not run.is_over or (run.dry_run and run.status == Status.COMPLETED):
        return None
    if run.status == Status.CANCELLED:
        return _cancelled(run, error)
    if run.status == Status.FAILED:
        return _failed(run, error)
    return _partial(run) if run.status == Status.PARTIAL else _done(run)


def _done(run: PurgeRun) -> End:
    purged, skipped = run.deals_purged, _report(run, "deals", "skipped_active")
    heading = ngettext("Done: %(n)s deal purged", "Done: %(n)s deals purged", purged) % _n(purged)
    if not skipped:
        return End(tone="good", icon="tick", heading=heading)
    text = ngettext(
        "%(n)s skipped, because somebody works on it.", "%(n)s skipped, because somebody works on them.", skipped
    )
    return End(
        tone="good",
        icon="tick",
        heading=heading,
        text=text % _n(skipped),
        leads_to="skipped",
        label=_these(skipped),
        urgent=False,
        shows=Outcome.SKIPPED_ACTIVE.value,
    )


def _partial(run: PurgeRun) -> End:
    interrupted, keys = _report(run, "deals", "interrupted"), _report(run, "keys", "not_removed")
    stuck = _("%(keys)s could not be removed") % {"keys": counts.keys(keys)}
    if not interrupted:
        heading = _("Finished in part: %(what)s") % {"what": stuck}
        shows = Outcome.NOT_REMOVED.value
        return End(tone="warn", icon="warning", heading=heading, leads_to="rest", label=_("Preview again"), shows=shows)
    heading = ngettext(
        "Finished in part: %(n)s deal was left half-way",
        "Finished in part: %(n)s deals were left half-way",
        interrupted,
    )
    left = _keys_left(run)
    words = ngettext("It keeps %(keys)s.", "They keep %(keys)s.", interrupted) % {"keys": counts.keys(left)}
    return End(
        tone="warn",
        icon="warning",
        heading=heading % _n(interrupted),
        text=" ".join(filter(None, (words if left else "", f"{stuck}." if keys else ""))),
        leads_to="interrupted",
        label=_these(interrupted),
        shows=Outcome.INTERRUPTED.value,
    )


def _cancelled(run: PurgeRun, error: str) -> End:
    who = plain(run.cancelled_by)
    if run.dry_run:
        words = _("Preview cancelled. Nothing was deleted.")
        if who:
            words = _("Preview cancelled by %(who)s. Nothing was deleted.") % {"who": who}
        return End(tone="calm", icon="pause", heading=words, text=error)
    total = _asked_for(run)
    if total:
        heading = _("Cancelled by %(who)s at %(n)s of %(all)s") if who else _("Cancelled at %(n)s of %(all)s")
    else:
        heading = _("Cancelled by %(who)s") if who else _("Cancelled")
    values = {"who": who, "n": counts.number(run.deals_purged), "all": counts.deals(total)}
    text = " ".join(filter(None, (error, _stays_deleted(run))))
    return End(tone="warn", icon="warning", heading=heading % values, text=text, leads_to="rest", label=_others(run))


def _failed(run: PurgeRun, error: str) -> End:
    heading = _("Failed: %(error)s") % {"error": error}
    if run.is_lost:
        heading = _("Lost: no sign of life from its worker for a minute")
    if run.dry_run:
        return End(tone="bad", icon="cross", heading=heading, text=_("Nothing was deleted."))
    outcomes = queries.counts(run)
    deals = sum(outcomes.get(outcome, 0) for outcome in TOUCHED)
    if not (run.keys_deleted or deals):
        words = _("As far as is known it had deleted nothing.") if run.is_lost else _("Nothing was deleted.")
        return End(tone="bad", icon="cross", heading=heading, text=words)
    text = _at_least(run) if run.is_lost else _were_deleted(run, deals)
    return End(tone="bad", icon="cross", heading=heading, text=text, leads_to="rest", label=_("Preview what is left"))


def _asked_for(run: PurgeRun) -> int:
    """How many deals the purge was of, as far as is known."""
    if run.mode == PurgeRun.RunMode.BY_DEAL:
        return run.deals_named
    return run.preview.deals_purged if run.preview else 0


def _were_deleted(run: PurgeRun, deals: int) -> str:
    words = ngettext(
        "Run %(run)s. %(keys)s of %(deals)s was deleted.",
        "Run %(run)s. %(keys)s of %(deals)s were deleted.",
        run.keys_deleted,
    )
    values = {"run": str(run.pk)[:8], "keys": counts.keys(run.keys_deleted), "deals": counts.deals(deals)}
    return words % values


def _at_least(run: PurgeRun) -> str:
    count = run.keys_deleted
    told = []
    if count:
        words = ngettext("At least %(keys)s was deleted.", "At least %(keys)s were deleted.", count)
        told.append(words % {"keys": counts.keys(count)})
    if run.heartbeat_at:
        words = _("It was last heard of on %(time)s, and what it did after that is not known.")
        told.append(words % {"time": counts.utc(run.heartbeat_at)})
    return " ".join(told)


def _stays_deleted(run: PurgeRun) -> str:
    count = run.keys_deleted
    if not count:
        return _("Nothing was deleted.")
    words = ngettext(
        "%(keys)s stays deleted. Run again to finish.", "%(keys)s stay deleted. Run again to finish.", count
    )
    return words % {"keys": counts.keys(count)}


def _these(count: int) -> str:
    words = ngettext("Preview the purge of this deal", "Preview the purge of these %(n)s", count)
    return words % _n(count)


def _others(run: PurgeRun) -> str:
    """Of a purge that was stopped: how many deals are left, where that is known."""
    count = len(remaining(run)) if run.deals_named <= MOST else 0
    if not count:
        return _("Preview what is left")
    return ngettext("Preview the other deal", "Preview the other %(n)s", count) % _n(count)


def _n(count: int) -> dict[str, str]:
    return {"n": counts.number(count)}


def _report(run: PurgeRun, part: str, name: str) -> int:
    numbers: dict[str, Any] = (run.report or {}).get(part, {})
    return int(numbers.get(name) or 0)


def _keys_left(run: PurgeRun) -> int:
    """Keys that interrupted deals keep, as far as is known."""
    rows = PurgeRunDeal.objects.using(alias()).filter(run=run, outcome=Outcome.INTERRUPTED)
    return rows.aggregate(left=Sum("keys_left"))["left"] or 0
