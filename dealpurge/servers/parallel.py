"""The same work on several servers at once: a thread each, watched by the thread that called."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from dealpurge import clock
from dealpurge.servers.backoff import STALE_AFTER, KeepGoing
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import Stopped

T = TypeVar("T")

#: Seconds between two looks at the threads.
TICK = 0.2


@dataclass(slots=True, eq=False)
class Crew:
    """The threads of one ``on_each``: what they are to know of the calling thread, and what they want of it."""

    keep_going: KeepGoing
    #: Threads' work that is done, and what they ask the calling thread to do.
    inbox: SimpleQueue[tuple[Future[Any], Callable[[], Any] | None]] = field(default_factory=SimpleQueue)
    stop: threading.Event = field(default_factory=threading.Event)
    asked: float = field(default_factory=clock.seconds)

    def may_go_on(self) -> bool:
        """For a thread: what the calling one was told last. Where that is long ago, as after a sleep, it asks first."""
        if not self.stop.is_set() and clock.seconds() - self.asked > STALE_AFTER:
            with suppress(Stopped):  # as it is set by now
                in_calling_thread(self.ask)
        return not self.stop.is_set()

    def ask(self) -> None:
        """For the calling thread."""
        if not self.keep_going():
            self.stop.set()
        self.asked = clock.seconds()


_here = threading.local()


def in_calling_thread(work: Callable[[], T]) -> T:
    """Have ``work`` done by the thread that called ``on_each``, at once if it is this one. Raises what it raises, or
    ``Stopped`` where nobody does it any more."""
    crew: Crew | None = getattr(_here, "crew", None)
    if crew is None:
        return work()
    done: Future[T] = Future()
    crew.inbox.put((done, work))
    while not wait([done], TICK).done:
        if crew.stop.is_set():
            raise Stopped
    return done.result()


def on_each(
    connections: Sequence[ServerConnection], work: Callable[[ServerConnection], bool], keep_going: KeepGoing
) -> bool:
    """Do the work on every server; whether all of it was finished, and not stopped by ``keep_going``.

    ``keep_going`` is called from this thread only. What the work of one raises stops the others, and is raised.
    """
    if len(connections) == 1:
        return work(connections[0])
    crew = Crew(keep_going)

    def member(connection: ServerConnection) -> bool:
        _here.crew = crew
        return work(connection)

    for connection in connections:
        connection.keep_going = crew.may_go_on
    try:
        with ThreadPoolExecutor(len(connections)) as threads:
            try:
                return _attend([threads.submit(member, connection) for connection in connections], crew)
            finally:  # or else who waits for this thread would wait for ever
                crew.stop.set()
    finally:
        for connection in connections:
            connection.keep_going = keep_going


def _attend(futures: Sequence[Future[bool]], crew: Crew) -> bool:
    for future in futures:
        future.add_done_callback(lambda future: crew.inbox.put((future, None)))
    waiting = len(futures)
    while waiting:
        with suppress(Empty):
            future, wanted = crew.inbox.get(timeout=TICK)
            if wanted is None:
                waiting -= 1
                future.result()
            else:
                _answer(future, wanted)
        crew.ask()
    return all(future.result() for future in futures)


def _answer(future: Future[Any], wanted: Callable[[], Any]) -> None:
    try:
        future.set_result(wanted())
    except BaseException as exc:
        future.set_exception(exc)
        raise
