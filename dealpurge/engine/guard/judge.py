"""What is known of a deal while it is purged, and what becomes of it in the counts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from dealpurge.engine.guard.activity import Reading, Readings, Verdict
from dealpurge.engine.guard.activity_reader import ActivityReader
from dealpurge.engine.guard.plan import Unit
from dealpurge.engine.sweep.selection import Selection
from dealpurge.engine.sweep.unlink import Removal, with_unreachable
from dealpurge.keys.matching import Batch
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.retry import with_retry


class DealJudge:
    """Looks at deals over one connection and counts into the selection's tally."""

    def __init__(self, connection: ServerConnection, selection: Selection) -> None:
        self.connection = connection
        self.selection = selection
        self.tally = selection.tally
        self.activity = ActivityReader(connection, self.tally)
        self._window = (selection.scope.exclude_active_within_secs or 0) * 1000
        self._first_look = Reading(0)
        #: Carries out a step that starts again at its WATCH after a lost connection.
        self._with_retry = partial(with_retry, connection, reopen=self._reopen)

    def _idle_of(self, units: Sequence[Unit], reading: Readings) -> list[Unit]:
        """Those that nobody works on; the others are skipped."""
        verdicts = [(unit, reading.verdict(unit.events, self._window)) for unit in units]
        for unit, verdict in verdicts:
            if verdict.active:
                self._skip(unit, verdict)
        return [unit for unit, verdict in verdicts if not verdict.active]

    def _look(self, unit: Unit) -> Verdict:
        return self._with_retry(partial(self._look_once, unit))

    def _look_once(self, unit: Unit) -> Verdict:
        reading = self.activity.read(unit.events, self._first_look)
        return reading.verdict(unit.events, self._window)

    def _finish(self, unit: Unit) -> None:
        self.tally.untouched.discard(unit.token)
        self.tally.skipped.pop(unit.token, None)  # what an attempt that came to nothing may have found

    def _record(self, batch: Batch, removal: Removal) -> None:
        self.selection.count_removal(batch, with_unreachable(self.connection, batch.keys, removal))

    def _skip(self, unit: Unit, verdict: Verdict, *, interrupted: bool = False) -> None:
        self.tally.untouched.discard(unit.token)
        if interrupted:
            self.tally.interrupted.add(unit.token)
        else:
            self.tally.skipped[unit.token] = verdict.last_active

    def _reopen(self) -> None:
        self.activity.open()
