"""Deletes keys that are still as they were archived: a few in a transaction that any write to one of them aborts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby

from dealpurge.engine.archive.check import Compared, compare, questions
from dealpurge.engine.archive.entry import Entry
from dealpurge.engine.archive.reader import ValueReader
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
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.hashing import slot_of

#: Keys of a transaction: WATCH takes as long as the square of their number (redis/redis, 20,000 keys: 1.8 s).
WATCHED_KEYS = 64
#: A transaction that was aborted this often has keys that do not come to rest.
MOST_ABORTS = 3


@dataclass(slots=True)
class Fates:
    """What became of entries. ``doubtful``: gone, and perhaps by a transaction of ours whose answer was lost."""

    deleted: list[Entry] = field(default_factory=list)
    gone: list[Entry] = field(default_factory=list)
    doubtful: list[Entry] = field(default_factory=list)
    changed: list[Entry] = field(default_factory=list)
    refused: list[Entry] = field(default_factory=list)


class CheckedRemoval:
    """The removal of a chunk's entries over one connection; ``run`` goes on where it was after a fault."""

    def __init__(self, reader: ValueReader, entries: Sequence[Entry], *, unchecked: bool) -> None:
        """``unchecked``: delete after a look alone where the server is full and takes no transaction."""
        self.connection: ServerConnection = reader.connection
        self.reader = reader
        self.fates = Fates()
        #: Whether the server was too full for a transaction.
        self.full = False
        self._unchecked = unchecked
        self._groups = deque(self._together(entries))
        self._aborts = 0
        #: Entries of which UNLINK was sent and not answered.
        self._sent: set[bytes] = set()
        self._opening: Opening | None = None

    def run(self) -> None:
        """Raises what is ``LOST``, ``Transient``, ``RedisUnavailable``, ``Stopped``."""
        self._opening = None
        while self._groups:
            try:
                self._transaction()
            except Aborted:
                self._aborts += 1
                if self._aborts == MOST_ABORTS:
                    self._settle(Compared(changed=self._groups[0]))
                    self._next_group()
            except Refused as refused:
                self._opening = None
                self._refuse(refused)

    def settled(self) -> list[Entry]:
        """What has gone, or may have, whatever ended it."""
        others = chain(self.fates.refused, *self._groups)
        begun = [entry for entry in others if entry.key in self._sent]
        return list(dict.fromkeys([*self.fates.deleted, *self.fates.doubtful, *begun]))

    def _together(self, entries: Sequence[Entry]) -> Iterator[list[Entry]]:
        """So few that neither WATCH nor the answers take long; on a cluster those of a slot."""
        parts: Iterator[list[Entry]] = iter([list(entries)])
        if self.connection.clustered:
            slots = sorted(((slot_of(entry.key), entry) for entry in entries), key=lambda pair: pair[0])
            parts = ([entry for _, entry in part] for _, part in groupby(slots, key=lambda pair: pair[0]))
        for part in parts:
            group, total = list[Entry](), 0
            for entry in part:
                size = len(entry.value)
                if group and (len(group) == WATCHED_KEYS or total + size > self.reader.in_flight):
                    yield group
                    group, total = [], 0
                group.append(entry)
                total += size
            yield group

    def _open(self, group: Sequence[Entry], behind: Sequence[bytes] = ()) -> Opening:
        keys, asked = [entry.key for entry in group], questions(self.reader, group)
        return Opening.send(self.connection, keys, asked, behind=behind)

    def _transaction(self) -> None:
        """The first group's, and the opening of the next one behind it. Raises ``Aborted``, ``Refused``."""
        connection = self.connection
        opening, self._opening = self._opening or self._open(self._groups[0]), None
        group = self._settle(compare(self.reader, self._groups[0], opening.answers()))
        if not group:
            discard(connection)
            self._next_group()
            return
        keys = [entry.key for entry in group]
        packed = pack_commit(connection, keys)
        connection.backoff.confirm()
        self._sent.update(keys)
        following = None
        if len(self._groups) > 1:
            following = self._open(self._groups[1], packed)
        else:
            send_commit(connection, keys, packed)
        replies = connection.read_all(2)
        if replies[1] != [len(keys)] and following:
            clear(connection)
            following = None
        try:
            removal = committed(connection, keys, replies)
        except (Aborted, Refused):
            self._sent.difference_update(keys)  # not those of which an earlier try was never answered
            raise
        self._note_deleted(group, removal)
        self._next_group()
        self._opening = following

    def _next_group(self) -> None:
        self._groups.popleft()
        self._aborts = 0

    def _settle(self, compared: Compared) -> list[Entry]:
        """What of the first group is not as it was saved is done with; the others, which are that group now."""
        for entry in compared.changed:
            # What may have gone is archived, so what came in its place stays: the archive has a key once.
            (self.fates.refused if entry.key in self._sent else self.fates.changed).append(entry)
        for entry in compared.gone:
            (self.fates.doubtful if entry.key in self._sent else self.fates.gone).append(entry)
            self._sent.discard(entry.key)
        self._groups[0] = compared.equal
        return compared.equal

    def _note_deleted(self, group: Sequence[Entry], removal: Removal) -> None:
        left = set(removal.left)
        for entry in group:
            (self.fates.refused if entry.key in left else self.fates.deleted).append(entry)
        self._sent.difference_update(entry.key for entry in group)

    def _refuse(self, refused: Refused) -> None:
        group = self._groups[0]
        self.full = self.full or "OOM" in str(refused)
        if "OOM" in str(refused) and self._unchecked:
            self._remove_plainly()
        elif "OOM" not in str(refused) and len(group) > 1:  # of a single key, perhaps
            self._next_group()
            self._groups.extendleft([entry] for entry in reversed(group))
        else:
            self.fates.refused += group
            self._next_group()

    def _remove_plainly(self) -> None:
        """A look, and UNLINK at once: what is written between them is lost."""
        connection, group = self.connection, self._groups[0]
        group = self._settle(compare(self.reader, group, connection.ask_all(questions(self.reader, group))))
        if group:
            connection.backoff.confirm()
            keys = [entry.key for entry in group]
            self._sent.update(keys)
            self._note_deleted(group, remove(connection, keys))
        self._next_group()
