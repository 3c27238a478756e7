"""What an archive must offer to be restored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

Damage = Literal["missing", "truncated", "altered"]


class Damaged(Exception):
    """A file that is not what was archived: its text is a ``Damage``."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(damage)
        self.damage: Damage = damage


class ArchivedFile(NamedTuple):
    """A file as the record knows it. ``length``: bytes uncompressed; ``families``: keys by name; ``first``, ``last``:
    the tokens between which its deals are, None where it may hold any; ``rdb_version``: of what RESTORE is to take."""

    name: str
    keys: int
    length: int
    families: Mapping[str, int]
    first: bytes | None
    last: bytes | None
    rdb_version: int | None


class Source(Protocol):
    """An archive."""

    files: Sequence[ArchivedFile]

    def read(self, file: ArchivedFile) -> bytes:
        """In any thread: what was archived, uncompressed and compared with its checksum.

        Raises ``Damaged``, and ``ArchiveUnavailable`` where the storage does not answer.
        """
