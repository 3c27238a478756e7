"""Whether keys are still as they were read: asked again behind a WATCH, so that nothing changes unseen before EXEC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any, TypeVar

from dealpurge.engine.archive.entries import Entries
from dealpurge.engine.archive.reader import GONE, Moment, ValueReader
from dealpurge.servers.commands import Command

T = TypeVar("T")

#: Milliseconds by which a moment told by PTTL and TIME may be off, as Redis before 7.0 makes necessary.
INEXACT = 100


@dataclass(slots=True)
class Compared:
    """Entries that are as they were read, those that are not, and those whose key is gone."""

    equal: Entries = field(default_factory=Entries)
    changed: Entries = field(default_factory=Entries)
    gone: Entries = field(default_factory=Entries)


def questions(reader: ValueReader, entries: Entries, *, singly: bool = False) -> list[Command]:
    """To be answered by ``compare``; each about one key if they are to be asked ``singly``."""
    strings, dumps = _by_kind(entries, entries.arguments)
    return [
        *reader.value_questions(strings, strings=True, singly=singly),
        *reader.value_questions(dumps, strings=False, singly=singly),
        *reader.moment_questions(strings + dumps),
    ]


def compare(reader: ValueReader, entries: Entries, replies: Sequence[Any]) -> Compared:
    """What the replies tell. Raises ``Transient``, ``RedisUnavailable``."""
    strings, dumps = _by_kind(entries, entries.values)
    middle = len(replies) - len(entries) - (not reader.tells_moment)
    first = middle - len(dumps)
    found = reader.values_of(len(strings), replies[:first], strings=True)
    found += reader.values_of(len(dumps), replies[first:middle], strings=False)
    moments = reader.moments(replies[middle:])
    of_strings, of_dumps = _by_kind(entries, entries.moments)
    if found == strings + dumps and moments == of_strings + of_dumps:
        return Compared(equal=entries)  # as nearly all are
    ordered = entries.only(entries.strings)
    ordered.add(entries.only(entries.others()))
    gone = [value is None and moment == GONE for value, moment in zip(found, moments, strict=True)]
    columns = zip(found, ordered.values, moments, ordered.moments, strict=True)
    equal = [value == before and _is_same(reader, moment, until) for value, before, moment, until in columns]
    changed = [not (is_gone or is_equal) for is_gone, is_equal in zip(gone, equal, strict=True)]
    return Compared(ordered.only(equal), ordered.only(changed), ordered.only(gone))


def _by_kind(entries: Entries, column: list[T]) -> tuple[list[T], list[T]]:
    """What the column has of strings, and of the others."""
    return list(compress(column, entries.strings)), list(compress(column, entries.others()))


def _is_same(reader: ValueReader, moment: Moment, before: int) -> bool:
    if reader.tells_moment or not (moment and before):
        return moment == before
    return abs(moment - before) <= INEXACT
