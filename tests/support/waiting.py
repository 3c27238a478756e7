"""Servers that keep a connection waiting, and a run that is asked meanwhile whether to go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from redis.connection import ConnectionPool

from dealpurge.servers.connection import ServerConnection
from tests.support.scripted import ScriptedServer, Trickle

PAGE = [b"0", [b"events:acme:deal-1"]]
KEYS = ("events:acme:deal-1",)


class Asked:
    """A run that is told to stop, or worse, when it has been asked so often; `each` comes first."""

    def __init__(self, each: Callable[[], object] = lambda: None, *, until: float = float("inf")) -> None:
        self.each, self.until = each, until
        self.times = 0
        self.threads = set[int]()
        self.error: BaseException | None = None

    def __call__(self) -> bool:
        self.times += 1
        self.threads.add(threading.get_ident())
        self.each()
        if self.times > self.until and self.error:
            raise self.error
        return self.times <= self.until


@contextmanager
def trickling(size: int = 1, **options: Any) -> Iterator[tuple[Trickle, ScriptedServer]]:
    """A server whose pages come piece by piece."""
    trickle = Trickle(b"SCAN", size)
    with ScriptedServer(KEYS, deliver=trickle, **options) as server:
        yield trickle, server
        trickle.let_go(1000)


def connect(port: int, asked: Callable[[], bool], **options: Any) -> ServerConnection:
    pool = ConnectionPool(**{"host": "127.0.0.1", "port": port, "socket_timeout": 2, **options})
    connection = ServerConnection(pool, lambda: True)
    connection.connect()
    connection.keep_going = asked
    return connection
