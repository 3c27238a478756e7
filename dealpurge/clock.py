"""The clock by which a process tells that it slept, and how long somebody has waited."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: On Linux ``monotonic`` stands still while the machine is suspended; this one goes on.
_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def seconds() -> float:
    """Seconds since some moment, those that this process or its machine slept through included."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


class Deadline:
    """In ``after`` seconds from now. Who waits is elsewhere, and does not sleep while this machine does."""

    def __init__(self, after: float) -> None:
        self.after = after
        self._at = seconds() + after

    @property
    def left(self) -> float:
        """Seconds until then; negative behind it."""
        return self._at - seconds()

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self.left <= 0


class _Request(threading.local):
    """What this thread is handing a run over for."""

    deadline: Deadline | None = None


_request = _Request()


@contextmanager
def waited_for(deadline: Deadline | None) -> Iterator[None]:
    """A queue that carries a run out at once, as Django's immediate backend does, keeps a request waiting after all."""
    _request.deadline = deadline
    try:
        yield
    finally:
        _request.deadline = None


def deadline_of_request() -> Deadline | None:
    """The deadline of the request that hands over, in this thread, the run that is carried out; None without one."""
    return _request.deadline
