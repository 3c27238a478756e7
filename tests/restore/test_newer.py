"""Keys that exist are never overwritten, whoever wrote them and when."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis

from dealpurge.engine.restore import writer
from dealpurge.engine.restore.tally import NAMED
from dealpurge.keys.families import Keyspace
from tests.support.archiving import MemoryKeeper, purge_into, snapshot
from tests.support.contents import LATER
from tests.support.restoring import MemorySource, counts, restore_from
from tests.support.samples import sample
from tests.support.seeding import key_of, seed_deal, seed_scene
from tests.support.servers import RedisServer

SESSION = key_of("canvas_sessions", "acme", "deal-1")
LOCK = key_of("locks", "acme", "deal-1")
EVENTS = key_of("events", "acme", "deal-1")


@pytest.fixture
def archived(server: redis.Redis, keeper: MemoryKeeper) -> MemoryKeeper:
    """A deal of six keys, one of them a string that expires, and another deal of four."""
    seed_deal(server, "acme", "deal-1", age=60, canvas_sessions=1)
    seed_deal(server, "acme", "deal-2")
    server.pexpireat(LOCK, LATER)
    purge_into(keeper)
    assert not server.dbsize()
    return keeper


@pytest.mark.parametrize("key", [SESSION, LOCK, EVENTS])
@pytest.mark.parametrize("written", ["string", "hash", "list", "stream", "set that expires"])
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_was_written_meanwhile_stays(
    server: redis.Redis, archived: MemoryKeeper, key: str, written: str, dry_run: bool
) -> None:
    writes: dict[str, tuple[Any, ...]] = {
        "string": ("SET", key, "newer"),
        "hash": ("HSET", key, "user", "newer"),
        "list": ("RPUSH", key, "newer"),
        "stream": ("XADD", key, "9-9", "kind", "newer"),
        "set that expires": ("SADD", key, "newer"),
    }
    server.execute_command(*writes[written])  # type: ignore[no-untyped-call]
    if written == "set that expires":
        server.pexpireat(key, LATER + 1)
    newer = snapshot(server)

    tally = restore_from(archived, dry_run=dry_run)

    assert snapshot(server, [key.encode()]) == newer
    assert server.dbsize() == (1 if dry_run else 10)
    assert counts(tally) == {"restored": 9, "kept": 1}
    assert tally.names == {b"acme:deal-1": [key.encode()]}
    deals = tally.deals()
    assert (deals[b"acme:deal-1"].restored, deals[b"acme:deal-1"].kept) == (5, 1)
    assert deals[b"acme:deal-1"].names == (key.encode(),)
    assert (deals[b"acme:deal-2"].restored, deals[b"acme:deal-2"].kept) == (4, 0)


def test_a_key_that_was_written_and_expired_again_comes_back(server: redis.Redis, archived: MemoryKeeper) -> None:
    """Be it still in memory, or not."""
    execute: Any = server.execute_command
    execute("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    try:
        server.set(LOCK, "newer", pxat=LATER)
        server.pexpire(LOCK, 1)
        server.hset(SESSION, "user", "newer")
        server.pexpire(SESSION, 1)
        moment = _now(server)
        while _now(server) < moment + 2:
            pass

        tally = restore_from(archived)
    finally:
        execute("DEBUG", "SET-ACTIVE-EXPIRE", 1)

    assert (server.get(LOCK), server.pexpiretime(LOCK)) == (b"x", LATER)
    assert server.hgetall(SESSION) == {b"user": b"7", b"at": b"x"}
    assert counts(tally) == {"restored": 10}


def _now(client: redis.Redis) -> int:
    seconds, micros = client.time()
    return int(seconds * 1000 + micros // 1000)


def test_some_names_of_many_are_told(server: redis.Redis, keeper: MemoryKeeper) -> None:
    keys = [key.encode() for key in seed_deal(server, "acme", "deal-1", image_crops=3 * NAMED)]
    purge_into(keeper)
    server.mset(dict.fromkeys(keys, b"newer"))

    tally = restore_from(keeper)

    assert counts(tally) == {"kept": len(keys)}
    (names,) = tally.names.values()
    assert len(names) == NAMED
    assert set(names) <= set(keys)
    assert tally.deals()[b"acme:deal-1"].names == tuple(names)
    assert server.mget(keys) == [b"newer"] * len(keys)


@dataclass
class Rewriter:
    """Writes keys that no other writer does, again and again."""

    client: redis.Redis
    keys: Sequence[bytes]
    chance: random.Random
    #: What each holds since it was written last; None: it was deleted.
    states: dict[bytes, Any] = field(default_factory=dict)

    def run(self, begun: threading.Event, over: threading.Event) -> None:
        while not over.is_set():
            self._write(self.chance.choice(self.keys), b"%d" % self.chance.randrange(1 << 60))
            begun.set()

    def _write(self, key: bytes, value: bytes) -> None:
        how = self.chance.choice(("SET", "HSET", "DEL"))
        pipe = self.client.pipeline()
        if how == "SET":
            pipe.set(key, value)
            self.states[key] = (b"string", value)
        else:
            pipe.delete(key)
            self.states[key] = None
        if how == "HSET":
            pipe.hset(key, b"new", value)
            self.states[key] = (b"hash", {b"new": value})
        pipe.execute()


@contextmanager
def rewriting(server: RedisServer, keys: Sequence[bytes], number: int) -> Iterator[list[Rewriter]]:
    """Three of them meanwhile, each of which has begun."""
    writers = [
        Rewriter(server.client(), keys[place::3], random.Random(number * 3 + place))  # noqa: S311 - no secret
        for place in range(3)
    ]
    begun, over = [threading.Event() for _ in writers], threading.Event()
    threads = [threading.Thread(target=one.run, args=(first, over)) for one, first in zip(writers, begun, strict=True)]
    for thread, first in zip(threads, begun, strict=True):
        thread.start()
        assert first.wait(10)
    try:
        yield writers
    finally:
        over.set()
        for thread in threads:
            thread.join()
        for one in writers:
            one.client.close()


def assert_newest(before: dict[bytes, Any], after: dict[bytes, Any], writers: Sequence[Rewriter]) -> None:
    """Each key holds what was written last; what was archived only where nobody wrote, or it was deleted last."""
    written = {key: state for one in writers for key, state in one.states.items()}
    for key, archived in before.items():
        if state := written.get(key):
            assert after[key][:2] == state
        else:
            assert after.get(key) == archived or (key in written and key not in after)


def test_whoever_writes_meanwhile_is_never_overwritten(
    server: redis.Redis, redis_server: RedisServer, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PACKET_BYTES", 1024)
    for number in range(sample(20, 100)):
        server.flushall()
        scene, keeper = seed_scene(server, deals=60), MemoryKeeper()
        before = snapshot(server)
        purge_into(keeper)
        with rewriting(redis_server, [key.encode() for key in sorted(scene.mine)], number) as writers:
            tally = restore_from(keeper, source=MemorySource(keeper, Keyspace.from_settings()))

        assert_newest(before, snapshot(server), writers)
        found = counts(tally)
        assert found["restored"] + found["kept"] == len(scene.mine)
