"""The next deals and a first look at their events keys, asked behind the transaction under way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from dealpurge.engine.guard.activity import Reading
from dealpurge.engine.guard.activity_reader import ActivityReader, ReadSteps
from dealpurge.engine.guard.plan import Unit
from dealpurge.engine.guard.units import events_of
from dealpurge.exceptions import RedisUnavailable
from dealpurge.servers.commands import Command
from dealpurge.servers.errors import Transient
from dealpurge.servers.sockets import Alone

#: Deals that are judged in one go before their transactions.
JUDGED_AT_ONCE = 200


class LookAhead:
    """Hands out deals batch by batch. A look takes a few questions, more where events keys are large."""

    def __init__(self, activity: ActivityReader, units: Iterator[Unit]) -> None:
        self._activity = activity
        self._supply = units
        self._units: list[Unit] = []
        self._begun = False
        self._look: ReadSteps | None = None
        self._questions: list[Command] = []
        self._reading: Reading | None = None
        #: A complete look at the deals handed out last, or next, that was dropped: who was active by it stays.
        self.dropped: Reading | None = None

    def units(self) -> list[Unit]:
        """The deals that come next; none at the end."""
        self._units = self._units or list(islice(self._supply, JUDGED_AT_ONCE))
        return self._units

    def questions(self) -> list[Command]:
        """What to ask next about them, to be answered by ``take``; nothing where all is known, or was forgotten."""
        if not self._begun and self.units():
            self._begun, self.dropped, self._look = True, None, self._activity.read_steps(events_of(self._units))
            self._questions = next(self._look)
        return self._questions

    @property
    def waits(self) -> bool:
        """Whether the next question may not go behind anything else."""
        return any(isinstance(question, Alone) for question in self.questions())

    def take(self, replies: Sequence[Any]) -> None:
        """The replies to ``questions``. After trouble the look is forgotten: who asks anew meets it again."""
        try:
            while self._look is not None:
                self._questions = self._look.send(list(replies))
                if self._questions:
                    return
                replies = ()
        except StopIteration as end:
            self._look, self._questions, self._reading = None, [], end.value
        except (Transient, RedisUnavailable):
            self.forget()

    def forget(self) -> None:
        """Drop the look: its connection is lost, and the next one may lead to another server."""
        self.dropped = self._reading or self.dropped
        self._look, self._questions, self._reading = None, [], None

    def hand_out(self) -> tuple[list[Unit], Reading | None]:
        """The deals that come next, and the look at them if it is complete."""
        handed_out = self.units(), self._reading
        self._units, self._begun = [], False
        self._look, self._questions, self._reading = None, [], None
        return handed_out
