"""Everything the purge raises on purpose. Each door translates these; anything else is a bug and passes through."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured

#: When a run ends is not known; a client asks again after so many seconds.
BUSY_RETRY_SECONDS = 10
#: An outage of Redis, of the database or of the queue that ends by itself lasts about as long: a failover or a restart.
OUTAGE_RETRY_SECONDS = 30


class DealPurgeError(Exception):
    """Base of all errors that the purge raises on purpose. ``retry_after``: seconds, where waiting may help."""

    retry_after: int | None = None


class PurgeConfigurationError(ImproperlyConfigured, DealPurgeError):
    """A ``DEALPURGE_*`` setting cannot be used; the system checks say the same at start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One refused field of a request; ``code`` is one of ``scope.CODES`` and every door translates it."""

    field: str
    code: str
    message: str


class ScopeError(DealPurgeError, ValueError):
    """What was asked is refused. ``errors`` holds one entry a field, in the order of the request's fields."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = errors


class PurgeNotAllowed(DealPurgeError):
    """The user may not purge, or may not apply this preview."""


class PreviewRefused(DealPurgeError):
    """A preview that cannot be applied: too old, not finished, empty, never seen, or applied before."""


class PurgeInProgress(DealPurgeError):
    """Another live purge of all deals is queued or running, or a live restore; ``run_id`` names it."""

    retry_after = BUSY_RETRY_SECONDS

    def __init__(self, run_id: UUID | None, *, restore: bool = False) -> None:
        what = "A restore" if restore else "Another purge of all deals"
        super().__init__(f"{what} is in progress" + (f" (run {run_id})." if run_id else "."))
        self.run_id = run_id


class LimitExceeded(DealPurgeError):
    """The purge would delete more deals or keys than were asked for at most, or than the settings allow.

    Nothing was deleted, unless there came more behind the count than there was at first.
    """


class RequestRepeated(DealPurgeError):
    """There is a run of this user and idempotency key: ``run``, a ``PurgeRun`` as it is now."""

    retry_after = BUSY_RETRY_SECONDS

    def __init__(self, run: Any) -> None:
        super().__init__(f"The run of this Idempotency-Key is under way (run {run.pk}).")
        self.run = run


class TooManyRequests(DealPurgeError):
    """The rate limit is reached; the next request is accepted in ``retry_after`` seconds."""

    retry_after: int

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many purges. Try again in {retry_after} seconds.")
        self.retry_after = retry_after


class AuditUnavailable(DealPurgeError):
    """The run cannot be written down, so nothing is purged."""

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ArchiveUnavailable(DealPurgeError):
    """What was to go cannot be archived, so it did not. ``run_id`` and ``report`` as in ``RedisUnavailable``."""

    retry_after = OUTAGE_RETRY_SECONDS

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.run_id: UUID | None = None
        self.report: Any = None


class ArchiveRefused(DealPurgeError):
    """An archive that cannot be removed: there is none, it was removed before, or its run is under way."""


class RestoreRefused(DealPurgeError):
    """An archive that is not restored: it is gone, of another environment, damaged or too large; nothing was written.

    ``run_id`` and ``report`` as in ``RedisUnavailable``, a ``RestoreReport``, where it was a run that found that out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.run_id: UUID | None = None
        self.report: Any = None


class QueueUnavailable(DealPurgeError):
    """The run could not be handed to a worker, so it will not begin; its row says so."""

    def __init__(self, message: str, run_id: UUID, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.run_id, self.retry_after = run_id, retry_after


class RunLost(DealPurgeError):
    """The run's row is no longer this process's to write: taken for lost, or ended by somebody else.

    Where the run had begun, the service fills in ``run_id`` and ``report``, a ``PurgeReport`` of what was done.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.run_id: UUID | None = None
        self.report: Any = None


class RunTaken(RunLost):
    """A queued run that this process need not carry out: another one has, or does, or somebody cancelled it."""


class OutOfTime(DealPurgeError):
    """The run was stopped at the deadline of who asked for it: cancelled, with what it did by then.

    ``report`` is the ``PurgeReport`` of that.
    """

    def __init__(self, message: str, run_id: UUID, report: Any) -> None:
        super().__init__(message)
        self.run_id, self.report = run_id, report


RedisFailure = Literal["unreachable", "authentication", "replica", "permission", "refused"]


def of_run(exc: BaseException, run_id: UUID, report: Any) -> None:
    """Note which run an exception ended, whoever raised it, and what was done by then: a ``PurgeReport``."""
    with suppress(Exception):  # it may take no attributes
        exc.dealpurge_run = run_id, report  # type: ignore[attr-defined]


def ended_run(exc: BaseException) -> tuple[UUID | None, Any]:
    """The id and the report of the run that an exception ended, if it did."""
    noted: tuple[UUID | None, Any] = getattr(exc, "dealpurge_run", (None, None))
    return noted


class RedisUnavailable(DealPurgeError):
    """Redis cannot be used: its words never name a host or a password.

    The service fills in ``run_id`` and ``report``, a ``PurgeReport`` of what was done so far.
    """

    def __init__(self, reason: RedisFailure, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        # The others are settings, of Redis or of ours: through a failover a run has waited by itself.
        self.retry_after = OUTAGE_RETRY_SECONDS if reason == "unreachable" else None
        self.run_id: UUID | None = None
        self.report: Any = None
