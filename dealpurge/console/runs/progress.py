"""How far a run is that is under way, for its page and for the script that polls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dealpurge.console import formatting
from dealpurge.console.runs.phases import DOING, Phase, Server, count_of, left, phases_of, servers_of
from dealpurge.models import QUEUE_EXPIRES_AFTER, PurgeRun, PurgeRunDeal
from dealpurge.runs.progress import MOST_PASSES, current_phase, percent, progress_of

Status = PurgeRun.Status
Outcome = PurgeRunDeal.Outcome
STATUS_LINES = {
    "scan": gettext_lazy("Scanning: %(count)s."),
    "activity": gettext_lazy("Checking activity: %(count)s."),
    "delete": gettext_lazy("Deleting: %(count)s."),
    "read": gettext_lazy("Reading the archive: %(count)s."),
    "write": gettext_lazy("Writing back: %(count)s."),
    "record": gettext_lazy("Writing the record: %(count)s."),
}
#: Seconds after which a run that waits for a worker may be waiting for one that is not there.
PATIENCE_SECONDS = 30
#: Seconds between two signs of life that are worth a word; there is one a second.
SILENCE_SECONDS = 5


class Figure(NamedTuple):
    """A number and what it counts; ``hot`` where it is what may go wrong."""

    value: str
    label: str
    hot: bool = False


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
        status = str(self.run.get_status_display())
        if self.phase and self.run.status == Status.RUNNING:
            values = {"doing": DOING[self.phase["name"]], "n": formatting.number(percent(self.run))}
            status = _("%(doing)s, %(n)s %%") % values if self.phase["total"] else str(values["doing"])
        return _("dry run · %(status)s") % {"status": status} if self.run.dry_run else status

    @cached_property
    def told(self) -> Mapping[str, Any]:
        """What the run told last of its phases and servers."""
        return progress_of(self.run)

    @cached_property
    def phase(self) -> Mapping[str, Any] | None:
        """The one that goes on."""
        return current_phase(self.run)

    @property
    def progress(self) -> str:
        """How far it is, in words."""
        run = self.run
        if run.status == Status.QUEUED:
            return _("Waiting for a worker, %(n)s s.") % {"n": formatting.number(self._seconds_since(run.created_at))}
        if self.told["waiting"] is not None and not self.told["servers"]:
            return _("Waiting for Redis (%(n)s s).") % {"n": formatting.number(self.told["waiting"])}
        phase = self.phase
        if not self.told["phases"] and run.keys_total:  # a worker of before phases were told
            total = max(run.keys_total, run.keys_scanned)
            phase = {"name": "scan", "state": "now", "done": run.keys_scanned, "total": total}
        if phase is None or not (phase["total"] or phase["done"]):
            return _("Looking for Redis.")
        return STATUS_LINES[phase["name"]] % {"count": count_of(phase)}

    @property
    def outlook(self) -> str:
        """How long it will take, as far as that can be told; or for how long Redis is tried again."""
        if self.run.status != Status.RUNNING:
            return ""
        silent = [server["name"] for server in self.told["servers"] if server["waiting"] is not None]
        seconds = self.phase["seconds_left"] if self.phase else None
        if silent:
            names = ", ".join(silent)
            if seconds is None:
                return _("%(server)s does not answer.") % {"server": names}
            words = _("About %(time)s left once %(server)s answers again.")
            return words % {"time": left(seconds), "server": names}
        if self.told["gives_up_in"] is not None:
            return _("Tried again for %(n)s s more.") % {"n": formatting.number(self.told["gives_up_in"])}
        return "" if seconds is None else _("About %(time)s left.") % {"time": left(seconds)}

    @property
    def again(self) -> str:
        """That servers are gone over again, and why; empty in the first pass."""
        if self.told["pass_number"] < 2:
            return ""
        words = _("Pass %(n)s of at most %(most)s: servers changed meanwhile, so all of them are gone over again.")
        return words % {"n": self.told["pass_number"], "most": MOST_PASSES}

    @property
    def phases(self) -> Iterator[Phase]:
        """Row by row."""
        return phases_of(self.run, self.told)

    @cached_property
    def servers(self) -> list[Server]:
        """Of a cluster."""
        return list(servers_of(self.told, self.run.heartbeat_at))

    @property
    def servers_in_words(self) -> str:
        """How many there are, and of how many nothing is heard."""
        words = ngettext("%(n)s primary", "%(n)s primaries", len(self.servers)) % {"n": len(self.servers)}
        silent = sum(server["waiting"] is not None for server in self.told["servers"])
        return f"{words}, {_('%(n)s not answering') % {'n': silent}}" if silent else words

    @property
    def running_for(self) -> str:
        """How long, by the database's clock; empty before it begins."""
        started = self.run.started_at
        if started is None:
            return ""
        seconds = self._seconds_since(started)
        return _("running for %(time)s") % {"time": formatting.duration(1000 * seconds)}

    @property
    def figures(self) -> list[Figure]:
        """Deals so far, by what became of them; none before the record has one, nor of a dry run."""
        counts = {} if self.run.dry_run else self.told["deals"]
        if not any(counts.values()):
            return []
        skipped = counts.get(Outcome.SKIPPED_ACTIVE, 0) + counts.get(Outcome.SKIPPED_NEVER_ACTIVE, 0)
        return [
            Figure(formatting.number(counts.get(Outcome.PURGED, 0)), _("deals purged so far")),
            Figure(formatting.number(skipped), _("skipped, active")),
            Figure(formatting.number(counts.get(Outcome.INTERRUPTED, 0)), _("interrupted by activity")),
        ]

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

    def _seconds_since(self, moment: datetime) -> int:
        return max(int((self.now - moment).total_seconds()), 0)
