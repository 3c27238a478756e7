"""First looks at deals ahead of their turn, over a second connection, while the first one waits for a transaction."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from dealpurge.engine.guard.activity import Reading
from dealpurge.engine.guard.activity_reader import Activity, Look
from dealpurge.engine.guard.plan import Unit
from dealpurge.engine.guard.units import events_of
from dealpurge.engine.sweep.tally import Tally
from dealpurge.servers.connection import Command, Link
from dealpurge.servers.errors import LOST, Transient

#: Deals of one look: so many that it is done when the transactions of those before are.
LOOKED_AT_ONCE = 100


class Scout:
    """Hands out deals, each batch with a look at its events keys. ``link`` is used by nobody else meanwhile.

    When it fails, or ``home``, the first connection, leads to another process than it does, it retires.
    """

    def __init__(self, link: Link, home: Link, tally: Tally, units: Iterator[Unit]) -> None:
        self.link, self._home = link, home
        #: Whether it has ended before its time: what is left is for the first connection alone.
        self.retired = False
        self.activity = Activity(link, tally)
        self._supply = units
        self._units: list[Unit] = []
        self._look: Look | None = None
        self._asked = 0
        self._reading: Reading | None = None

    def open(self) -> None:
        """Prepare the connection."""
        try:
            self.activity.open()
        except LOST:
            self._retire()

    def advance(self) -> None:
        """Do the next bit of a look: what Redis was asked last time it has answered by now.

        Raises ``RedisUnavailable``.
        """
        if self.retired or self._reading is not None:
            return
        self._units = self._units or list(islice(self._supply, LOOKED_AT_ONCE))
        if not self._units:
            return
        try:
            self._step()
        except (*LOST, Transient):
            self._retire()

    def left(self) -> Iterator[Unit]:
        """The deals that were not handed out."""
        return chain(self._units, self._supply)

    def _retire(self) -> None:
        """A connection made anew might lead to another process, and the first one is enough."""
        self.retired, self._look, self._reading = True, None, None
        self.link.close()

    def next(self) -> tuple[list[Unit], Reading] | None:
        """The next deals and what the look at them told; None at the end. Raises ``RedisUnavailable``."""
        self.advance()
        while self._reading is None and self._units and not self.retired:
            self.advance()
        if self._home.identity != self.link.identity:  # the first connection was made anew and is elsewhere now
            self._retire()
        if self._reading is None:
            return None
        found = self._units, self._reading
        self._units, self._reading = [], None
        return found

    def _step(self) -> None:
        if self._look is None:
            self._look = self.activity.looking(events_of(self._units))
            self._send(next(self._look))
            return
        try:
            replies = self.link.read_all(self._asked)
            commands = self._look.send(replies)
            while not commands:
                commands = self._look.send([])
            self._send(commands)
        except StopIteration as end:
            self._look, self._reading = None, end.value

    def _send(self, commands: list[Command]) -> None:
        self._asked = self.link.send_all(commands)
