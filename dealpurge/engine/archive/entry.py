"""A key as an archive has it: the command that would make it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dealpurge.keys.matching import Batch

#: The type that a payload of DUMP begins with where it is a string's.
STRING_TYPE = b"\0"
#: A payload ends with two bytes of its format's version and eight of a checksum.
VERSION_AT, CHECKSUM_AT = -10, -8

_SET = b"*4\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$2\r\nNX\r\n"
_SET_UNTIL = b"*6\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n$2\r\nNX\r\n$4\r\nPXAT\r\n$%d\r\n%d\r\n"
_RESTORE = b"*5\r\n$7\r\nRESTORE\r\n$%d\r\n%b\r\n$%d\r\n%d\r\n$%d\r\n%b\r\n$6\r\nABSTTL\r\n"

#: A key with its family's index and its deal's token.
Row = tuple[bytes, int, bytes]


@dataclass(slots=True, eq=False)
class Entry:
    """A key's value, or what DUMP answered, and when it expires, in milliseconds since 1970; 0: never."""

    key: bytes
    family: int
    token: bytes
    value: bytes
    expires_at: int
    #: Whether it is a string, which goes into any version of Redis as it is.
    is_string: bool
    #: The key as an argument goes over the wire.
    argument: bytes

    def command(self) -> bytes:
        """What makes the key again where there is none, as Redis takes it over the wire."""
        key, value, until = self.key, self.value, self.expires_at
        if not self.is_string:
            return _RESTORE % (len(key), key, len(b"%d" % until), until, len(value), value)
        if until:
            return _SET_UNTIL % (len(key), key, len(value), value, len(b"%d" % until), until)
        return _SET % (len(key), key, len(value), value)


def batch_of(entries: Sequence[Entry]) -> Batch:
    """Their keys."""
    return Batch(
        [entry.key for entry in entries], [entry.family for entry in entries], [entry.token for entry in entries]
    )


def size_of(entries: Sequence[Entry]) -> int:
    """Bytes of the keys and values of several."""
    return sum([len(entry.key) + len(entry.value) for entry in entries])


def rdb_version(entries: Sequence[Entry]) -> int | None:
    """Of the format of the payloads among them."""
    dump = next((entry.value for entry in entries if not entry.is_string), None)
    return None if dump is None else int.from_bytes(dump[VERSION_AT:CHECKSUM_AT], "little")
