"""The least that a purge could cost: what stays when everything is left out that is not SCAN, one regex and UNLINK."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import redis

from dealpurge.keys.families import Keyspace

pack: Any = import_module("hiredis").pack_command


def sweep(port: int) -> None:
    """One overlapped pass: the next SCAN goes out before the page in hand is claimed. Counts nothing."""
    heads = b"|".join(re.escape(head) for head in Keyspace.from_settings().heads if not head.startswith(b"checkpoint"))
    ours = re.compile(rb"^(?:" + heads + rb")[^:\n]+:[^:\n]+(?::.*)?$", re.MULTILINE).findall
    connection, owed, cursor = connect(port), 0, b""
    send(connection, b"SCAN", b"0", b"COUNT", b"500")
    while cursor != b"0":
        cursor, page = connection.read_response(disable_decoding=True)
        if cursor != b"0":
            send(connection, b"SCAN", cursor, b"COUNT", b"500")
        for _ in range(owed):
            connection.read_response(disable_decoding=True)
        keys = ours(b"\n".join(page))
        owed = 1 if keys else 0
        if keys:
            send(connection, b"UNLINK", *keys)
    for _ in range(owed):
        connection.read_response(disable_decoding=True)
    connection.disconnect()


def scan(port: int, pattern: bytes) -> None:
    """One pass of SCAN with MATCH, in pages as large as ours, which does nothing with what it finds."""
    connection, cursor = connect(port), b""
    while cursor != b"0":
        send(connection, b"SCAN", cursor or b"0", b"MATCH", pattern, b"COUNT", b"500")
        cursor, _page = connection.read_response(disable_decoding=True)
    connection.disconnect()


def connect(port: int) -> Any:
    """A connection of redis-py, as everybody has it."""
    connection: Any = redis.Connection(host="127.0.0.1", port=port)  # type: ignore[no-untyped-call]
    connection.connect()
    return connection


def send(connection: Any, *words: bytes) -> None:
    """Send a command without waiting."""
    connection.send_packed_command([pack(words)], check_health=False)
