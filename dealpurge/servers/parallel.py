"""The same work on several servers at once: a thread each, watched by the thread that called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from threading import Event

from dealpurge.servers.backoff import KeepGoing
from dealpurge.servers.connection import ServerConnection

#: Seconds between two looks at the threads.
TICK = 0.2


def on_each(
    connections: Sequence[ServerConnection], work: Callable[[ServerConnection], bool], keep_going: KeepGoing
) -> bool:
    """Do the work on every server; whether all of it was finished, and not stopped by ``keep_going``.

    ``keep_going`` is called from this thread only. What the work of one raises stops the others, and is raised.
    """
    if len(connections) == 1:
        return work(connections[0])
    stop = Event()
    for connection in connections:
        connection.keep_going = lambda: not stop.is_set()
    try:
        with ThreadPoolExecutor(len(connections)) as threads:
            return _attend([threads.submit(work, connection) for connection in connections], stop, keep_going)
    finally:
        for connection in connections:
            connection.keep_going = keep_going


def _attend(futures: Sequence[Future[bool]], stop: Event, keep_going: KeepGoing) -> bool:
    try:
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=TICK, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            if not keep_going():
                stop.set()
        return all(future.result() for future in futures)
    finally:
        stop.set()
