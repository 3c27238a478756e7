"""How much memory of Redis an archive needs, about, and how much is free."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dealpurge.engine.restore.commands import Commands
from dealpurge.engine.restore.source import ArchivedFile
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.replies import memory

#: Bytes that a key takes besides those of its command, about.
BESIDES = 48
#: How much larger than its payload, which is compressed, a value is in memory, about, behind what is no payload.
UNPACKED, FRAME = 2.5, 100
#: Bytes that must stay free on a server that would make room by evicting keys.
LEAST_FREE = 4 << 20


def needed_by(commands: Commands) -> int:
    """Bytes, about; of large sets and sorted sets too few, which are a third of what they become."""
    sizes = list(commands.sizes)
    others = [size for size, is_string in zip(sizes, commands.strings, strict=True) if not is_string]
    packed = sum(size - FRAME for size in others if size > FRAME)
    return BESIDES * len(commands) + sum(sizes) + round((UNPACKED - 1) * packed)


def needed_at_most(files: Iterable[ArchivedFile]) -> int:
    """Bytes, about, were all of it written: without a look into the files."""
    return round(
        sum(BESIDES * file.keys + file.length * (1 if file.rdb_version is None else UNPACKED) for file in files)
    )


def free_on(connection: ServerConnection) -> int | None:
    """Bytes below ``maxmemory``; None where there is no limit, or it does not tell."""
    told = memory(connection.ask("INFO", "memory"))
    return None if told is None or told.room is None else max(told.room, 0)


def would_evict(connection: ServerConnection, size: int) -> bool:
    """Whether so many bytes of commands may make it evict keys, which nobody has asked for."""
    told = memory(connection.ask("INFO", "memory"))
    return told is not None and told.evicts and told.room is not None and told.room < max(LEAST_FREE, 4 * size)


def total(rooms: Sequence[int | None]) -> int | None:
    """Of all servers; None where one of them is not known."""
    known = [room for room in rooms if room is not None]
    return sum(known) if len(known) == len(rooms) else None
