"""Work in steps: each ends when Redis is asked, so that other work goes on until it has answered."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")

#: Work that yields whenever it would wait for an answer.
Steps: TypeAlias = Generator[None, None, T]


def finish(steps: Steps[T], meanwhile: Callable[[], object] = lambda: None) -> T:
    """Carry it out; ``meanwhile`` is called when Redis was asked."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            done: T = stop.value
            return done
        meanwhile()


class Turn:
    """What one of several works may have at a time."""

    taken = False


def alone(turn: Turn, steps: Steps[T]) -> Steps[T]:
    """Carry it out while no other work has the turn."""
    while turn.taken:
        yield
    turn.taken = True
    try:
        return (yield from steps)
    finally:
        turn.taken = False
