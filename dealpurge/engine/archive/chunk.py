"""A file of an archive, and who keeps it."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from dealpurge.engine.archive.entry import Entry, rdb_version

#: The same format at five times the speed, where it is installed.
_igzip: Any = import_module("isal.igzip") if find_spec("isal") else None
LEVEL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """The ``number``-th file of what one server had. ``length`` and ``sha256`` are of the ``data`` uncompressed;
    ``first`` and ``last``: the tokens between which its deals are, where they are sorted."""

    server: int
    number: int
    server_version: str
    data: bytes
    length: int
    sha256: str
    keys: int
    families: Mapping[int, int]
    first: bytes | None
    last: bytes | None
    rdb_version: int | None

    @classmethod
    def of(
        cls, entries: Sequence[Entry], *, server: int, number: int, server_version: str, in_order: bool = False
    ) -> Chunk:
        """Compress them. Takes its time, and holds up no other thread."""
        commands = b"".join([entry.command() for entry in entries])
        tokens = [entry.token for entry in entries] if in_order else []
        return cls(
            server=server,
            number=number,
            server_version=server_version,
            data=compress(commands),
            length=len(commands),
            sha256=sha256(commands).hexdigest(),
            keys=len(entries),
            families=Counter(entry.family for entry in entries),
            first=min(tokens, default=None),
            last=max(tokens, default=None),
            rdb_version=rdb_version(entries),
        )


def compress(data: bytes) -> bytes:
    """As gzip, without a moment, so that equal data are equal files."""
    if _igzip:
        compressed: bytes = _igzip.compress(data, LEVEL, mtime=0)
        return compressed
    return gzip.compress(data, LEVEL, mtime=0)


class Keeper(Protocol):
    """Saves chunks, and knows which there are. ``in_calling_thread`` means the one that began the run."""

    def save(self, chunk: Chunk, may_go_on: Callable[[], bool]) -> str:
        """In any thread: write the file, trying again for a while; its name. Raises ``ArchiveUnavailable``, and
        ``Stopped`` where it may not go on."""

    def commit(self, chunk: Chunk, name: str, instead_of: str = "") -> None:
        """In the calling thread: the file belongs to the archive now, in place of another. Raises ``RunLost``."""

    def drop(self, name: str) -> None:
        """In the calling thread: the file does not belong to the archive, or no more."""
