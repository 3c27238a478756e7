"""Deletes keys that are still as they were archived: a few in a transaction that any write to one of them aborts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby

from dealpurge.engine.archive.check import Compared, compare, questions
from dealpurge.engine.archive.entries import Entries
from dealpurge.engine.archive.reader import ValueReader
from dealpurge.engine.steps import Steps, Turn, alone
from dealpurge.engine.sweep.unlink import Removal, remove
from dealpurge.engine.transaction import (
    Aborted,
    Opening,
    Refused,
    clear,
    committed,
    discard,
    pack_commit,
    send_commit,
)
from dealpurge.servers.commands import naming, slot_of
from dealpurge.servers.connection import ServerConnection

#: Keys of a transaction. Redis, unlike Valkey 9, takes the square of their number for WATCH (20,000: 1.8 s).
WATCHED_KEYS = 128
#: A transaction that was aborted this often has keys that do not come to rest.
MOST_ABORTS = 3


@dataclass(slots=True)
class Fates:
    """What became of entries. ``doubtful``: gone, and perhaps by a transaction of ours whose answer was lost."""

    deleted: Entries = field(default_factory=Entries)
    gone: Entries = field(default_factory=Entries)
    doubtful: Entries = field(default_factory=Entries)
    changed: Entries = field(default_factory=Entries)
    refused: Entries = field(default_factory=Entries)


def groups_of(entries: Entries, most: int, *, clustered: bool) -> Iterator[Entries]:
    """So few that neither WATCH nor the answers take long, of ``most`` bytes or one key; on a cluster those of a slot.
    Neighbours are parted: SCAN lists keys of like hashes one behind the other, among which WATCH looks for each
    (64 keys: 125 us, or 45)."""
    parts = iter([entries])
    if clustered:
        slots = list(map(slot_of, entries.keys))
        ordered = groupby(sorted(range(len(entries)), key=slots.__getitem__), key=slots.__getitem__)
        parts = (entries.at(list(places)) for _, places in ordered)
    for part in parts:
        number = -(-len(part) // WATCHED_KEYS)
        for start in range(number):
            yield from _of_few_bytes(part.every(number, start), most)


def _of_few_bytes(entries: Entries, most: int) -> Iterator[Entries]:
    if sum(entries.sizes()) <= most:  # as nearly always
        yield entries
        return
    places, total = list[int](), 0
    for place, size in enumerate(entries.sizes()):
        if places and total + size > most:
            yield entries.at(places)
            places, total = [], 0
        places.append(place)
        total += size
    yield entries.at(places)


class CheckedRemoval:
    """The removal of entries over one connection; ``steps`` go on where they were after a fault."""

    def __init__(
        self, reader: ValueReader, groups: Iterable[Entries], *, most: int, turn: Turn, unchecked: bool
    ) -> None:
        """``turn``: for a group of more bytes than ``most``. ``unchecked``: delete after a look alone where the server
        is full and takes no transaction."""
        self.connection: ServerConnection = reader.connection
        self.reader = reader
        self.fates = Fates()
        #: Whether the server was too full for a transaction.
        self.full = False
        self._most, self._turn = most, turn
        self._unchecked = unchecked
        self._groups = deque(groups)
        self._aborts = 0
        #: Entries of which UNLINK was sent and not answered.
        self._sent: set[bytes] = set()
        self._opening: Opening | None = None
        #: What was sent, and not answered yet.
        self._under_way: tuple[Entries, set[bytes], Opening | None] | None = None

    def steps(self) -> Steps[None]:
        """Raises what is ``LOST``, ``Transient``, ``RedisUnavailable``, ``Stopped``."""
        self._opening = self._under_way = None
        while self._groups:
            if not self._groups[0]:  # a fault came when all of it was settled
                self._next_group()
                continue
            transaction = self._transaction()
            try:
                yield from alone(self._turn, transaction) if self._is_large(self._groups[0]) else transaction
            except Aborted:
                self._aborts += 1
                if self._aborts == MOST_ABORTS:
                    self._settle(Compared(changed=self._groups[0]))
                    self._next_group()
            except Refused as refused:
                self._opening = None
                self._refuse(refused)

    def finish_under_way(self) -> None:
        """Whatever ended it: what Redis does already belongs into the counts."""
        with suppress(Exception):
            if self._under_way:
                self._finish(*self._under_way)
            self.connection.drain()  # of what was only asked no answer is missed

    def settled(self) -> Entries:
        """What has gone, or may have, whatever ended it."""
        settled = Entries()
        settled.add(self.fates.deleted)
        settled.add(self.fates.doubtful)
        known = set(settled.keys)
        for others in (self.fates.refused, *self._groups):
            settled.add(others.only([key in self._sent and key not in known for key in others.keys]))
        return settled

    def _open(self, group: Entries, behind: Sequence[bytes] = ()) -> Opening:
        watch = naming(b"WATCH", group.arguments)
        return Opening.send(self.connection, watch, questions(self.reader, group), behind=behind)

    def _transaction(self) -> Steps[None]:
        """The first group's, and the opening of the next one behind it. Raises ``Aborted``, ``Refused``."""
        connection = self.connection
        if self._opening is None:
            self._opening = self._open(self._groups[0])
            yield
        opening, self._opening = self._opening, None
        group = self._settle(compare(self.reader, self._groups[0], opening.answers()))
        if not group:
            discard(connection)
            self._next_group()
            return
        packed = pack_commit(connection, naming(b"UNLINK", group.arguments))
        connection.backoff.confirm()
        news = set(group.keys) - self._sent
        self._sent |= news
        following = None
        if len(self._groups) > 1 and not self._is_large(self._groups[1]):
            following = self._open(self._groups[1], packed)
        else:
            send_commit(connection, group.keys, packed)
        self._under_way = group, news, following
        yield
        self._finish(group, news, following)

    def _finish(self, group: Entries, news: set[bytes], following: Opening | None) -> None:
        """What became of the group. Raises ``Aborted``, ``Refused``."""
        connection, keys, self._under_way = self.connection, group.keys, None
        replies = connection.read_all(2)
        if replies[1] != [len(keys)] and following:
            clear(connection)
            following = None
        try:
            removal = committed(connection, keys, replies)
        except (Aborted, Refused):
            self._sent -= news  # but not those of which an earlier try was never answered
            raise
        self._note_deleted(group, removal)
        self._next_group()
        self._opening = following

    def _is_large(self, group: Entries) -> bool:
        return sum(group.sizes()) > self._most

    def _next_group(self) -> None:
        self._groups.popleft()
        self._aborts = 0

    def _settle(self, compared: Compared) -> Entries:
        """What of the first group is not as it was saved is done with; the others, which are that group now."""
        changed, gone, fates = compared.changed, compared.gone, self.fates
        if changed or gone:
            # What may have gone is archived, so what came in its place stays: the archive has a key once.
            self._sort(changed, fates.refused, fates.changed)
            self._sort(gone, fates.doubtful, fates.gone)
            self._sent.difference_update(gone.keys)
        self._groups[0] = compared.equal
        return compared.equal

    def _sort(self, entries: Entries, sent: Entries, others: Entries) -> None:
        """Those of which UNLINK was sent and not answered, and the others."""
        were_sent = [key in self._sent for key in entries.keys]
        sent.add(entries.only(were_sent))
        others.add(entries.only([not was_sent for was_sent in were_sent]))

    def _note_deleted(self, group: Entries, removal: Removal) -> None:
        if removal.left:
            left = [key in removal.left for key in group.keys]
            self.fates.refused.add(group.only(left))
            self.fates.deleted.add(group.only([not is_left for is_left in left]))
        else:
            self.fates.deleted.add(group)
        self._sent.difference_update(group.keys)

    def _refuse(self, refused: Refused) -> None:
        group = self._groups[0]
        self.full = self.full or "OOM" in str(refused)
        if "OOM" in str(refused) and self._unchecked:
            self._remove_plainly()
        elif "OOM" not in str(refused) and len(group) > 1:  # of a single key, perhaps
            self._next_group()
            self._groups.extendleft(group.at([place]) for place in reversed(range(len(group))))
        else:
            self.fates.refused.add(group)
            self._next_group()

    def _remove_plainly(self) -> None:
        """A look, and UNLINK at once: what is written between them is lost."""
        connection, group = self.connection, self._groups[0]
        group = self._settle(compare(self.reader, group, connection.ask_all(questions(self.reader, group))))
        if group:
            connection.backoff.confirm()
            self._sent.update(group.keys)
            self._note_deleted(group, remove(connection, group.keys))
        self._next_group()
