"""How long a server in trouble is tried again, and what is done between two tries."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep

from redis.exceptions import BusyLoadingError
from redis.sentinel import MasterNotFoundError

from dealpurge import clock
from dealpurge.conf import conf
from dealpurge.i18n import said_by
from dealpurge.servers.errors import Interrupted, Stopped, given_up, hopeless

#: Says whether to go on; called on every page and while waiting, in the middle of a reply too.
KeepGoing = Callable[[], bool]

#: Seconds for which a server is tried that has not answered once, so that one that is down is told at once.
FIRST_SECONDS = 2.0
#: Shortest and longest wait between two tries, and between two looks at whether to stop, in seconds.
SHORTEST_WAIT, LONGEST_WAIT = 0.02, 1.0
#: Whether to go on must have been asked within so many seconds before a delete: a process may have slept since.
STALE_AFTER = 1.0
#: Seconds between two questions whether to go on, while Redis is waited for.
ASK_EVERY = 0.5
#: Seconds for which replies that are owed are still read once a run is to end: what Redis has done is counted by them.
GRACE = 2.0
#: The waits do not grow further after so many tries in vain.
MOST_DOUBLINGS = 10


class Backoff:
    """Waits ever longer between tries, until ``DEALPURGE_RETRY_SECONDS`` have passed in which nothing worked."""

    def __init__(self, keep_going: KeepGoing) -> None:
        self.keep_going = keep_going
        self._asked = clock.seconds()
        #: Since when the run is known to end: ``keep_going`` said so, or raised.
        self._ending: float | None = None
        #: Whether the server has ever answered; until then it is tried for a short while.
        self.met = False
        self._failures = 0
        self._since: float | None = None
        #: Since when nothing comes from the server that is waited for.
        self._silent_since: float | None = None
        #: What is wrong since something last worked.
        self._trouble: Exception | None = None

    def may_go_on(self) -> bool:
        """Ask ``keep_going``."""
        going = False
        try:
            going = self.keep_going()
        finally:  # which may have taken its time
            self._asked = clock.seconds()
            self._ending = None if going else self._ending or self._asked
        return going

    def while_waiting(self, *, owed: bool = False) -> None:
        """To be called before each step of a wait for Redis, ``owed``: for replies that are to be counted.

        Asks whether to go on where that is due. Raises ``Interrupted``.
        """
        now = clock.seconds()
        in_grace = owed and self._ending is not None and now - self._ending < GRACE
        if in_grace or (self._ending is None and now - self._asked < ASK_EVERY):
            return
        try:
            going = self.may_go_on()
        except BaseException as exc:
            raise Interrupted(exc) from exc
        if not going and not (owed and clock.seconds() - (self._ending or now) < GRACE):
            raise Interrupted(self.stopped())

    def confirm(self) -> None:
        """To be called before a delete: ask anew where that was long ago, or the answer was no. Raises ``Stopped``."""
        due = self._ending is not None or clock.seconds() - self._asked > STALE_AFTER
        if due and not self.may_go_on():
            raise Stopped

    def begin(self) -> None:
        """The first try of a server that was not met yet begins: what it takes counts, a timeout too."""
        if not self.met:
            self._since = monotonic()

    def meet(self) -> None:
        """The server has answered."""
        if not self.met:
            self.progressed()
        self.met = True

    def progressed(self) -> None:
        """Something worked: the time for tries starts anew."""
        self._failures, self._since, self._trouble, self._silent_since = 0, None, None, None

    def note_silence(self, seconds: float) -> None:
        """Nothing has come for so many seconds."""
        self._silent_since = self._silent_since or monotonic() - seconds

    def silence(self) -> tuple[float | None, int | None]:
        """Seconds for which the server has been waited for, and those for which it is tried again; None where not."""
        silent_since, since, trouble, now = self._silent_since, self._since, self._trouble, monotonic()
        left = max(round(since + self._seconds(trouble) - now), 0) if since and trouble else None
        return (None if silent_since is None else now - silent_since), left

    def back_off(self, exc: Exception) -> None:
        """Wait before the next try. Raises ``RedisUnavailable`` if there is to be none, ``Stopped`` if told to stop."""
        final = hopeless(exc)
        if final:
            raise final from exc
        now, seconds = monotonic(), self._seconds(exc)
        self._since, self._trouble = self._since or now, exc
        self.note_silence(0)
        left = self._since + seconds - now
        if left <= 0:
            raise given_up(exc, seconds) from exc
        wait = min(LONGEST_WAIT, SHORTEST_WAIT * 2 ** min(self._failures, MOST_DOUBLINGS))
        self._failures += 1
        self.wait(min(wait, left))

    def wait(self, seconds: float) -> None:
        """Sleep, and look before it whether to go on. Raises ``Stopped``."""
        if not self.may_go_on():
            raise self.stopped()
        sleep(seconds)

    def stopped(self) -> Stopped:
        """What to raise where the answer was no, in the words for what was wrong by then."""
        if self._trouble is None or self._since is None:
            return Stopped()
        return Stopped(said_by(given_up(self._trouble, round(monotonic() - self._since))))

    def _seconds(self, exc: Exception) -> float:
        seconds = conf.retry_seconds
        alive = isinstance(exc, (BusyLoadingError, MasterNotFoundError))
        return seconds if self.met or alive else min(seconds, FIRST_SECONDS)
