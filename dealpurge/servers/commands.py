"""Commands as they go over the wire, and the slots by which a cluster tells apart whose keys one may name."""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

#: Its words, or, as bytes, what goes over the wire.
Command = Sequence[Any]

#: redis-py's own packing looks at every argument in Python, which a batch of keys does not need.
_pack: Any = getattr(import_module("hiredis"), "pack_command", None) if find_spec("hiredis") else None


class Several(bytes):
    """A command for each of many keys, put together at once, where one by one would take ten times as long."""

    replies = 0

    @classmethod
    def of(cls, command: bytes, arguments: Sequence[bytes]) -> Several:
        """``command``: as it goes over the wire, up to the argument that is its key."""
        made = cls(command + command.join(arguments) if arguments else b"")
        made.replies = len(arguments)
        return made


def naming(command: bytes, arguments: Sequence[bytes]) -> bytes:
    """A command that names all keys, which are given as they go over the wire."""
    return b"".join((b"*%d\r\n$%d\r\n%b\r\n" % (len(arguments) + 1, len(command), command), *arguments))


def pack(connection: Any, commands: Sequence[Command]) -> list[bytes]:
    """What goes over the wire. ``connection``: redis-py's."""
    words = _pack or (lambda command: b"".join(connection.pack_command(*command)))
    return [b"".join([command if isinstance(command, bytes) else words(command) for command in commands])]


def replies_to(commands: Sequence[Command]) -> int:
    """How many replies they will have."""
    return sum([command.replies if type(command) is Several else 1 for command in commands])


def slot_of(key: bytes) -> int:
    """The slot that a cluster hashes the key to."""
    return int(key_slot(key)) if b"{" in key else crc_hqx(key, 0) % REDIS_CLUSTER_HASH_SLOTS


def by_slot(keys: list[bytes]) -> list[list[bytes]]:
    """The keys of each slot."""
    slots: dict[int, list[bytes]] = {}
    for key in keys:
        # Spelt out: a call for every key of a purge takes its time.
        slot = slot_of(key) if b"{" in key else crc_hqx(key, 0) % REDIS_CLUSTER_HASH_SLOTS
        try:
            slots[slot].append(key)
        except KeyError:
            slots[slot] = [key]
    return list(slots.values())
