"""A run as the endpoint shows it, whether it waits, works or is over."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from dealpurge.models import PurgeRun
from dealpurge.report import scope_as_dict, timestamp
from dealpurge.runs.progress import progress_of
from dealpurge.scope import RestoreScope


def run_as_dict(run: PurgeRun, restores: Iterable[UUID] = ()) -> dict[str, Any]:
    """The run as JSON data, with the live restores of what it archived; ``report`` is null until it is over."""
    return {
        "run_id": str(run.pk),
        "status": run.status,
        **scope_as_dict(run.scope),
        "restored_run": str(run.restored_run_id) if run.is_restore else None,
        **(_restore_as_dict(run.restore_scope) if run.is_restore else {}),
        "restores": [str(run_id) for run_id in restores],
        "environment": run.environment or None,
        "progress": progress_of(run),
        "cancel_requested": run.cancel_requested,
        "created_at": timestamp(run.created_at),
        "started_at": _timestamp(run.started_at),
        "finished_at": _timestamp(run.finished_at),
        "error": run.error,
        "report": None if run.is_restore else run.report,
        "restore_report": run.report if run.is_restore else None,
    }


def _restore_as_dict(scope: RestoreScope) -> dict[str, Any]:
    """What was asked of a restore besides, in the words of its report."""
    return {
        "families_named": list(scope.families),
        "leave_mixed": scope.leave_mixed,
        "skip_damaged": scope.skip_damaged,
    }


def _timestamp(moment: datetime | None) -> str | None:
    return timestamp(moment) if moment else None
