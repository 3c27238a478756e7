"""A count that grows, by the clock."""

from __future__ import annotations

from collections import deque

from dealpurge.engine.tracking.details import State

#: Seconds over which a rate is taken.
RATE_SECONDS = 5.0
#: Seconds between two samples.
SAMPLE_SECONDS = 0.25


class Meter:
    """Samples of a count: its rate, and how long it has grown."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self._began: float | None = None
        self._ended: float | None = None

    def begin(self, now: float) -> None:
        """It is measured from now on, or still."""
        self._began = now if self._began is None else self._began
        self._ended = None

    def restart(self, now: float) -> None:
        """It begins anew."""
        self._samples.clear()
        self._began, self._ended = now, None

    def end(self, now: float) -> None:
        """It grows no more."""
        self._ended = now if self._ended is None else self._ended

    def note(self, now: float, done: int, state: State) -> None:
        """To be called now and then."""
        if state == "later":
            return
        if state == "now":
            self.begin(now)
        else:
            self.end(now)
        if not self._samples or now - self._samples[-1][0] >= SAMPLE_SECONDS:
            self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[1][0] >= RATE_SECONDS:
            self._samples.popleft()

    def seconds(self, now: float) -> float | None:
        """Since it began, to its end if that has come."""
        if self._began is None:
            return None
        return round((now if self._ended is None else self._ended) - self._began, 3)

    def rate(self, now: float, done: int) -> float | None:
        """A second; of all of it where it is over. None before there is anything to tell by."""
        seconds = self.seconds(now)
        if self._ended is not None:
            return done / seconds if seconds else None
        if not self._samples or now - self._samples[0][0] < SAMPLE_SECONDS:
            return None
        moment, before = self._samples[0]
        return (done - before) / (now - moment)


def rounded(rate: float | None) -> int | None:
    """As it is shown."""
    return None if rate is None else round(rate)
