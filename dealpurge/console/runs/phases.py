"""A run's phases and servers in words, for its page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dealpurge.console import formatting
from dealpurge.console.runs.outcomes import Badge
from dealpurge.models import PurgeRun

NAMES = {
    "scan": gettext_lazy("Scan"),
    "activity": gettext_lazy("Check activity"),
    "delete": gettext_lazy("Delete"),
    "read": gettext_lazy("Read archive"),
    "write": gettext_lazy("Write back"),
    "record": gettext_lazy("Record"),
}
ARCHIVE_AND_DELETE = gettext_lazy("Archive and delete")
#: Of the state, its icon and what a reader hears.
STATES = {
    "later": ("circle", gettext_lazy("(not begun)")),
    "now": ("play", gettext_lazy("(now)")),
    "done": ("tick", gettext_lazy("(done)")),
    "stopped": ("cross", gettext_lazy("(stopped)")),
}
#: What is done in a phase, as a badge has it.
DOING = {
    "scan": gettext_lazy("scanning"),
    "activity": gettext_lazy("checking activity"),
    "delete": gettext_lazy("deleting"),
    "read": gettext_lazy("reading the archive"),
    "write": gettext_lazy("writing back"),
    "record": gettext_lazy("recording"),
}
SERVERS = {
    "scanning": DOING["scan"],
    "checking": DOING["activity"],
    "deleting": DOING["delete"],
    "done": gettext_lazy("done"),
}


class Phase(NamedTuple):
    """A row of the phases. ``share``: of 100, None where it cannot be told."""

    name: str
    label: str
    state: str
    icon: str
    heard: str
    share: int | None
    counted: str
    rate: str
    time: str


class Server(NamedTuple):
    """A row of the servers."""

    name: str
    badge: Badge
    trouble: str
    scanned: int
    deleted: int
    rate: str


def phases_of(run: PurgeRun, progress: Mapping[str, Any]) -> Iterator[Phase]:
    """Row by row; one says where activity is not looked at."""
    told = progress["phases"]
    looked = any(phase["name"] == "activity" for phase in told)
    for phase in told:
        yield _phase(phase, _label(phase["name"], run))
        if phase["name"] == "scan" and not looked and not run.inventory:
            label, words = str(NAMES["activity"]), _("not checked: guard off")
            yield Phase("activity", label, "off", "dash", "", None, words, "", "")


def _label(name: str, run: PurgeRun) -> str:
    return str(ARCHIVE_AND_DELETE if name == "delete" and run.archive_alias else NAMES[name])


def _phase(phase: Mapping[str, Any], label: str) -> Phase:
    state, done, total = phase["state"], phase["done"], phase["total"]
    icon, heard = STATES[state]
    share = 100 if state == "done" else 0 if state == "later" else None
    if total and share is None:
        share = min(100 * done // total, 100)
    rate = phase["rate"]
    return Phase(
        name=phase["name"],
        label=label,
        state=state,
        icon=icon,
        heard=str(heard),
        share=share,
        counted=count_of(phase),
        rate=_("%(n)s/s") % {"n": formatting.number(rate)} if rate and state != "later" else "",
        time=_time(phase),
    )


def count_of(phase: Mapping[str, Any]) -> str:
    """So many keys or deals, of how many while that is not the same."""
    done, total, name = phase["done"], phase["total"], phase["name"]
    of_deals = name in ("activity", "record")
    if not total or (phase["state"] == "done" and done == total):
        if phase["state"] == "later" and not done:
            return ""
        return formatting.deals(done) if of_deals else formatting.keys(done)
    values = {"done": formatting.number(done), "total": formatting.number(total)}
    if of_deals:
        words = ngettext("%(done)s of %(total)s deal", "%(done)s of %(total)s deals", total)
    elif name == "scan":
        words = ngettext("%(done)s of about %(total)s key", "%(done)s of about %(total)s keys", total)
    else:
        words = ngettext("%(done)s of %(total)s key", "%(done)s of %(total)s keys", total)
    return words % values


def left(seconds: int) -> str:
    """``15 s``, or minutes where it is long."""
    if seconds < 90:
        return _("%(n)s s") % {"n": formatting.number(seconds)}
    return _("%(n)s min") % {"n": formatting.number(round(seconds / 60))}


def _time(phase: Mapping[str, Any]) -> str:
    if phase["state"] == "now" and phase["seconds_left"] is not None:
        return _("about %(time)s left") % {"time": left(phase["seconds_left"])}
    seconds = phase["seconds"]
    return "" if seconds is None or phase["state"] == "later" else formatting.duration(round(seconds * 1000))


def servers_of(progress: Mapping[str, Any], told_at: datetime | None) -> Iterator[Server]:
    """The primaries of a cluster; ``told_at``: when they were told of."""
    for server in progress["servers"]:
        badge, trouble = _state(server), ""
        waiting = server["waiting"]
        if waiting is not None:
            words = _("waiting for Redis, %(n)s s") % {"n": formatting.number(waiting)}
            badge = Badge(word=words, icon="clock", tone="warn")
            trouble = _trouble(server, told_at - timedelta(seconds=waiting) if told_at else None)
        rate = server["rate"]
        shown = "" if rate is None else _("%(n)s/s") % {"n": formatting.number(rate)}
        yield Server(server["name"], badge, trouble, server["scanned"], server["deleted"], shown)


def _state(server: Mapping[str, Any]) -> Badge:
    done = server["state"] == "done"
    word = str(SERVERS.get(server["state"], server["state"]))
    return Badge(word=word, icon="tick" if done else "play", tone="good" if done else "live")


def _trouble(server: Mapping[str, Any], since: datetime | None) -> str:
    words = _("No answer since %(moment)s.") % {"moment": formatting.clock(since, since)} if since else ""
    if server["gives_up_in"] is not None:
        words += " " + _("Gives up in %(n)s s.") % {"n": formatting.number(server["gives_up_in"])}
    return words.strip()
