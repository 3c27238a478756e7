"""The commands that a file of an archive is of, taken apart without being changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, compress
from operator import sub
from typing import Any

_HEAD = re.compile(rb"\*([456])\r\n\$(?:3\r\n(S)ET|7\r\nRESTORE)\r\n\$(\d+)\r\n").match
_LENGTH = re.compile(rb"\r\n\$(\d+)\r\n").match
_MOMENT = re.compile(rb"\r\n\$\d+\r\n(\d+)\r\n\$(\d+)\r\n").match
_NX, _ABSTTL = b"\r\n$2\r\nNX\r\n", b"\r\n$6\r\nABSTTL\r\n"
_UNTIL = re.compile(rb"\r\n\$2\r\nNX\r\n\$4\r\nPXAT\r\n\$\d+\r\n(\d+)\r\n").match


class NoCommands(ValueError):
    """Not what an archive is written as."""


@dataclass(slots=True, eq=False)
class Commands:
    """Columns, one entry a command: its key, when that expires in milliseconds since 1970 (0: never), whether it is a
    string, and where in ``data`` the command begins and ends."""

    data: bytes
    keys: list[bytes] = field(default_factory=list)
    moments: list[int] = field(default_factory=list)
    strings: list[bool] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    #: The family's index and the deal's token of each, once they are known.
    families: list[int] = field(default_factory=list)
    tokens: list[bytes] = field(default_factory=list)

    @classmethod
    def parse(cls, data: bytes) -> Commands:
        """Raises ``NoCommands``."""
        parsed, place, size = cls(data), 0, len(data)
        while place < size:
            begin = place
            head = _HEAD(data, place)
            if head is None:
                raise NoCommands(f"no command at byte {place}")
            words, is_string, length = head.groups()
            place = head.end() + int(length)
            parsed.keys.append(data[head.end() : place])
            place, moment = (_end_of_set if is_string else _end_of_restore)(data, place, words)
            parsed.moments.append(moment)
            parsed.strings.append(is_string is not None)
            parsed.begins.append(begin)
            parsed.ends.append(place)
        return parsed

    def __len__(self) -> int:
        return len(self.keys)

    def only(self, chosen: Sequence[object]) -> Commands:
        """Those at whose place ``chosen`` is true."""
        return self._each(lambda column: list(compress(column, chosen)))

    def at(self, places: Sequence[int]) -> Commands:
        """Those at these places."""
        return self._each(lambda column: [column[place] for place in places] if column else [])

    def apart(self) -> Commands:
        """The same without the rest of the file."""
        sizes = list(self.sizes)
        ends = list(accumulate(sizes))
        begins = [end - size for end, size in zip(ends, sizes, strict=True)]
        return Commands(self.joined(), self.keys, self.moments, self.strings, begins, ends, self.families, self.tokens)

    def pieces(self, most: int) -> Iterator[Commands]:
        """Of about ``most`` bytes each, or of one command."""
        first, size = 0, 0
        for place, (begin, end) in enumerate(zip(self.begins, self.ends, strict=True)):
            if size and size + end - begin > most:
                yield self._between(first, place)
                first, size = place, 0
            size += end - begin
        if size:
            yield self._between(first, len(self))

    def packed(self) -> list[bytes]:
        """Each as it goes over the wire."""
        return [self.data[begin:end] for begin, end in zip(self.begins, self.ends, strict=True)]

    def joined(self) -> bytes:
        """All of them as they go over the wire."""
        if self.keys and self.ends[:-1] == self.begins[1:]:
            return self.data[self.begins[0] : self.ends[-1]]
        return b"".join(self.packed())

    @property
    def sizes(self) -> Iterator[int]:
        """Bytes of each."""
        return map(sub, self.ends, self.begins)

    def _between(self, first: int, last: int) -> Commands:
        return self._each(lambda column: column[first:last])

    def _each(self, choose: Callable[[list[Any]], list[Any]]) -> Commands:
        columns = self.keys, self.moments, self.strings, self.begins, self.ends, self.families, self.tokens
        return Commands(self.data, *[choose(column) for column in columns])


def _end_of_set(data: bytes, place: int, words: bytes) -> tuple[int, int]:
    """Where the command ends whose key ends at ``place``, and when the key expires."""
    length = _LENGTH(data, place)
    if length:
        place = length.end() + int(length[1])
        if words == b"4" and data.startswith(_NX, place):
            return place + len(_NX), 0
        until = _UNTIL(data, place) if words == b"6" else None
        if until:
            return until.end(), int(until[1])
    raise NoCommands(f"no SET before byte {place}")


def _end_of_restore(data: bytes, place: int, words: bytes) -> tuple[int, int]:
    moment = _MOMENT(data, place)
    if moment and words == b"5":
        place = moment.end() + int(moment[2])
        if data.startswith(_ABSTTL, place):
            return place + len(_ABSTTL), int(moment[1])
    raise NoCommands(f"no RESTORE before byte {place}")
