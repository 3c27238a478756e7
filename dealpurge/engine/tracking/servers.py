"""What one server does, and whether it answers."""

from __future__ import annotations

from typing import Protocol

from dealpurge.engine.tracking.details import ServerProgress
from dealpurge.engine.tracking.meter import Meter, rounded
from dealpurge.servers.connection import ServerConnection

#: Seconds of silence before a server is said to be waited for.
SILENT_SECONDS = 1.0


class Counted(Protocol):
    """What is counted of one server."""

    scanned: int
    deleted: int


class Followed:
    """A server and what is counted of it, be it in one tally after the other."""

    def __init__(self) -> None:
        self.connection: ServerConnection | None = None
        self.state = "done"
        self._counted: Counted | None = None
        self._scanned = self._deleted = 0
        self._meter = Meter()

    def follow(self, connection: ServerConnection, counted: Counted, state: str) -> None:
        """From now on it counts there."""
        self.connection, self._counted, self.state = connection, counted, state
        self._meter = Meter()

    def settle(self) -> None:
        """It is done with; what it counted by then stays known, and no more of it is held."""
        if self._counted:
            self._scanned, self._deleted = self.counts()
        self._counted, self.state = None, "done"

    def counts(self) -> tuple[int, int]:
        """Keys scanned and deleted."""
        counted = self._counted
        scanned, deleted = (counted.scanned, counted.deleted) if counted else (0, 0)
        return self._scanned + scanned, self._deleted + deleted

    def waiting(self) -> tuple[int | None, int | None]:
        """Seconds of silence, and those for which it is tried again; None where it answers."""
        if self.connection is None or self.state == "done":
            return None, None
        silent, left = self.connection.backoff.silence()
        return (None, None) if silent is None or silent < SILENT_SECONDS else (int(silent), left)

    def progress(self, name: str, now: float) -> ServerProgress:
        """As it is shown."""
        scanned, deleted = self.counts()
        done = deleted if self.state == "deleting" else scanned
        self._meter.note(now, done, "done" if self.state == "done" else "now")
        waiting, left = self.waiting()
        return ServerProgress(
            name=name,
            state=self.state,
            scanned=scanned,
            deleted=deleted,
            rate=rounded(self._meter.rate(now, done)) if self.state != "done" else None,
            waiting=waiting,
            gives_up_in=left,
        )
