"""Numbers, times and scopes in words, for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from django.utils.formats import number_format, time_format
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dealpurge.models import PurgeRun
from dealpurge.runs.outcome.counts import day as day
from dealpurge.runs.outcome.counts import deals as deals
from dealpurge.runs.outcome.counts import keys as keys
from dealpurge.runs.outcome.counts import number as number
from dealpurge.runs.outcome.counts import utc as utc
from dealpurge.text import escape

#: Where there is nothing to show, or nothing is known.
NOTHING = "\u2013"


def clock(moment: datetime, now: datetime) -> str:
    """A moment in UTC, without its date if that is today's."""
    if moment.astimezone(UTC).date() != now.astimezone(UTC).date():
        return utc(moment)
    return time_of_day(moment)


def time_of_day(moment: datetime) -> str:
    """And the time on it, to the second."""
    return time_format(moment.astimezone(UTC), _("H:i:s")) + " UTC"


def ago(moment: datetime, now: datetime) -> str:
    """How long before ``now``; what is less than a minute old, or not yet, is "just now"."""
    if (now - moment).total_seconds() < 60:
        return _("just now")
    return _("%(span)s ago") % {"span": timesince(moment, now, depth=1)}


def duration(milliseconds: int) -> str:
    """A time taken, as precise as somebody wants it who waits for it."""
    if milliseconds < 100:
        return _("%(n)s ms") % {"n": number(milliseconds)}
    if milliseconds < 60_000:
        return _("%(seconds)s s") % {"seconds": number_format(milliseconds / 1000, 1)}
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return _("%(minutes)s min %(seconds)s s") % {"minutes": number(minutes), "seconds": seconds}


def span(seconds: int) -> str:
    """A number of seconds in the largest unit that it is a whole number of: "1 hour", "90 seconds"."""
    if seconds % 86400 == 0:
        return ngettext("%(n)s day", "%(n)s days", seconds // 86400) % {"n": number(seconds // 86400)}
    if seconds % 3600 == 0:
        return ngettext("%(n)s hour", "%(n)s hours", seconds // 3600) % {"n": number(seconds // 3600)}
    if seconds % 60 == 0:
        return ngettext("%(n)s minute", "%(n)s minutes", seconds // 60) % {"n": number(seconds // 60)}
    return ngettext("%(n)s second", "%(n)s seconds", seconds) % {"n": number(seconds)}


def deal(org_id: str | None, deal_id: str) -> str:
    """One deal by name."""
    if org_id is None:
        return escape(deal_id)
    return _("%(deal)s of %(organisation)s") % {"deal": escape(deal_id), "organisation": escape(org_id)}


def scope(run: PurgeRun, first: Sequence[str | None] | None = None) -> str:
    """Which deals a run is about. ``first`` is the first deal named, for rows that were loaded without their deals."""
    if run.mode == PurgeRun.RunMode.ALL:
        if run.org_id is None:
            return _("all deals")
        return _("all deals of %(organisation)s") % {"organisation": escape(run.org_id)}
    org_id, deal_id = first or run.deals[0]
    name = deal(org_id, str(deal_id))
    others = run.deals_named - 1
    if others < 1:
        return name
    return ngettext("%(deal)s and %(n)s other", "%(deal)s and %(n)s others", others) % {
        "deal": name,
        "n": number(others),
    }


def spared(run: PurgeRun) -> list[str]:
    """What a run leaves alone whatever its deals."""
    seconds = run.exclude_active_within_secs
    told = [_("deals active in the last %(span)s") % {"span": last(seconds)}] if seconds else []
    if run.leave_never_active:
        told.append(_("deals without any activity"))
    return told if run.include_checkpoints else [*told, _("checkpoints")]


def limits(run: PurgeRun) -> list[str]:
    """How much a run may delete."""
    told = []
    if run.at_most_deals is not None:
        told.append(_("at most %(deals)s") % {"deals": deals(run.at_most_deals)})
    if run.at_most_keys is not None:
        told.append(_("at most %(keys)s") % {"keys": keys(run.at_most_keys)})
    return told


def last(seconds: int) -> str:
    """A span behind "the last": one day is "day"."""
    ones = {86400: _("day"), 3600: _("hour"), 60: _("minute")}
    return ones.get(seconds) or span(seconds)


def family(name: str) -> str:
    """The name of a key family as a heading."""
    return escape(name).replace("_", " ").capitalize()
