"""Steps that may be begun anew: after a lost connection each starts again from its beginning."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from dealpurge.engine.steps import Steps
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import LOST, Stopped, Transient

T = TypeVar("T")


def with_retry(connection: ServerConnection, step: Callable[[], T], reopen: Callable[[], object]) -> T:
    """Carry out a step, again and again until nothing goes wrong; ``reopen`` prepares each new connection for it.

    A purge takes many steps, so each asks whether to go on. Raises ``Stopped``, ``Departed``, ``RedisUnavailable``.
    """
    while True:
        _check(connection)
        try:
            done = step()
        except (*LOST, Transient) as exc:
            recover(connection, exc, reopen)
        else:
            connection.progressed()
            return done


def retried(connection: ServerConnection, steps: Callable[[], Steps[T]], reopen: Callable[[], object]) -> Steps[T]:
    """As ``with_retry``, for work in steps, of which a fault loses all."""
    while True:
        _check(connection)
        try:
            done = yield from steps()
        except (*LOST, Transient) as exc:
            recover(connection, exc, reopen)
        else:
            connection.progressed()
            return done


def recover(connection: ServerConnection, exc: Exception, reopen: Callable[[], object]) -> None:
    """Connect again after ``exc``. Raises as ``ServerConnection.recover``."""
    connection.recover(exc)
    with suppress(*LOST):  # the step that follows fails again then, and says so itself
        reopen()


def _check(connection: ServerConnection) -> None:
    if not connection.keep_going():
        raise Stopped
    connection.check_place()
