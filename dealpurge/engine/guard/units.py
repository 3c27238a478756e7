"""Planned deals and their keys in portions of a transaction each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from dealpurge.engine.guard.activity import Reading
from dealpurge.engine.guard.plan import Unit
from dealpurge.keys.matching import Batch

#: Keys in one transaction: about a millisecond of the server's time.
TRANSACTION_KEYS = 1000


def events_of(units: Sequence[Unit]) -> list[bytes]:
    """The events keys of several, each once."""
    return list(dict.fromkeys(key for unit in units for key in unit.events))


def groups(units: Sequence[Unit], look: Reading, most: int = TRANSACTION_KEYS) -> Iterator[list[Unit]]:
    """Neighbours that fit one transaction together, and a second look at their events keys; what does not fit stands
    alone."""
    group: list[Unit] = []
    size = answers = 0
    for unit in units:
        more = sum(map(look.size, unit.events))
        if group and (size + unit.size > most or answers + more > look.in_flight):
            yield group
            group, size, answers = [], 0, 0
        group.append(unit)
        size += unit.size
        answers += more
    if group:
        yield group


def batch_of(units: Sequence[Unit]) -> Batch:
    """The keys of several."""
    keys = list(chain.from_iterable(unit.keys for unit in units))
    families = list(chain.from_iterable(unit.families for unit in units))
    return Batch(keys, families, list(chain.from_iterable([unit.token] * unit.size for unit in units)))


def pieces(rows: Sequence[tuple[bytes, int, bytes]], most: int = TRANSACTION_KEYS) -> Iterator[Batch]:
    """Rows of keys in batches that fit a transaction."""
    for start in range(0, len(rows), most):
        yield Batch.of(rows[start : start + most])
