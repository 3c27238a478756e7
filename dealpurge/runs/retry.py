"""Writes of a run that are tried again while its database is in trouble."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar
from uuid import UUID

from django.db import Error as DatabaseTrouble

from dealpurge.clock import Deadline
from dealpurge.exceptions import RunLost
from dealpurge.models import LOST_AFTER
from dealpurge.runs import silence
from dealpurge.runs.database import revive_connection

T = TypeVar("T")
#: Trouble with the database is borne this long: well before others take the run for lost.
RETRY_FOR_SECONDS = LOST_AFTER.total_seconds() / 2
RETRY_SECONDS = 0.25
#: Seconds behind a deadline for which a write is tried, and those of a last try that begins later.
GRACE_SECONDS, LAST_TRY_SECONDS = 3.0, 1.0


def patience(deadline: Deadline | None) -> float:
    """Seconds for which a write is tried, with a ``deadline`` by which somebody waits for the run's end."""
    left = RETRY_FOR_SECONDS if deadline is None else max(deadline.left + GRACE_SECONDS, LAST_TRY_SECONDS)
    return min(left, RETRY_FOR_SECONDS)


def with_retry(run_id: UUID, write: Callable[[], T], *, seconds: float | None = None) -> T:
    """Repeat a write while the database is in trouble. Raises ``RunLost`` after half a minute, or so many seconds."""
    deadline = monotonic() + (RETRY_FOR_SECONDS if seconds is None else seconds)
    while True:
        try:
            with silence.at_most(max(deadline - monotonic(), LAST_TRY_SECONDS)):
                return write()
        except DatabaseTrouble as exc:
            if monotonic() > deadline:
                raise given_up(run_id) from exc
            revive_connection()
        sleep(RETRY_SECONDS)


def given_up(run_id: UUID) -> RunLost:
    """The end of a run whose record is out of reach."""
    return RunLost(f"Run {run_id} cannot be written down any more.")
