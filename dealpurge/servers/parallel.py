"""The same work on several servers at once: a thread each, watched by the thread that called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from threading import Event

from dealpurge.servers.backoff import Pulse
from dealpurge.servers.connection import Link

#: Seconds between two looks at the threads.
TICK = 0.2


def on_each(links: Sequence[Link], work: Callable[[Link], bool], pulse: Pulse) -> bool:
    """Do the work on every server; whether all of it was finished, and not stopped by ``pulse``.

    ``pulse`` is called from this thread only. What the work of one raises stops the others, and is raised.
    """
    if len(links) == 1:
        return work(links[0])
    stop = Event()
    for link in links:
        link.pulse = lambda: not stop.is_set()
    try:
        with ThreadPoolExecutor(len(links)) as threads:
            return _attend([threads.submit(work, link) for link in links], stop, pulse)
    finally:
        for link in links:
            link.pulse = pulse


def _attend(futures: Sequence[Future[bool]], stop: Event, pulse: Pulse) -> bool:
    try:
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=TICK, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            if not pulse():
                stop.set()
        return all(future.result() for future in futures)
    finally:
        stop.set()
