"""Claiming a page of keys at a time: which deal and family each belongs to, at the speed of one regex call a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress

from dealpurge.keys.families import CHECKPOINTS, Keyspace, alternation
from dealpurge.keys.template import Template

#: An id of ASCII only; the few others take the slow path, where their UTF-8 is checked.
ASCII_ID = rb"[^\x00-\x20\x7f:{}\x80-\xff]{1,255}"


@dataclass(slots=True)
class Batch:
    """Claimed keys, with the index of each one's family and the token of its deal."""

    keys: list[bytes]
    families: list[int]
    tokens: list[bytes]

    @classmethod
    def of(cls, rows: Sequence[tuple[bytes, int, bytes]]) -> Batch:
        """A batch of (key, family, token)."""
        return cls([row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])

    def only(self, chosen: Sequence[bool]) -> Batch:
        """Those keys at whose place ``chosen`` is true."""
        columns = compress(self.keys, chosen), compress(self.families, chosen), compress(self.tokens, chosen)
        return Batch(list(columns[0]), list(columns[1]), list(columns[2]))

    def rows(self) -> Iterator[tuple[bytes, int, bytes]]:
        """Key, family and token of each."""
        return zip(self.keys, self.families, self.tokens, strict=True)


class Claimer:
    """Claims pages. The bulk, templates that end in ``org:deal``, is found by one ``split`` of the joined page;
    the rest key by key with the keyspace's own regex. ``strangers``: whether every key that nobody claims is asked for,
    and not only those that begin like one of a family."""

    def __init__(self, keyspace: Keyspace, *, strangers: bool = True) -> None:
        self.keyspace = keyspace
        templates = {
            template.head: index
            for index, family in enumerate(keyspace.families.values())
            for template in family.templates
            if family.name != CHECKPOINTS and _is_plain(template) and keyspace.heads[template.head] == 1
        }
        self._families = templates
        self._lines = (
            re.compile(_line_pattern(list(templates), () if strangers else keyspace.heads)) if templates else None
        )

    def claim(self, keys: Sequence[bytes]) -> tuple[Batch, Batch, list[bytes]]:
        """The keys that the fast pattern claims, those that the slow one does, and those that nobody claims."""
        joined = b"\n".join(keys) + b"\n"
        if self._lines is None or not keys or joined.count(b"\n") != len(keys):
            return Batch([], [], []), *self._claim_slowly(keys)
        # All in one list, where findall would make a tuple of every line: nothing, head, token, other, nothing, …
        pieces = self._lines.split(joined)
        heads, tokens, others = pieces[1::4], pieces[2::4], pieces[3::4]
        families = list(map(self._families.__getitem__, filter(None, heads)))
        fast = Batch(list(compress(keys, heads)), families, list(filter(None, tokens)))
        return fast, *self._claim_slowly(list(filter(None, others)))

    def _claim_slowly(self, keys: Sequence[bytes]) -> tuple[Batch, list[bytes]]:
        keyspace = self.keyspace
        hits = [hit for hit in map(keyspace.match, keys) if hit]
        rows = [(hit.string, keyspace.family_index(hit), keyspace.token(hit)) for hit in hits]
        batch = Batch.of([(key, family, token) for key, family, token in rows if token is not None])
        if len(batch.keys) == len(keys):
            return batch, []
        claimed = set(batch.keys)
        return batch, [key for key in keys if key not in claimed]


def _is_plain(template: Template) -> bool:
    return template.is_pair and not template.parts[-1]


def _line_pattern(heads: Iterable[bytes], others: Iterable[bytes]) -> bytes:
    """Consumes every line: groups of head and token where it is claimed, else of the whole line if it begins like one
    of ``others``, or whatever it is if there are none."""
    found = b"(" + _any_of(heads) + b")(" + ASCII_ID + b":" + ASCII_ID + b")(?![^:\n])[^\n]*\n"
    beginning = _any_of(others)
    return found + b"|(" + beginning + rb"[^\n]*)\n" + (rb"|[^\n]*\n" if beginning else b"")


def _any_of(heads: Iterable[bytes]) -> bytes:
    branches = [(head, b"") for head in heads]
    return alternation(branches) if branches else b""
