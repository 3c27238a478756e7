"""Threads that write deals' keys while these are archived and deleted, and know of each what it held when it went."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import redis

from tests.support.contents import LATER
from tests.support.servers import RedisServer

#: A value that no key has twice.
_numbers = count(1)


@dataclass(frozen=True)
class State:
    """What a key holds, and when it expires; -1: never."""

    kind: str
    held: tuple[Any, ...]
    expires_at: int = -1


@dataclass
class KeyWriter:
    """Writes keys that nobody else does, and pauses after each write. ``lost``: what a key held each time it was found
    gone although it had not been deleted here."""

    client: redis.Redis
    keys: Sequence[str]
    pause: float
    random: random.Random
    states: dict[str, State] = field(default_factory=dict)
    lost: defaultdict[str, list[State]] = field(default_factory=lambda: defaultdict(list))
    writes: int = 0

    def seed(self) -> None:
        for key in self.keys:
            self._write(key, delete=False)

    def run(self, over: threading.Event) -> None:
        while not over.is_set():
            self._write(self.random.choice(self.keys), delete=self.random.random() < 0.1)
            self.writes += 1
            time.sleep(self.pause)

    def settle(self) -> None:
        """Look at all keys for the last time."""
        for key in self.keys:
            if not self.client.exists(key):
                self._note_loss(key)

    def _write(self, key: str, *, delete: bool) -> None:
        """One write, and whether the key was there, in one transaction."""
        kind, value = kind_of(key), f"{next(_numbers)}"
        at = LATER + int(value) if self.random.random() < 0.3 else 0
        pipe: Any = self.client.pipeline().exists(key)
        if delete:
            pipe.delete(key)
        elif kind == "string":
            pipe.set(key, value)
        elif kind == "hash":
            pipe.hset(key, value[-1], value)
        else:
            pipe.xadd(key, {"n": value}, id=f"{value}-0")
        if at:
            pipe.pexpireat(key, at)
        existed, *_ = pipe.execute()
        if not existed:
            self._note_loss(key)
        if not delete:
            self.states[key] = written(self.states.get(key), kind, value, at)
        else:
            self.states.pop(key, None)

    def _note_loss(self, key: str) -> None:
        if state := self.states.pop(key, None):
            self.lost[key].append(state)


def kind_of(key: str) -> str:
    return {"lock": "string", "session": "hash", "events": "stream"}[key.split(":")[1]]


def written(before: State | None, kind: str, value: str, at: int) -> State:
    """A key after a write that found it as it was before, or found none."""
    expires_at = at or (before.expires_at if before and kind != "string" else -1)
    held = before.held if before else ()
    if kind == "string":
        held = (value,)
    elif kind == "hash":
        held = tuple(sorted({**dict(held), value[-1]: value}.items()))
    else:
        held = (*held, value)
    return State(kind, held, expires_at)


def state_in(client: Any, key: str, kind: str) -> State:
    """What a key holds, on whichever server."""
    if kind == "string":
        held: tuple[Any, ...] = (client.get(key),)
    elif kind == "hash":
        held = tuple(sorted(client.hgetall(key).items()))
    else:
        held = tuple(fields[b"n"] for _, fields in client.xrange(key))
    return State(kind, _text(held), int(client.pexpiretime(key)))


def _text(held: Any) -> Any:
    return tuple(map(_text, held)) if isinstance(held, tuple) else held.decode()


@contextmanager
def writing(server: RedisServer, keys: Sequence[str], *, threads: int, rate: int) -> Iterator[list[KeyWriter]]:
    """About so many writes a second meanwhile; the keys are seeded before."""
    clients = [server.client() for _ in range(threads)]
    writers = [
        KeyWriter(client, keys[number::threads], threads / rate, random.Random(number))  # noqa: S311 - no secret
        for number, client in enumerate(clients)
    ]
    over = threading.Event()
    running = [threading.Thread(target=writer.run, args=(over,)) for writer in writers]
    for writer in writers:
        writer.seed()
    for thread in running:
        thread.start()
    try:
        yield writers
    finally:
        over.set()
        for thread in running:
            thread.join()
    for writer in writers:
        writer.settle()
        writer.client.close()
