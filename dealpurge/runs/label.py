"""Which Redis a run is of: what the settings call it and where they lead, and whether both are still the same; and
what is going on there, for a page to say."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple, Self

from django.db import Error as DatabaseTrouble
from django.db.models import F, Q, Subquery
from django.utils.translation import gettext as _

from dealpurge.clock import Deadline
from dealpurge.conf import conf
from dealpurge.engine.restore.tally import RestoreTally
from dealpurge.engine.sweep.meeting import Process, changed
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import PurgeConfigurationError
from dealpurge.models import PurgeRun
from dealpurge.runs import messages
from dealpurge.runs.database import bounded, stored, update
from dealpurge.runs.retry import patience, with_retry
from dealpurge.servers.address import configured

#: Purges that are shown, and those that are read, so that the run that met servers is among them; the list of runs
#: has them all.
MOST, READ = 3, 20


class Label(NamedTuple):
    """What a row's columns of these names hold; empty is what has no name, or is not known."""

    environment: str
    server_label: str
    redis_address: str

    @classmethod
    def of_settings(cls) -> Self:
        """By the settings of this moment, without connecting. Raises ``PurgeConfigurationError``."""
        environment = conf.environment
        return cls(environment.name if environment else "", conf.server_label, configured())

    @classmethod
    def of_run(cls, run: PurgeRun) -> Self:
        """By its row."""
        return cls(run.environment, run.server_label, run.redis_address)

    @property
    def server(self) -> str:
        """What stands for the server wherever it is shown."""
        return self.server_label or self.redis_address

    def agrees_with(self, now: Label) -> bool:
        """Whether ``now`` is the same place, where this one says which it is. An address that only the client knows is
        compared when the run begins."""
        same_environment = not self.environment or self.environment == now.environment
        known = self.redis_address and now.redis_address
        return same_environment and (not known or self.redis_address == now.redis_address)


def label_of_new(preview: PurgeRun | None) -> Label:
    """That of a run that is to begin: its preview's, as far as that has one. Raises ``PurgeConfigurationError``."""
    now = Label.of_settings()
    if preview is None:
        return now
    then = Label.of_run(preview)
    return now._replace(
        environment=then.environment or now.environment, redis_address=then.redis_address or now.redis_address
    )


class Bound:
    """A run that goes to the Redis of its row, or not at all."""

    def __init__(self, run: PurgeRun, deadline: Deadline | None = None) -> None:
        self._run, self._deadline = run, deadline
        #: What its preview met.
        self._before: list[Process] = []

    def check(self) -> None:
        """Raises ``PurgeConfigurationError`` where this process has the settings of another environment."""
        environment, named = conf.environment, self._run.environment
        now = environment.name if environment else ""
        if named and named != now:
            words = messages.OTHER_ENVIRONMENT.format(named, now) if now else messages.ENVIRONMENT_UNNAMED.format(named)
            raise PurgeConfigurationError(words)
        if self._run.preview_id and not self._run.dry_run:
            with suppress(DatabaseTrouble), bounded():
                preview = stored().filter(pk=self._run.preview_id)
                self._before = preview.values_list("redis_processes", flat=True).first() or []

    def expect(self, address: str) -> None:
        """Note the address where it was not known before. Raises ``PurgeConfigurationError`` where it is another."""
        run = self._run
        if run.redis_address and run.redis_address != address:
            raise PurgeConfigurationError(messages.OTHER_ADDRESS)
        if address and not run.redis_address:
            row = Q(pk=run.pk, status=PurgeRun.Status.RUNNING)
            with_retry(run.pk, lambda: update(row, redis_address=address), seconds=patience(self._deadline))
            run.redis_address = address

    def warn(self, tally: Tally | RestoreTally) -> None:
        """Where the preview was of another process, which a failover brings about, or of other data."""
        if changed(self._before, tally.meeting.processes or []):
            tally.warn(messages.SERVER_CHANGED)


class UnderWay(NamedTuple):
    """``address`` and ``servers``, one a node: those that the last run met; empty where none told, or where that was
    another Redis."""

    purges: tuple[PurgeRun, ...] = ()
    address: str = ""
    servers: tuple[Process, ...] = ()

    @property
    def server(self) -> str:
        """In the active language: ``Redis 7.4, primary``; empty where nothing is known."""
        if not self.servers:
            return ""
        first = self.servers[0]
        version = ".".join((first.get("version") or "").split(".")[:2])
        name = f"{(first.get('kind') or 'redis').capitalize()} {version}".strip()
        if first.get("node") is None:
            return f"{name}, {_('replica') if first.get('role') == 'replica' else _('primary')}"
        return _("cluster of %(n)s, %(server)s") % {"n": len(self.servers), "server": name}


def under_way(address: str = "") -> UnderWay:
    """By one query. ``address``: the one that is configured, where that is known. Another one's servers are not told
    of."""
    rows = stored().order_by("-created_at")
    last = Subquery(rows.filter(redis_processes__isnull=False).values("pk")[:1])
    live = Q(status__in=(PurgeRun.Status.QUEUED, PurgeRun.Status.RUNNING), dry_run=False)
    shown = (
        "mode",
        "org_id",
        "deals_named",
        "status",
        "keys_scanned",
        "keys_total",
        "progress",
        "redis_address",
        "dry_run",
        "restored_run_id",
    )
    with bounded():
        found = rows.filter(live | Q(pk=last)).annotate(first_deal=F("deals__0")).only(*shown, "redis_processes")
        runs = tuple(found[:READ])
    purges = tuple(run for run in runs if not run.is_over)[:MOST]
    met = next((run for run in runs if run.redis_processes is not None), None)
    if met is None or (address and met.redis_address != address):
        return UnderWay(purges)
    nodes = {process.get("node"): process for process in met.redis_processes or ()}
    return UnderWay(purges, met.redis_address, tuple(nodes.values()))
