"""A file of an archive, and who keeps it."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from typing import Any, Protocol

from dealpurge.engine.archive.entries import Entries

#: The same format at five times the speed, where it is installed.
_igzip: Any = None
with suppress(ImportError):
    _igzip = import_module("isal.igzip")
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
        cls,
        entries: Entries,
        commands: bytes,
        *,
        server: int,
        number: int,
        server_version: str,
        in_order: bool = False,
    ) -> Chunk:
        """Compress the ``commands`` that make them again. Takes its time, and holds up no other thread."""
        tokens = entries.tokens if in_order else []
        return cls(
            server=server,
            number=number,
            server_version=server_version,
            data=compress(commands),
            length=len(commands),
            sha256=sha256(commands).hexdigest(),
            keys=len(entries),
            families=Counter(entries.families),
            first=min(tokens, default=None),
            last=max(tokens, default=None),
            rdb_version=entries.rdb_version(),
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
