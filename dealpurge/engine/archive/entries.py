"""Keys as an archive has them: what makes each again. Columns, since objects by the ten thousand hold up the garbage
collector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress, repeat
from operator import itemgetter, not_
from typing import Any

from dealpurge.keys.matching import Batch

#: The type that a payload of DUMP begins with where it is a string's.
STRING_TYPE = b"\0"
#: A payload ends with two bytes of its format's version and eight of a checksum.
VERSION_AT, CHECKSUM_AT = -10, -8

_SET = b"*4\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$2\r\nNX\r\n"
_SET_UNTIL = b"*6\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$2\r\nNX\r\n$4\r\nPXAT\r\n$%d\r\n%d\r\n"
_RESTORE = b"*5\r\n$7\r\nRESTORE\r\n$%d\r\n%b\r\n$%d\r\n%d\r\n$%d\r\n%b\r\n$6\r\nABSTTL\r\n"

#: Bytes of a key's command besides itself and its value, about.
BESIDES = 64

#: A key with its family's index and its deal's token.
Row = tuple[bytes, int, bytes]


@dataclass(slots=True, eq=False)
class Entries:
    """Each key's value, or what DUMP answered, and when it expires, in milliseconds since 1970; 0: never."""

    keys: list[bytes] = field(default_factory=list)
    families: list[int] = field(default_factory=list)
    tokens: list[bytes] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)
    moments: list[int] = field(default_factory=list)
    #: Which are strings, that go into any version of Redis as they are.
    strings: list[bool] = field(default_factory=list)
    #: The keys as arguments go over the wire.
    arguments: list[bytes] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        rows: Sequence[Row],
        values: Iterable[bytes],
        moments: Iterable[int],
        arguments: Iterable[bytes],
        *,
        are_strings: bool,
    ) -> Entries:
        """Those of ``rows``, of one kind."""
        batch = Batch.of(rows)
        strings = list(repeat(are_strings, len(rows)))
        return cls(batch.keys, batch.families, batch.tokens, list(values), list(moments), strings, list(arguments))

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, others: Entries) -> None:
        """Behind what there is."""
        for column, other in zip(self._columns(), others._columns(), strict=True):
            column += other

    def only(self, chosen: Sequence[object]) -> Entries:
        """Those at whose place ``chosen`` is true."""
        return self._each(lambda column: list(compress(column, chosen)))

    def at(self, places: Sequence[int]) -> Entries:
        """Those at these places."""
        if len(places) < 2:
            return self._each(lambda column: [column[place] for place in places])
        return self._each(lambda column, pick=itemgetter(*places): list(pick(column)))  # type: ignore[misc]

    def every(self, step: int, start: int) -> Entries:
        """Each ``step``-th from ``start`` on."""
        return self._each(lambda column: column[start::step])

    def sizes(self) -> Iterator[int]:
        """Bytes of each value."""
        return map(len, self.values)

    @property
    def size(self) -> int:
        """Bytes of their commands, about."""
        return sum(map(len, self.keys)) + sum(map(len, self.values)) + BESIDES * len(self.keys)

    def batch(self) -> Batch:
        """Their keys."""
        return Batch(self.keys, self.families, self.tokens)

    def others(self) -> list[bool]:
        """Which are no strings."""
        return list(map(not_, self.strings))

    def commands(self) -> bytes:
        """What makes them again where there are none, as Redis takes it over the wire."""
        columns = (self.keys, self.values, self.moments, self.strings)
        return b"".join([_command(*entry) for entry in zip(*columns, strict=True)])

    def rdb_version(self) -> int | None:
        """Of the format of the payloads among them."""
        dump = next(compress(self.values, self.others()), None)
        return None if dump is None else int.from_bytes(dump[VERSION_AT:CHECKSUM_AT], "little")

    def _columns(self) -> tuple[list[Any], ...]:
        return self.keys, self.families, self.tokens, self.values, self.moments, self.strings, self.arguments

    def _each(self, choose: Callable[[list[Any]], list[Any]]) -> Entries:
        return Entries(*[choose(column) for column in self._columns()])


def _command(key: bytes, value: bytes, until: int, is_string: bool) -> bytes:
    if not is_string:
        return _RESTORE % (len(key), key, len(b"%d" % until), until, len(value), value)
    if until:
        return _SET_UNTIL % (len(key), key, len(value), value, len(b"%d" % until), until)
    return _SET % (len(key), key, len(value), value)
