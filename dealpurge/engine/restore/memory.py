"""How much memory of Redis an archive needs, about, and how much is free."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dealpurge.engine.restore.commands import Commands
from dealpurge.engine.restore.source import ArchivedFile
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.replies import memory

#: Bytes that a key takes besides those of its command, about.
BESIDES = 48
#: How much larger than its payload, which is compressed, a value is in memory, about.
UNPACKED = 2


def needed_by(commands: Commands) -> int:
    """Bytes, about."""
    sizes = list(commands.sizes)
    others = sum(size for size, is_string in zip(sizes, commands.strings, strict=True) if not is_string)
    return BESIDES * len(commands) + sum(sizes) + (UNPACKED - 1) * others


def needed_at_most(files: Iterable[ArchivedFile]) -> int:
    """Bytes, about, were all of it written: without a look into the files."""
    return sum(
        BESIDES * file.keys + (file.length if file.rdb_version is None else UNPACKED * file.length) for file in files
    )


def free_on(connection: ServerConnection) -> int | None:
    """Bytes below ``maxmemory``; None where there is no limit, or it does not tell."""
    told = memory(connection.ask("INFO", "memory"))
    return None if told is None or told.room is None else max(told.room, 0)


def total(rooms: Sequence[int | None]) -> int | None:
    """Of all servers; None where one of them is not known."""
    known = [room for room in rooms if room is not None]
    return sum(known) if len(known) == len(rooms) else None
