"""Keys whose size is known, about, before their values are asked for, and what became of asking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any

from dealpurge.engine.archive.entries import Entries, Row

#: Bytes of the answers about a key besides its value.
BESIDES = 64


@dataclass(slots=True)
class Measured:
    """Keys that are there: as arguments on the wire, when each expires, and its bytes, about, or None."""

    rows: Sequence[Row]
    arguments: Sequence[bytes]
    moments: Sequence[Any]
    sizes: Sequence[int | None]

    def is_large(self, most: int) -> bool:
        """Whether it is one key of more bytes than that, for all that is known."""
        return len(self.sizes) == 1 and (self.sizes[0] is None or self.sizes[0] + BESIDES > most)

    def only(self, chosen: Sequence[bool]) -> Measured:
        """Those at whose place ``chosen`` is true."""
        rows, arguments, moments, sizes = (list(compress(column, chosen)) for column in self._columns())
        return Measured(rows, arguments, moments, sizes)

    def between(self, start: int, end: int) -> Measured:
        """Those from one place to before another."""
        rows, arguments, moments, sizes = (column[start:end] for column in self._columns())
        return Measured(rows, arguments, moments, sizes)

    def groups(self, most: int) -> Iterator[Measured]:
        """Keys of so many bytes together at most; a larger one, or one of unknown size, is alone."""
        sizes = [(most if size is None else size) + BESIDES for size in self.sizes]
        if sum(sizes) <= most:  # as nearly always
            yield self
            return
        start = total = 0
        for place, size in enumerate(sizes):
            if place > start and total + size > most:
                yield self.between(start, place)
                start, total = place, 0
            total += size
        yield self.between(start, len(sizes))

    def _columns(self) -> tuple[Sequence[Any], ...]:
        return self.rows, self.arguments, self.moments, self.sizes


@dataclass(slots=True)
class Values:
    """What was read: entries, and the rows of keys that are gone, too large, not ours to read, or left for later."""

    entries: Entries = field(default_factory=Entries)
    gone: list[Row] = field(default_factory=list)
    oversized: list[Row] = field(default_factory=list)
    forbidden: list[Row] = field(default_factory=list)
    rest: list[Row] = field(default_factory=list)

    def add(self, other: Values) -> None:
        """Take in what another server had."""
        self.entries.add(other.entries)
        self.gone += other.gone
        self.oversized += other.oversized
        self.forbidden += other.forbidden
        self.rest += other.rest

    @property
    def stuck(self) -> list[Row]:
        """What cannot be archived."""
        return [*self.oversized, *self.forbidden]
