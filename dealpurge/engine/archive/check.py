"""Whether keys are still as they were read: asked again behind a WATCH, so that nothing changes unseen before EXEC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dealpurge.engine.archive.entry import Entry
from dealpurge.engine.archive.reader import GONE, ValueReader
from dealpurge.servers.connection import Command

#: Milliseconds by which a moment told by PTTL and TIME may be off, as Redis before 7.0 makes necessary.
INEXACT = 100


@dataclass(slots=True)
class Compared:
    """Entries that are as they were read, those that are not, and those whose key is gone."""

    equal: list[Entry] = field(default_factory=list)
    changed: list[Entry] = field(default_factory=list)
    gone: list[Entry] = field(default_factory=list)


def questions(reader: ValueReader, entries: Sequence[Entry], *, singly: bool = False) -> list[Command]:
    """To be answered by ``compare``; each about one key if they are to be asked ``singly``."""
    strings, dumps = ([entry.argument for entry in kind] for kind in _kinds(entries))
    return [
        *reader.value_questions(strings, strings=True, singly=singly),
        *reader.value_questions(dumps, strings=False),
        *reader.moment_questions(strings + dumps),
    ]


def compare(reader: ValueReader, entries: Sequence[Entry], replies: Sequence[Any]) -> Compared:
    """What the replies tell. Raises ``Transient``, ``RedisUnavailable``."""
    strings, dumps = _kinds(entries)
    middle = len(replies) - len(entries) - (not reader.tells_moment)
    first = middle - len(dumps)
    found = reader.values_of(len(strings), replies[:first], strings=True)
    found += reader.values_of(len(dumps), replies[first:middle], strings=False)
    moments, ordered = reader.moments(replies[middle:]), strings + dumps
    if found == [entry.value for entry in ordered] and moments == [entry.expires_at for entry in ordered]:
        return Compared(equal=list(entries))  # as nearly all are
    compared = Compared()
    for entry, value, moment in zip(ordered, found, moments, strict=True):
        if moment == GONE and value is None:
            compared.gone.append(entry)
        elif value == entry.value and moment is not None and _is_same(reader, moment, entry.expires_at):
            compared.equal.append(entry)
        else:
            compared.changed.append(entry)
    return compared


def _kinds(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    return [entry for entry in entries if entry.is_string], [entry for entry in entries if not entry.is_string]


def _is_same(reader: ValueReader, moment: int, before: int) -> bool:
    if reader.tells_moment or not (moment and before):
        return moment == before
    return abs(moment - before) <= INEXACT
