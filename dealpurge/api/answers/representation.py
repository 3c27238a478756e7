"""A run as the endpoint shows it, whether it waits, works or is over."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dealpurge.models import PurgeRun
from dealpurge.report import scope_as_dict, timestamp
from dealpurge.runs.progress import progress_of


def run_as_dict(run: PurgeRun) -> dict[str, Any]:
    """The run as JSON data; ``report`` is null until it is over."""
    return {
        "run_id": str(run.pk),
        "status": run.status,
        **scope_as_dict(run.scope),
        "environment": run.environment or None,
        "progress": progress_of(run),
        "cancel_requested": run.cancel_requested,
        "created_at": timestamp(run.created_at),
        "started_at": _timestamp(run.started_at),
        "finished_at": _timestamp(run.finished_at),
        "error": run.error,
        "report": run.report,
    }


def _timestamp(moment: datetime | None) -> str | None:
    return timestamp(moment) if moment else None
