"""What the log is told of a run, from its place in the queue to its end; the fields are named in the README."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from dealpurge.models import PurgeRun
from dealpurge.report import PurgeReport
from dealpurge.restore_report import RestoreReport
from dealpurge.text import escape

logger = logging.getLogger("dealpurge")

#: Ids that go into the log and back to the sender as they came: nothing in them ends a line, a field or a quotation.
REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:/+=@|-]{0,199}")


def valid_request_id(text: str) -> str:
    """``text`` if it is fit to be a request's id, else nothing."""
    return text if REQUEST_ID.fullmatch(text) else ""


def log_run(
    message: str,
    run: PurgeRun,
    request_id: str = "",
    report: PurgeReport | RestoreReport | None = None,
    cancelled_by: str = "",
) -> None:
    """A record about a run; at its end with what it did, and an error where it was lost. ``message`` as for a purge."""
    fields: dict[str, Any] = {
        "run_id": str(run.pk),
        "request_id": request_id,
        "environment": run.environment,
        "source": run.source,
        "actor": escape(run.actor_name),
        "mode": run.mode,
        "dry_run": run.dry_run,
        "status": run.status,
    }
    if report:
        fields |= report.log_fields
    elif message == "purge lost":
        # At its last sign of life.
        fields |= {"restored": run.keys_restored} if run.is_restore else {"deleted": run.keys_deleted}
    if cancelled_by:
        fields["cancelled_by"] = escape(cancelled_by)
    level = logging.ERROR if message == "purge lost" else logging.INFO
    if run.is_restore:
        fields["restored_run"] = str(run.restored_run_id)
        message = message.replace("purge", "restore")
    logger.log(level, message, extra=fields)


def log_pruning(rows: Mapping[str, int]) -> None:
    """A record about rows that the record of runs was relieved of, by what they were."""
    logger.info("record pruned", extra={"rows": dict(rows)})


def log_archive_removal(run: PurgeRun, by: str, files: int, size: int) -> None:
    """A record about an archive that is gone, with the bytes that it had and the name of who removed it."""
    fields = {"run_id": str(run.pk), "environment": run.environment, "removed_by": escape(by)}
    logger.info("archive removed", extra={**fields, "files": files, "bytes": size})
