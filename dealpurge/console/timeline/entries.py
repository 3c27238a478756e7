"""What became of a deal in one run, in words."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from dealpurge.console import formatting
from dealpurge.console.runs.outcomes import Badge, badge
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.text import plain

Outcome = PurgeRunDeal.Outcome
STAY = (Outcome.SKIPPED_ACTIVE, Outcome.SKIPPED_NEVER_ACTIVE, Outcome.WOULD_BE_SKIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What became of the deal in one run."""

    run: PurgeRun
    badge: Badge
    why: str
    keys: str

    @classmethod
    def of(cls, row: PurgeRunDeal) -> Entry:
        """Of a row that was loaded with its run."""
        return cls(run=row.run, badge=badge(row.outcome), why=why(row), keys=keys(row))

    @property
    def short_id(self) -> str:
        """The run's id, as much as tells it from others for the eye."""
        return str(self.run.pk)[:8]

    @property
    def started_by(self) -> str:
        """Who, by the name of that time."""
        return plain(self.run.actor_name) or formatting.NOTHING


def why(row: PurgeRunDeal) -> str:
    """The reason of an outcome; empty where the outcome says it all."""
    match row.outcome:
        case Outcome.SKIPPED_ACTIVE:
            return _activity(row) or _("Its activity could not be told, so it counted as active.")
        case Outcome.WOULD_BE_SKIPPED:
            return _activity(row)
        case Outcome.SKIPPED_NEVER_ACTIVE:
            return _("Nothing told of any activity.")
        case Outcome.INTERRUPTED:
            return _("Left half-way: somebody became active, or the run ended.")
        case Outcome.NOT_REMOVED:
            return _("Some of its keys could not be removed.")
    return ""


def keys(row: PurgeRunDeal) -> str:
    """How many keys went and how many stayed, as far as is known."""
    deleted, left = row.keys_deleted, row.keys_left
    if row.outcome == Outcome.NOT_FOUND:
        return _("no keys then")
    if row.outcome in STAY or row.outcome == Outcome.WOULD_BE_PURGED:
        words = _("%(keys)s left as they were") if row.outcome in STAY else _("%(keys)s would be deleted")
        words = _("%(keys)s would stay") if row.outcome == Outcome.WOULD_BE_SKIPPED else words
        return formatting.NOTHING if left is None else words % {"keys": formatting.keys(left)}
    if deleted is None:
        return formatting.NOTHING
    told = _("%(keys)s deleted") % {"keys": formatting.keys(deleted)}
    return told if not left else _("%(told)s, %(n)s left") % {"told": told, "n": formatting.number(left)}


def _activity(row: PurgeRunDeal) -> str:
    seconds = row.run.exclude_active_within_secs
    if row.last_active_at is None or not seconds:
        return ""
    values = {"when": formatting.clock(row.last_active_at, row.run.created_at), "span": formatting.span(seconds)}
    return _("Last event %(when)s, within %(span)s.") % values
