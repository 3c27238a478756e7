"""The commands that a file of an archive is of, taken apart without being changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, compress
from operator import sub
from typing import Any

#: A string that does not expire, as most are; one that does; and all else. Up to where the key begins.
_SET = re.compile(rb"\*4\r\n\$3\r\nSET\r\n\$(\d+)\r\n").match
_SET_UNTIL = re.compile(rb"\*6\r\n\$3\r\nSET\r\n\$(\d+)\r\n").match
_RESTORE = re.compile(rb"\*5\r\n\$7\r\nRESTORE\r\n\$(\d+)\r\n").match
#: From the key's end to where the value begins, and behind the value.
_VALUE = re.compile(rb"\r\n\$(\d+)\r\n").match
_MOMENT_AND_VALUE = re.compile(rb"\r\n\$\d+\r\n(\d+)\r\n\$(\d+)\r\n").match
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
    def parse(cls, data: bytes, most: int) -> Iterator[Commands]:
        """In pieces of about ``most`` bytes, each once it is asked for. Raises ``NoCommands``."""
        place = 0
        while place < len(data):
            piece = cls._parsed(data, place, min(place + most, len(data)))
            place = piece.ends[-1]
            yield piece

    @classmethod
    def _parsed(cls, data: bytes, place: int, until: int) -> Commands:
        keys, ends, others = list[bytes](), list[int](), dict[int, tuple[bool, int]]()
        first, tail = place, len(_NX)
        while place < until:  # spelt out: a call for every key takes its time
            if head := _SET(data, place):
                begin = head.end()
                end = begin + int(head[1])
                if (value := _VALUE(data, end)) is None:
                    raise NoCommands(f"no value at byte {end}")
                behind = value.end() + int(value[1])
                place = behind + tail
                if data[behind:place] != _NX:
                    raise NoCommands(f"no end of SET at byte {behind}")
            else:
                begin, end, place, others[len(keys)] = _other(data, place)
            keys.append(data[begin:end])
            ends.append(place)
        strings, moments = [True] * len(keys), [0] * len(keys)
        for number, (is_string, moment) in others.items():
            strings[number], moments[number] = is_string, moment
        return cls(data, keys, moments, strings, [first, *ends[:-1]], ends)

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

    def packed(self) -> list[bytes]:
        """Each as it goes over the wire."""
        return [self.data[begin:end] for begin, end in zip(self.begins, self.ends, strict=True)]

    def joined(self) -> bytes:
        """All of them as they go over the wire."""
        if self.keys and self.ends[-1] - self.begins[0] == sum(self.sizes):
            return self.data[self.begins[0] : self.ends[-1]]
        return b"".join(self.packed())

    @property
    def sizes(self) -> Iterator[int]:
        """Bytes of each."""
        return map(sub, self.ends, self.begins)

    def _each(self, choose: Callable[[list[Any]], list[Any]]) -> Commands:
        columns = self.keys, self.moments, self.strings, self.begins, self.ends, self.families, self.tokens
        return Commands(self.data, *[choose(column) for column in columns])


def _other(data: bytes, place: int) -> tuple[int, int, int, tuple[bool, int]]:
    """Where the key of a command begins and ends, where the command does, whether it is a string, and its moment."""
    if head := _SET_UNTIL(data, place):
        begin, end = head.end(), head.end() + int(head[1])
        value = _VALUE(data, end)
        until = _UNTIL(data, value.end() + int(value[1])) if value else None
        if until:
            return begin, end, until.end(), (True, int(until[1]))
    elif head := _RESTORE(data, place):
        begin, end = head.end(), head.end() + int(head[1])
        moment = _MOMENT_AND_VALUE(data, end)
        behind = moment.end() + int(moment[2]) if moment else 0
        if moment and data.startswith(_ABSTTL, behind):
            return begin, end, behind + len(_ABSTTL), (False, int(moment[1]))
    raise NoCommands(f"no command at byte {place}")
