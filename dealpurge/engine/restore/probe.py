"""Whether a server takes the format that an archive has, asked without writing anything."""

from __future__ import annotations

from redis.exceptions import NoPermissionError, OutOfMemoryError, ResponseError

from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import failure, forbids_command, raise_transient
from dealpurge.servers.replies import nonsense

#: A type that no value has: behind a version and a checksum that are right Redis says "Bad data format".
NO_TYPE = b"\xff"
#: Redis' CRC64 (Jones), bits reversed.
POLYNOMIAL = 0x95AC9329AC4BC9B5
#: No key has this name, and none gets it.
NAME = b"\x00dealpurge-format"


def takes_format(connection: ServerConnection, version: int) -> bool:
    """By RESTORE of a payload of that version which is no value. A full server that refuses before it looks is said to
    take it. Raises what is ``LOST``, ``Transient``, ``RedisUnavailable``."""
    command = ("RESTORE", NAME, 0, payload(version))
    reply = connection.ask_keys([command])[0]
    raise_transient(reply)
    if not isinstance(reply, ResponseError):
        raise nonsense("RESTORE")
    words = str(reply)
    if "Bad data format" in words or isinstance(reply, OutOfMemoryError):
        return True
    if "payload version or checksum" in words:
        return False
    if isinstance(reply, NoPermissionError) and not forbids_command(reply):
        return True  # not this key; of those that it may not write either, each says so
    raise failure(reply)


def payload(version: int) -> bytes:
    """As DUMP would make it of a value that cannot be."""
    data = NO_TYPE + version.to_bytes(2, "little")
    return data + crc64(data).to_bytes(8, "little")


def crc64(data: bytes) -> int:
    """Of a few bytes."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
    return crc
