"""Why a run failed, in the words of the record, where it was not for what Redis said. Pure, no I/O."""

from __future__ import annotations

from dealpurge.i18n import gettext_noop

PROCESS_LOST = gettext_noop("The process that ran it was lost: no sign of life for a minute.")
EXPIRED = gettext_noop("No worker took it in time.")
NOT_QUEUED = gettext_noop("The run could not be queued, so nothing was purged.")
NOT_ALLOWED = gettext_noop("The user may not purge deals any more, so nothing was purged.")
OTHER_FAMILIES = gettext_noop(
    "The worker's settings have other key families than those that the run was queued with, so nothing was purged. "
    "Restart the worker."
)
#: Of a ``ScopeError``: the field and its message.
NO_EVENTS = gettext_noop("exclude_active_within_secs: Value error, there is no events family to judge activity by")
UNEXPECTED = gettext_noop("Unexpected error: {}.")
INTERRUPTED = gettext_noop("Interrupted.")
