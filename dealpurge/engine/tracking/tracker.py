"""Told by the engine where it is; asked how far that is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from dealpurge.engine.tracking.details import Counts, PhaseName, PhaseProgress, ProgressDetails, State
from dealpurge.engine.tracking.meter import Meter, rounded
from dealpurge.engine.tracking.servers import Counted, Followed
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.slots import Node

#: Seconds of measuring before anything is said of what is left.
SETTLED_SECONDS = 3.0


class Tracker:
    """Is told by the engine where it is, and tells how far that is. ``counts`` are those of the whole run."""

    def __init__(
        self, phases: tuple[PhaseName, ...] = (), counts: Callable[[], Counts] = Counts, *, expected: int = 0
    ) -> None:
        """``expected``: keys that are to go, as a preview knew them."""
        self.names = phases
        self.counts = counts
        self.expected = expected
        self.pass_number = 1
        self.phase: PhaseName = "scan"
        #: Whether a sweep with a limit counts before it deletes.
        self.counting = False
        #: Deals whose rows are written, of how many; None before that is known.
        self.recorded = 0
        self.to_record: int | None = None
        #: Whether what is left to do is to write it down, and how the phases before that ended.
        self.recording = False
        self._ended: State | None = None
        self._over = False
        self._base = Counts()
        self._meters: dict[str, Meter] = {name: Meter() for name in phases}
        self._servers: dict[object, Followed] = {}

    def begin_pass(self, number: int) -> None:
        """All servers are gone over, for the first time or again."""
        now = monotonic()
        if number > 1:
            self._base = self.counts()
        self.pass_number, self.phase = number, "scan"
        for name in self.names:
            if name == "scan" or (name == "delete" and "activity" not in self.names):
                self._meters[name].restart(now)

    def begin(self, phase: PhaseName) -> None:
        """From now on that is what is done."""
        now, self.phase = monotonic(), phase
        for name, meter in self._meters.items():
            if name == phase or (phase == "activity" and name == "delete"):
                meter.begin(now)
            elif name == "scan":
                meter.end(now)

    @contextmanager
    def following(self, connection: ServerConnection, counted: Counted, state: str) -> Iterator[None]:
        """Within, a server is at work, and counts there."""
        followed = self._servers.setdefault(connection.node, Followed())
        followed.follow(connection, counted, state)
        try:
            yield
        finally:
            followed.settle()

    def record(self, *, complete: bool, deals: int | None = None) -> None:
        """The work is done, or was stopped; rows of so many deals are to be written."""
        if not self.recording:
            self.recording, self._ended = True, "done" if complete else "stopped"
            now = monotonic()
            for name, meter in self._meters.items():
                if name == "record":
                    meter.begin(now)
                else:
                    meter.end(now)
        self.to_record = self.to_record if deals is None else deals

    def close(self) -> None:
        """All is written."""
        self._over = True
        if "record" in self._meters:
            self._meters["record"].end(monotonic())

    def details(self) -> ProgressDetails:
        """How far it is by now; to be asked about once a second, for the rates."""
        now, counts = monotonic(), self.counts()
        phases = tuple(self._phase(name, counts, now) for name in self.names)
        nodes = [(node, followed) for node, followed in tuple(self._servers.items()) if isinstance(node, Node)]
        waits = [followed.waiting() for followed in tuple(self._servers.values())]
        longest = max(waits, key=lambda wait: wait[0] or 0, default=(None, None))
        return ProgressDetails(
            pass_number=self.pass_number,
            phases=phases,
            servers=tuple(followed.progress(f"{node.host}:{node.port}", now) for node, followed in nodes),
            waiting=longest[0],
            gives_up_in=longest[1],
        )

    def _phase(self, name: PhaseName, counts: Counts, now: float) -> PhaseProgress:
        done, total = self._done(name, counts)
        state = self._state(name, done, total)
        meter = self._meters[name]
        meter.note(now, done, state)
        rate = meter.rate(now, done)
        seconds = meter.seconds(now)
        left = None
        if state == "now" and total and rate and seconds is not None and seconds >= SETTLED_SECONDS:
            left = max(round((total - done) / rate), 0)
        return PhaseProgress(
            name=name, state=state, done=done, total=total, rate=rounded(rate), seconds=seconds, seconds_left=left
        )

    def _done(self, name: PhaseName, counts: Counts) -> tuple[int, int | None]:
        base = self._base
        if name == "scan":
            scanned = max(counts.scanned - base.scanned, 0)
            return scanned, max(counts.total - base.total, scanned) or None
        if name == "activity":
            return max(counts.judged - base.judged, 0), max(counts.to_judge - base.to_judge, 0) or None
        if name == "record":
            return self.recorded, self.to_record
        # What is deleted stays so, in whichever pass it was.
        to_delete = counts.to_delete - base.to_delete
        if to_delete <= 0 and self.pass_number == 1:
            to_delete = self.expected
        return counts.deleted, max(base.deleted + to_delete, counts.deleted) if to_delete > 0 else None

    def _state(self, name: PhaseName, done: int, total: int | None) -> State:
        """Scanning is over where activity is looked at, and a sweep deletes while it scans."""
        if name == "record":
            return "done" if self._over else "now" if self.recording else "later"
        if name == "scan":
            begun, over = True, self.phase != "scan"
        elif name == "activity":
            begun, over = self.phase == "activity" or done > 0, bool(total and done >= total)
        else:
            sweeps = "activity" not in self.names and not self.counting
            begun, over = self.phase == "activity" or done > 0 or sweeps, False
        if not begun:
            return self._ended or "later"
        return "done" if over else self._ended or "now"
