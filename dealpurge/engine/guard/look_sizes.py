"""How many bytes a look at events keys may bring, and which of them are asked in one go.

XINFO STREAM answers with the first and the last entry in full, and a server evicts keys to make room for what it is
about to answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dealpurge.engine.guard.activity import Reading
from dealpurge.engine.sweep.tally import Tally
from dealpurge.i18n import gettext_noop
from dealpurge.servers.commands import Command
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import PER_KEY, forbids_command
from dealpurge.servers.replies import memory

KIB, MIB = 1 << 10, 1 << 20
#: Bytes of a look that may be in flight, by the room that the server has; where it does not tell, or evicts nothing.
LEAST_IN_FLIGHT, MOST_IN_FLIGHT, USUAL_IN_FLIGHT = 16 * KIB, 2 * MIB, 256 * KIB
#: Bytes that a question takes on the server while it waits for its turn.
QUESTION = 512
#: Bytes of a key above which it is looked at alone however much room there is, and above which it is not read.
LARGE, LARGEST = MIB, 64 * MIB
#: The parts of a server's room that a look may take in one go, and a single reply.
SHARE_IN_FLIGHT, SHARE_OF_ONE = 8, 2
#: A stream's only entry is in the answer twice.
TWICE = 2
#: Entries in a node of a stream, by default.
NODE_ENTRIES = 100

SINGLY_WARNING = gettext_noop(
    "Redis does not tell the size of keys (MEMORY USAGE is refused): events keys were looked at one by one, which "
    "takes longer.",
    code="looked_at_singly",
)
UNREAD_WARNING = gettext_noop(
    "Some deals count as active because their events key may hold an entry so large (above 64 MiB, or half of what "
    "Redis has free below its maxmemory) that it was not read: {}.",
    code="events_unread",
)


class LookSizes:
    """Asks how large keys are, and how much room the server has for the answers."""

    def __init__(self, connection: ServerConnection, tally: Tally) -> None:
        self.connection = connection
        self.tally = tally
        self._refused = False
        #: Bytes that may be in flight, as far as was told last.
        self._in_flight = LEAST_IN_FLIGHT

    def parts(self, keys: Sequence[bytes]) -> list[Sequence[bytes]]:
        """The keys in portions that may be asked about together, one at least."""
        number = self._in_flight // QUESTION
        return [keys[start : start + number] for start in range(0, max(1, len(keys)), number)]

    def questions(self, keys: Sequence[bytes]) -> list[Command]:
        """To be answered by ``take``. None of them touches a key."""
        return [] if self._refused else [("MEMORY", "USAGE", key) for key in keys]

    def take_room(self, reading: Reading, info: Any) -> None:
        """Note how much room the server has, by INFO memory."""
        reading.in_flight, reading.largest = _limits(info)
        self._in_flight = reading.in_flight

    def take(self, reading: Reading, keys: Sequence[bytes], sizes: Sequence[Any]) -> None:
        """Note the sizes, and which keys do not exist. A key whose size is not told is in no note."""
        for key, size in zip(keys, sizes, strict=False):
            if size is None:
                reading.types[key] = b"none"
            elif isinstance(size, int):
                reading.sizes[key] = size
            elif forbids_command(size) or not isinstance(size, PER_KEY):
                self._refused = True
        if self._refused:
            self.tally.warn(SINGLY_WARNING)


def together(reading: Reading, keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Keys whose answers may be in flight together; what is too large for that, or of unknown size, is alone."""
    group: list[bytes] = []
    total = 0
    for key in keys:
        size = reading.size(key)
        if group and total + size > reading.in_flight:
            yield group
            group, total = [], 0
        group.append(key)
        total += size
    if group:
        yield group


def narrowed(size: int, entries: Any) -> int:
    """The size of a stream's first entry at most, by the number of its entries, where these are many."""
    return size * NODE_ENTRIES // (entries - NODE_ENTRIES) if _is_long(entries) else size


def _is_long(entries: Any) -> bool:
    return isinstance(entries, int) and entries > TWICE * NODE_ENTRIES


def _limits(info: Any) -> tuple[int, int]:
    """Bytes in flight, and of a single reply, by what INFO tells of the memory."""
    known = memory(info)
    if known is None:
        return USUAL_IN_FLIGHT, LARGEST
    if known.room is None:
        return MOST_IN_FLIGHT, LARGEST
    least = LEAST_IN_FLIGHT if known.evicts else USUAL_IN_FLIGHT
    in_flight = min(max(known.room // SHARE_IN_FLIGHT, least), MOST_IN_FLIGHT)
    return in_flight, min(max(known.room // SHARE_OF_ONE, LARGE), LARGEST)
