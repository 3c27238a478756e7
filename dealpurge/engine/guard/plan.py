"""The guarded purge's plan: the keys of every deal in scope, and what tells whether somebody works on it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from threading import Lock
from typing import Any
from zlib import crc32

from dealpurge.engine.guard.deal_index import DealIndex, Holders, sole_deal
from dealpurge.engine.sweep.selection import Selection
from dealpurge.i18n import gettext_noop
from dealpurge.keys.families import Keyspace
from dealpurge.keys.matching import Batch

MISREAD_WARNING = gettext_noop(
    "Org-less keys of some ids were left, because each such id was seen as an organisation and never as a deal. "
    "If checkpoint threads are named org:deal, set DEALPURGE_CHECKPOINT_THREAD to '{org_id}:{deal_id}'.",
    code="organisations_as_deals",
)
OVERSIZED_WARNING = gettext_noop(
    "The keys of a single deal id take more memory than DEALPURGE_MAX_PLAN_MEMORY, and were planned whole: {}.",
    code="deals_oversized",
)
#: How many places there are for deal ids.
PLACES = 1 << 32
#: Bytes that a plan takes for a key besides its name, and for a deal besides its keys, as CPython allots them.
BYTES_A_KEY, BYTES_A_DEAL = 64, 400
#: How much of the limit a plan goes on with that has outgrown it: the less, the fewer cuts, and the more passes.
KEPT_SHARE = 3 / 4


@dataclass(slots=True)
class Unit:
    """Keys that are judged and deleted together: a deal, with its org-less keys where those are surely its own."""

    token: bytes
    #: Key and family of each, in turn.
    rows: list[Any]
    #: Keys to judge and to watch, existing or not.
    events: tuple[bytes, ...]

    @property
    def keys(self) -> list[bytes]:
        """The keys alone."""
        return self.rows[::2]

    @property
    def families(self) -> list[int]:
        """The family of each key."""
        return self.rows[1::2]

    @property
    def size(self) -> int:
        """How many keys."""
        return len(self.rows) // 2


@dataclass(frozen=True, slots=True)
class Part:
    """The deals whose id has its place from ``start`` on and before ``stop``, all organisations together."""

    start: int = 0
    stop: int = PLACES

    def holds(self, token: bytes) -> bool:
        """Whether the token's deal belongs here."""
        return self.start <= place_of(token) < self.stop


def place_of(token: bytes) -> int:
    """Where the token's deal id stands among all that there can be, in an order that spreads them evenly."""
    return crc32(token.rpartition(b":")[2])


WHOLE = Part()


class Held(dict[bytes, bool]):
    """Whether a deal belongs to a part, by its token, found out once."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self._part = part

    def __missing__(self, token: bytes) -> bool:
        held = self[token] = self._part.holds(token)
        return held


class Plan:
    """Collects what one pass over all servers finds of a part. Takes pages from several threads.

    Where that takes more than ``limit`` bytes, it goes on with the beginning of the part; ``left`` takes other passes.
    """

    def __init__(self, keyspace: Keyspace, part: Part, limit: int, seen: set[bytes]) -> None:
        self.part = part
        self.limit = limit
        self._key_bytes = 0
        #: Key and family of each, in turn, by the deal's token: one list a deal costs the fewest cache misses a key.
        self.deals: defaultdict[bytes, list[Any]] = defaultdict(list)
        self.deal_index = DealIndex(keyspace, seen)
        self._end = part.stop
        #: Whether keys of the part were seen that are behind where it ends now.
        self._more = False
        #: The only place there is where that alone is above the limit: nothing is gained by cutting again.
        self._sole: int | None = None
        self._held = Held(part)
        self._lock = Lock()

    @property
    def memory(self) -> int:
        """Bytes that the plan takes, about."""
        return self._key_bytes + BYTES_A_DEAL * len(self.deals)

    @property
    def left(self) -> Part | None:
        """What is left of the part; None where nothing of it was seen."""
        return Part(self.part.stop, self._end) if self._more else None

    def take(self, selection: Selection, keys: Sequence[bytes]) -> None:
        """Plan a page of one server. All that the scope asks for is counted, of other parts as well."""
        for claimed in selection.claim(keys):
            with self._lock:
                self.deal_index.note_events(claimed, None if self.part == WHOLE else self._held)
                batch = selection.narrow(claimed)
                if batch is not claimed:
                    self.deal_index.note_deals(claimed.tokens)
                self._add(self._mine(batch))

    def tokens(self) -> list[bytes]:
        """The deals that are judged one by one, in the order of their ids.

        Org-less keys go with their deal if its id has one holder, and ids that may be none are left (``misread``).
        """
        return sorted(self.deals.keys() - self._merged - self.misread())

    def unit(self, token: bytes) -> Unit:
        """What is judged and deleted together."""
        rows = self.deals[token]
        deal_id = token.rpartition(b":")[2]
        if token != deal_id and deal_id in self._merged:
            rows = rows + self.deals[deal_id]
        return Unit(token, rows, self.deal_index.events_of(token, self._holders))

    def owners(self, token: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
        """The deals by whose events a unit is judged, and the events keys of each."""
        return self.deal_index.owners_of(token, self._holders)

    def counts(self, token: bytes) -> bool:
        """Whether it is a deal in scope of its own, as the report and the record count them."""
        holders = () if b":" in token else self._holders.get(token, ())
        return token in self.deals and not any(b":".join((org_id, token)) in self.deals for org_id in holders)

    def misread(self) -> set[bytes]:
        """Org-less ids that were seen as an organisation and never as a deal: most likely no deal ids at all."""
        organisations = set().union(*self._holders.values())
        return {token for token in self.deals if token in organisations and token not in self._holders}

    def oversized(self) -> set[bytes]:
        """The ids whose keys alone take more than the limit."""
        sizes: defaultdict[bytes, int] = defaultdict(int)
        for token, rows in self.deals.items() if self.memory > self.limit else ():
            sizes[token.rpartition(b":")[2]] += BYTES_A_DEAL + _bytes_of(rows[::2])
        return {deal_id for deal_id, size in sizes.items() if size > self.limit}

    @cached_property
    def _merged(self) -> set[bytes]:
        holders = self._holders
        return {token for token in self.deals if b":" not in token and sole_deal(token, holders) in self.deals}

    @cached_property
    def _holders(self) -> Holders:
        """Who holds each id; to be asked when the plan is complete."""
        self.deal_index.note_deals(self._held)  # those of other parts
        return self.deal_index.holders(self.deals)

    def _mine(self, batch: Batch) -> Batch:
        if self.part == WHOLE:
            return batch
        held = list(map(self._held.__getitem__, batch.tokens))
        if self.part.stop < self._end and not self._more and not all(held):
            self._more = any(self.part.stop <= place_of(token) < self._end for token in set(batch.tokens))
        return batch.only(held)

    def _add(self, batch: Batch) -> None:
        # A loop in Python would take as long as claiming the keys.
        rows = map(self.deals.__getitem__, batch.tokens)
        deque(map(list.extend, rows, zip(batch.keys, batch.families, strict=True)), maxlen=0)
        self._key_bytes += _bytes_of(batch.keys)
        if self.memory > self.limit and any(place_of(token) != self._sole for token in set(batch.tokens)):
            self._cut()

    def _cut(self) -> None:
        """Go on with as many deals as fit well, at least those of one id."""
        sizes: defaultdict[int, int] = defaultdict(int)
        for token, rows in self.deals.items():
            sizes[place_of(token)] += BYTES_A_DEAL + _bytes_of(rows[::2])
        places = sorted(sizes)
        totals = accumulate(map(sizes.__getitem__, places))
        end = next(place for place, total in zip(places, totals, strict=True) if total > self.limit * KEPT_SHARE)
        self._narrow(Part(self.part.start, max(end, places[0] + 1)))
        self._sole = places[0] if self.memory > self.limit else None

    def _narrow(self, part: Part) -> None:
        self.deal_index.note_deals(self._held)
        self.part, self._held = part, Held(part)
        self.deal_index.keep_events(self._held)
        dropped = [token for token in self.deals if not self._held[token]]
        self._more = self._more or bool(dropped)
        self._key_bytes -= sum(_bytes_of(self.deals.pop(token)[::2]) for token in dropped)
        self.deal_index.note_deals(dropped)


def _bytes_of(keys: Sequence[bytes]) -> int:
    return sum(map(len, keys)) + BYTES_A_KEY * len(keys)
