"""Transactions one behind the other over one connection, each opened while Redis carries out the one before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from dealpurge.engine.guard.activity import Reading
from dealpurge.engine.guard.lookahead import LookAhead
from dealpurge.engine.guard.plan import Unit
from dealpurge.engine.guard.units import batch_of
from dealpurge.engine.sweep.unlink import Removal
from dealpurge.engine.transaction import (
    Aborted,
    Opening,
    Refused,
    clear,
    committed,
    discard,
    pack_commit,
    send_commit,
)
from dealpurge.keys.matching import Batch
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import LOST


class Remainder(NamedTuple):
    """Deals that did not go in the pipeline, the first look at them, and what came of the try, if anything did."""

    units: list[Unit]
    look: Reading
    trouble: Aborted | Refused | None = None


class Passing(NamedTuple):
    """Deals of a group that go, and those of their keys that are to be sent; None is all."""

    units: list[Unit]
    keys: list[bytes] | None = None


class InFlight(NamedTuple):
    """A transaction whose UNLINK and EXEC are sent."""

    units: list[Unit]
    look: Reading
    batch: Batch
    keys: list[bytes]


class Pipeline:
    """The smooth way of a guarded purge. What does not go smoothly is given back, to be begun anew by itself.

    ``judge`` returns what of a group goes by the answers; ``before_delete`` may raise, and nothing is sent
    then; ``done`` takes what became of them.
    """

    def __init__(
        self,
        connection: ServerConnection,
        open_: Callable[[Sequence[Unit]], Opening],
        judge: Callable[[Sequence[Unit], Opening], Passing],
        before_delete: Callable[[], None],
        done: Callable[[Sequence[Unit], Batch, Removal], None],
    ) -> None:
        self.connection = connection
        #: What is asked behind each transaction, how many replies that will have, and those that were read.
        self.ahead: LookAhead | None = None
        self._asked = 0
        self._answers: list[Any] = []
        self._open, self._judge, self._before_delete, self._done = open_, judge, before_delete, done
        self._in_flight: InFlight | None = None
        #: Whether the replies to what is under way are still to be read.
        self._owed = False

    def push(self, group: list[Unit], look: Reading) -> list[Remainder]:
        """Send the group's transaction behind the one under way; what did not go of either.

        Raises what is ``LOST``, ``Transient``, ``RedisUnavailable``; ``give_up`` tells what is left then.
        """
        opening = self._open(group)
        # Hardly ever one of them was touched since the first look.
        batch = batch_of(group)
        packed = pack_commit(self.connection, batch.keys)
        remainders = self._finish_in_flight()
        if not self.connection.owed:  # the opening had to make way
            return [*remainders, Remainder(group, look)]
        try:
            units, keys = self._judge(group, opening)
        except Refused as refused:
            return [*remainders, Remainder(group, look, refused)]
        everything = batch.keys
        if len(units) < len(group):
            batch = batch_of(units)
        keys = batch.keys if keys is None else keys
        if keys != everything:
            packed = pack_commit(self.connection, keys)
        if not keys:
            discard(self.connection)
            self._done(units, batch, Removal(0))
            return remainders
        self._before_delete()
        self._in_flight = InFlight(units, look, batch, keys)  # from here on it may be carried out
        send_commit(self.connection, keys, packed)
        self._owed = True
        self._take_answers()
        self._ask_ahead()
        return remainders

    def _take_answers(self) -> None:
        """While Redis is at work, if there is any."""
        if self.ahead and self._answers:
            self.ahead.take(self._answers)
        self._answers = []

    def _ask_ahead(self) -> None:
        try:
            ahead = self.ahead
            self._asked = self.connection.send_all(ahead.questions()) if ahead and not ahead.waits else 0
        except LOST:
            self._owed = False
            raise

    def finish_in_flight(self) -> list[Remainder]:
        """Read and count what became of the transaction under way; what did not go of it. Raises as ``push``."""
        remainders = self._finish_in_flight()
        self._take_answers()
        return remainders

    def _finish_in_flight(self) -> list[Remainder]:
        if self._in_flight is None or not self._owed:
            return []
        units, look, batch, keys = self._in_flight
        self._owed = False
        replies = self.connection.read_all(2)
        remainders = []
        try:
            if replies[1] != [len(keys)]:
                self._read_answers()
                if self.connection.owed:
                    clear(self.connection)
            self._done(units, batch, committed(self.connection, keys, replies))
        except (Aborted, Refused) as trouble:
            remainders = [Remainder(units, look, trouble)]
        except BaseException:  # what Redis has done is in no count
            self.connection.broken = self.connection.broken or not isinstance(replies[1], (ResponseError, type(None)))
            raise
        self._in_flight = None
        self._read_answers()
        return remainders

    def _read_answers(self) -> None:
        asked, self._asked = self._asked, 0
        self._answers += self.connection.read_all(asked)

    def give_up(self) -> list[Remainder]:
        """After a fault: what was under way, of which nothing is known."""
        in_flight, self._in_flight, self._owed = self._in_flight, None, False
        self.forget_look()
        return [Remainder(in_flight.units, in_flight.look)] if in_flight else []

    def forget_look(self) -> None:
        """What was asked ahead over a connection that is lost. Who was active by a complete answer still stays."""
        self._take_answers()
        self._asked = 0
        if self.ahead:
            self.ahead.forget()
