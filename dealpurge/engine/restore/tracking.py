"""How far a restore is, phase by phase."""

from __future__ import annotations

from dealpurge.engine.restore.tally import RestoreTally
from dealpurge.engine.tracking.details import Counts, PhaseName, State
from dealpurge.engine.tracking.tracker import Tracker


class RestoreTracker(Tracker):
    """By what the tally counts: keys in files that were read, and keys that were dealt with."""

    def __init__(self, tally: RestoreTally, *, dry_run: bool) -> None:
        super().__init__(("read", "record") if dry_run else ("read", "write", "record"))
        self._tally = tally

    def _done(self, name: PhaseName, counts: Counts) -> tuple[int, int | None]:
        if name == "read":
            return self._tally.read, self._tally.total or None
        if name == "write":
            writes = self._tally.phase == "write"
            return (self._tally.written if writes else 0), self._tally.to_write or None
        return super()._done(name, counts)

    def _state(self, name: PhaseName, done: int, total: int | None) -> State:
        if name not in ("read", "write"):
            return super()._state(name, done, total)
        if self._tally.phase == name:
            return self._ended or "now"
        if name == "read" and self._tally.phase == "write":
            return "done"
        return self._ended or "later"
