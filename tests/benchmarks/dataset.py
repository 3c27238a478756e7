"""A keyspace to measure on: deals of 47 keys each, and 12 keys of others beside every deal."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

from tests.support.servers import RedisServer

ORG, DEAL, MOMENT, STRANGER = b"@org@@", b"@@deal@@", b"@@@moment@@@@", b"@stranger@@@"
DEAL_KEYS, OTHER_KEYS = 47, 12
KEYS_PER_DEAL = DEAL_KEYS + OTHER_KEYS
#: Seconds since the last event of a deal that nobody works on; somebody is working on the others right now.
IDLE = 7200
VALUE = b"x" * 64


def seed(server: RedisServer, keys: int, *, active: float = 0.5) -> int:
    """Fill an empty server with about ``keys`` keys and save them; how many deals. ``active``: the share worked on."""
    deals = keys // KEYS_PER_DEAL
    with socket.create_connection(server.address) as connection:
        connection.sendall(_command(b"CLIENT", b"REPLY", b"OFF"))
        for chunk in _chunks(deals, active):
            connection.sendall(chunk)
        connection.sendall(_command(b"CLIENT", b"REPLY", b"ON"))
        connection.recv(16)
    with server.client(socket_timeout=120) as client:
        client.save()
    return deals


def restore(server: RedisServer) -> None:
    """Everything as it was when it was seeded."""
    with server.client(socket_timeout=120) as client:
        client.execute_command("DEBUG", "RELOAD", "NOSAVE")


def deal_id(number: int) -> str:
    """The ids share beginnings and ends, as real ones do."""
    return f"{number * 2654435761 % 2**32:08x}"


def org_id(number: int) -> str:
    """One of forty."""
    return f"org{number % 40:03}"


def _chunks(deals: int, active: float) -> Iterator[bytes]:
    template = b"".join(_commands())
    now = time.time()
    for start in range(0, deals, 200):
        yield b"".join(_of_deal(template, number, now, active) for number in range(start, min(start + 200, deals)))


def _of_deal(template: bytes, number: int, now: float, active: float) -> bytes:
    age = 0 if number % 100 < active * 100 else IDLE
    text = template.replace(DEAL, deal_id(number).encode()).replace(ORG, org_id(number).encode())
    return text.replace(MOMENT, b"%013d" % ((now - age) * 1000)).replace(STRANGER, b"%012d" % number)


def _commands() -> Iterator[bytes]:
    """What one deal has, and what stands beside it."""
    pair = ORG + b":" + DEAL
    yield from (
        _command(b"HSET", b"canvas:session:%b:%02d" % (pair, n), b"user", b"7", b"at", MOMENT) for n in range(6)
    )
    yield _command(b"SET", b"canvas:lock:" + pair, b"7")
    yield _command(b"HSET", b"canvas:presence:" + pair, b"7", MOMENT)
    yield _command(b"XADD", b"canvas:events:" + pair, MOMENT + b"-0", b"kind", b"edit")
    for kind, count in ((b"canvas:image_crop", 18), (b"digitization:cache", 6), (b"intake:summary", 4)):
        yield from (_command(b"SET", b"%b:%b:%02d" % (kind, pair, n), VALUE) for n in range(count))
    yield from (_command(b"HSET", b"doc:readiness:%b:%02d" % (pair, n), b"done", b"1") for n in range(2))
    yield from (_command(b"SET", b"deal_intel:cache:%b:%02d" % (pair, n), VALUE) for n in range(4))
    yield from (_command(b"RPUSH", b"brush:findings:%b:%02d" % (pair, n), VALUE) for n in range(2))
    yield from (_command(b"SET", b"checkpoint:%b::%02d" % (DEAL, n), VALUE) for n in range(2))
    yield from (_command(b"SET", b"sessions:%b:%02d" % (STRANGER, n), VALUE) for n in range(6))
    yield from (_command(b"SET", b"celery-task-meta-%b-%02d" % (STRANGER, n), VALUE) for n in range(6))


def _command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
