"""Files of an archive, read ahead by threads and handed over in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from dealpurge.engine.restore.source import ArchivedFile, Damaged
from dealpurge.servers.backoff import KeepGoing
from dealpurge.servers.errors import Stopped

T = TypeVar("T")

#: Threads, and files that are read ahead.
THREADS, AHEAD = 2, 3
#: Seconds between two signs of life while a file is waited for.
TICK = 0.2


def read_ahead(
    work: Callable[[ArchivedFile], T], files: Iterable[ArchivedFile], keep_going: KeepGoing
) -> Iterator[tuple[ArchivedFile, T | Damaged]]:
    """Each file and what the work makes of it in a thread, be it that it is damaged.

    Raises ``ArchiveUnavailable``, ``Stopped``.
    """
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="dealpurge-restore")
    waiting: deque[tuple[ArchivedFile, Future[T | Damaged]]] = deque()
    coming = iter(files)
    try:
        while True:
            while len(waiting) < AHEAD and (file := next(coming, None)):
                waiting.append((file, threads.submit(_or_damaged, work, file)))
            if not waiting:
                return
            file, future = waiting.popleft()
            done = False
            while not done:
                if not keep_going():
                    raise Stopped
                done = bool(wait([future], TICK).done)
            yield file, future.result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _or_damaged(work: Callable[[ArchivedFile], T], file: ArchivedFile) -> T | Damaged:
    try:
        return work(file)
    except Damaged as exc:
        return exc
