"""A keyspace to measure on: deals of 47 keys each, and 12 keys of others beside every deal."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

from tests.support.seeding import commands
from tests.support.servers import RedisServer

#: What stands for the real ones in the commands, which are packed once: of the same length.
ORG, DEAL, MOMENT, STRANGER = "@org@@", "@@deal@@", "@@@moment@@@@", "@stranger@@@"
#: Keys of a deal by family, besides its events.
COUNTS = {
    "canvas_sessions": 6,
    "locks": 1,
    "presence": 1,
    "image_crops": 18,
    "digitization_cache": 6,
    "intake_summaries": 4,
    "doc_readiness": 2,
    "deal_intel": 4,
    "brush_findings": 2,
    "checkpoints": 2,
}
DEAL_KEYS, OTHER_KEYS = sum(COUNTS.values()) + 1, 12
KEYS_PER_DEAL = DEAL_KEYS + OTHER_KEYS
#: Seconds since the last event of a deal that nobody works on; somebody is working on the others right now.
IDLE = 7200
VALUE = "x" * 64


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
    template = b"".join(_command(*(word.encode() for word in words)) for words in _commands())
    now = time.time()
    for start in range(0, deals, 200):
        yield b"".join(_of_deal(template, number, now, active) for number in range(start, min(start + 200, deals)))


def _of_deal(template: bytes, number: int, now: float, active: float) -> bytes:
    age = 0 if number % 100 < active * 100 else IDLE
    moment, stranger = f"{int((now - age) * 1000):013}", f"{number:012}"
    for placeholder, text in ((DEAL, deal_id(number)), (ORG, org_id(number)), (MOMENT, moment), (STRANGER, stranger)):
        template = template.replace(placeholder.encode(), text.encode())
    return template


def _commands() -> Iterator[tuple[str, ...]]:
    """What one deal has, and what stands beside it."""
    yield from commands(ORG, DEAL, COUNTS, event=f"{MOMENT}-0", value=VALUE)
    yield from (("SET", f"sessions:{STRANGER}:{n}", VALUE) for n in range(6))
    yield from (("SET", f"celery-task-meta-{STRANGER}-{n}", VALUE) for n in range(6))


def _command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
