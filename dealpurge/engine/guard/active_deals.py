"""Who was active by any look of a run: those deals stay in it, whatever the servers do afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from threading import Lock
from typing import NamedTuple

from dealpurge.engine.guard.activity import Verdict
from dealpurge.i18n import gettext_noop
from dealpurge.servers.parallel import in_calling_thread

LOST_WRITES_WARNING = gettext_noop(
    "Redis lost recent writes during the run. The activity of these deals was seen before, so they were left: {}. "
    "That of others may be lost as well, and they are purged then.",
    code="writes_lost",
)

#: Writes down deals that were seen active, by their tokens: whether keys of them had gone by then.
KeepActive = Callable[[Mapping[bytes, bool]], object]

#: Milliseconds by which what two looks tell of one activity may differ: idle times are whole seconds.
INEXACT = 2000


class Sighting(NamedTuple):
    """Last activity in milliseconds, if it could be told, and the number of the pass that saw it."""

    last_active: int | None
    number: int


class ActiveDeals:
    """What all looks of a run found, in whichever pass and over whichever connection."""

    def __init__(self, keep: KeepActive | None = None) -> None:
        #: Deals that were left because of it, by token.
        self.left: dict[bytes, Sighting] = {}
        #: Whose events it was that were active, and the newest of each deal id: an org-less deal is judged by every
        #: holder of its id.
        self._owners: dict[bytes, Sighting] = {}
        self._ids: dict[bytes, Sighting] = {}
        #: Whose events told that nobody works on them: the purge takes those events keys too.
        self._idle: set[bytes] = set()
        self._number = 0
        self._keep = keep
        self._unwritten: dict[bytes, bool] = {}
        self._interrupted: set[bytes] = set()
        self._lock, self._writing = Lock(), Lock()

    def begin_pass(self) -> None:
        """What was seen so far was so on servers that may have been replaced since."""
        self._number += 1

    def note(
        self, token: bytes, last_active: int | None, owners: Mapping[bytes, int | None], counted: Iterable[bytes]
    ) -> None:
        """A deal is left because the events of ``owners`` were active; ``counted``: which of them all are deals."""
        with self._lock:
            self.left[token] = Sighting(last_active, self._number)
            for owner, moment in owners.items():
                sighting = self._owners[owner] = Sighting(moment, self._number)
                deal_id = owner.rpartition(b":")[2]
                self._ids[deal_id] = max(sighting, self._ids.get(deal_id, sighting), key=_moment)
            self._unwritten |= {deal: deal in self._interrupted for deal in counted}

    def note_interrupted(self, token: bytes) -> None:
        """Keys of a deal that was found active have gone."""
        with self._lock:
            self._interrupted.add(token)
            self._unwritten[token] = True

    def note_idle(self, owners: Iterable[bytes]) -> None:
        """The events of these deals tell of an activity, and not of a recent one."""
        self._idle.update(owners)

    def was_idle(self, owner: bytes) -> bool:
        """Whether any look of the run found events of the deal, and those idle."""
        return owner in self._idle

    def sighting(self, token: bytes) -> Sighting | None:
        """The newest that is known of a deal; an unknown organisation matches every one."""
        _, colon, deal_id = token.rpartition(b":")
        if deal_id not in self._ids and token not in self.left:  # as of nearly all that are asked about
            return None
        known = (
            self.left.get(token),
            self._owners.get(token) if colon else self._ids.get(deal_id),
            self._owners.get(deal_id),
        )
        return max(filter(None, known), key=_moment, default=None)

    def is_lost(self, sighting: Sighting, verdict: Verdict) -> bool:
        """Whether the server has forgotten an activity that a pass before this one saw."""
        return sighting.number < self._number and (verdict.last_active or 0) < _moment(sighting) - INEXACT

    def missing(self, there: Callable[[bytes], bool]) -> list[bytes]:
        """Deals that a pass before this one saw, and that are not there any more."""
        return [token for token, sighting in self.left.items() if sighting.number < self._number and not there(token)]

    def write_down(self) -> None:
        """To be called before anything is deleted: whoever goes on with the run must know who was active."""
        if self._keep is None or not (self._unwritten or self._writing.locked()):
            return
        with self._writing:  # what another thread is writing must be written too before this one deletes
            with self._lock:
                unwritten, self._unwritten = self._unwritten, {}
            if unwritten:
                try:
                    in_calling_thread(partial(self._keep, unwritten))
                except BaseException:  # nor does another one delete then
                    with self._lock:
                        self._unwritten = unwritten | self._unwritten
                    raise


def _moment(sighting: Sighting) -> int:
    return sighting.last_active or 0
