"""Why a run failed or was cut off, where it was not for what Redis said, and the columns that hold such words. Pure, no
I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dealpurge.i18n import as_json, gettext_noop

PROCESS_LOST = gettext_noop("The process that ran it was lost: no sign of life for a minute.", code="process_lost")
EXPIRED = gettext_noop("No worker took it in time.", code="queue_expired")
NOT_QUEUED = gettext_noop("The run could not be queued, so nothing was purged.", code="not_queued")
NOT_ALLOWED = gettext_noop("The user may not purge deals any more, so nothing was purged.", code="not_allowed")
RESTORE_NOT_ALLOWED = gettext_noop(
    "The user may not restore deals any more, so nothing was restored.", code="restore_not_allowed"
)
OTHER_FAMILIES = gettext_noop(
    "The worker's settings have other key families than those that the run was queued with, so nothing was purged. "
    "Restart the worker.",
    code="other_families",
)
# Clients of the endpoint read these, so they name no address.
OTHER_ENVIRONMENT = gettext_noop(
    "The run is bound to the environment {}, and the settings of the process that was to carry it out name {}, so "
    "nothing was purged.",
    code="other_environment",
)
ENVIRONMENT_UNNAMED = gettext_noop(
    "The run is bound to the environment {}, and the settings of the process that was to carry it out name none, so "
    "nothing was purged.",
    code="environment_unnamed",
)
OTHER_ADDRESS = gettext_noop(
    "The run is bound to another Redis than the settings of the process that was to carry it out lead to, so nothing "
    "was purged.",
    code="other_address",
)
SERVER_CHANGED = gettext_noop(
    "The Redis server was restarted or failed over between preview and purge, or its replication changed.",
    code="server_changed",
)
#: Of a ``ScopeError``: the field and its message.
NO_EVENTS = gettext_noop(
    "exclude_active_within_secs: Value error, there is no events family to judge activity by", code="no_events"
)
UNEXPECTED = gettext_noop("Unexpected error: {}.", code="unexpected")
INTERRUPTED = gettext_noop("Interrupted.", code="interrupted")
#: In words that are true of a dry run. With the seconds of ``DEALPURGE_REQUEST_TIMEOUT``.
OUT_OF_TIME = gettext_noop(
    "A request may take {} s, and the run was stopped when they were over. With Prefer: respond-async a worker "
    "carries it out without that limit, if TASKS or DEALPURGE_ENQUEUE leads to one; or ask again: a purge takes what "
    "is left.",
    code="out_of_time",
)

#: The same of a restore.
RESTORE_OUT_OF_TIME = gettext_noop(
    "A request may take {} s, and the run was stopped when they were over. With Prefer: respond-async a worker "
    "carries it out without that limit, if TASKS or DEALPURGE_ENQUEUE leads to one; or ask again: a restore writes "
    "what is not there yet.",
    code="restore_out_of_time",
)


def unexpected(exc: BaseException) -> str:
    """For the record. The text of an error that nobody expected may hold secrets; the log has it."""
    return UNEXPECTED.format(type(exc).__name__) if isinstance(exc, Exception) else INTERRUPTED


def columns(error: str, warnings: Iterable[str] = ()) -> dict[str, Any]:
    """An error as text, and the codes of it and of the report's warnings."""
    return {"error": str(error), "sentences": {"error": as_json(error), "warnings": [*map(as_json, warnings)]}}
