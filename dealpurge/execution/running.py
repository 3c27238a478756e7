"""What a worker calls with a queued run."""

from __future__ import annotations

from uuid import UUID

from dealpurge.clock import Deadline, deadline_of_request
from dealpurge.exceptions import PurgeConfigurationError, PurgeNotAllowed
from dealpurge.execution.base import Observer
from dealpurge.execution.purge import Purge, check
from dealpurge.execution.restore import Restore
from dealpurge.keys.families import Keyspace
from dealpurge.models import PurgeRun
from dealpurge.permissions import may_purge, may_restore
from dealpurge.report import PurgeReport
from dealpurge.restore_report import RestoreReport
from dealpurge.runs import messages, store
from dealpurge.runs.retry import patience


def run(run_id: UUID | str, *, observer: Observer | None = None) -> PurgeReport | RestoreReport:
    """Carry out a queued run: what a worker calls. Raises ``RunTaken`` if it is not queued any more, ``RunLost`` if
    it waited too long, ``PurgeNotAllowed`` if its actor may not do that any more, and what ends a run that began."""
    deadline = deadline_of_request()
    row = store.claim(UUID(str(run_id)), seconds=patience(deadline))
    if row.is_restore:
        return Restore(row, lambda: _check_actor(row), observer, deadline=deadline)()
    return _purge(row, observer, deadline)


def _purge(row: PurgeRun, observer: Observer | None, deadline: Deadline | None) -> PurgeReport:
    def prepare() -> Keyspace:
        _check_actor(row)
        keyspace = check(row.scope)  # the settings of the worker, or those of today, may not serve it
        if not keyspace.agrees_with(row.families_digest, row.scope, archived=bool(row.archive_alias)):
            raise PurgeConfigurationError(messages.OTHER_FAMILIES)
        return keyspace

    return Purge(row, row.scope, prepare, observer, deadline=deadline)()


def _check_actor(row: PurgeRun) -> None:
    """A user who lost the permission, or was deleted, while their run waited has nothing purged or restored."""
    deleted = row.actor is None and row.source == PurgeRun.Source.ADMIN
    may = may_restore if row.is_restore else may_purge
    if deleted or (row.actor is not None and not may(row.actor)):
        raise PurgeNotAllowed(messages.RESTORE_NOT_ALLOWED if row.is_restore else messages.NOT_ALLOWED)
