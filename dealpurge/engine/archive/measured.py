"""Keys whose size is known, about, before their values are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from dealpurge.engine.archive.entries import Row

#: Bytes of the answers about a key besides its value.
BESIDES = 64


@dataclass(slots=True)
class Measured:
    """Keys that are there: as arguments on the wire, when each expires, and its bytes, about, or None."""

    rows: Sequence[Row]
    arguments: Sequence[bytes]
    moments: Sequence[Any]
    sizes: Sequence[int | None]

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
