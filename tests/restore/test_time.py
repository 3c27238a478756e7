"""When a restored key expires: at the moment at which it would have, by the server's clock, or never."""

from __future__ import annotations

import gzip
import time

import pytest
import redis

from dealpurge.engine.restore import restoring
from dealpurge.keys.families import Keyspace
from tests.conftest import PointCacheAt
from tests.support.archiving import MemoryKeeper, purge_into
from tests.support.contents import LATER
from tests.support.restoring import MemorySource, counts, restore_from
from tests.support.seeding import names, seed_deal
from tests.support.servers import RedisServer

HOUR_MS = 3_600_000
#: Of as many digits as those of today.
LONG_AGO = 1_000_000_000_000


@pytest.fixture
def keys(server: redis.Redis) -> list[str]:
    """A string and a hash of each deal, and an event."""
    return [
        key
        for number in range(10)
        for key in seed_deal(server, "acme", f"deal-{number}", age=60, image_crops=0, canvas_sessions=1)
    ]


def source_of(keeper: MemoryKeeper) -> MemorySource:
    purge_into(keeper)
    return MemorySource(keeper, Keyspace.from_settings())


def set_back(source: MemorySource, moment: int, to: int = LONG_AGO) -> None:
    """What expires then had to expire at another moment."""
    for name, chunk in source.chunks.items():
        source.rewrite(name, gzip.decompress(chunk.data).replace(b"%d" % moment, b"%d" % to))


def now_of(client: redis.Redis) -> int:
    seconds, micros = client.time()
    return int(seconds * 1000 + micros // 1000)


def test_what_is_left_of_a_time_to_live_is_kept_to_the_millisecond(
    server: redis.Redis, keeper: MemoryKeeper, keys: list[str]
) -> None:
    moments = {key: now_of(server) + HOUR_MS + 7 * number for number, key in enumerate(keys)}
    for key, moment in moments.items():
        server.pexpireat(key, moment)
    purge_into(keeper)

    tally = restore_from(keeper)

    assert {key: server.pexpiretime(key) for key in keys} == moments
    assert counts(tally) == {"restored": len(keys)}


def test_what_had_none_stays_for_ever(server: redis.Redis, keeper: MemoryKeeper, keys: list[str]) -> None:
    purge_into(keeper)

    tally = restore_from(keeper)

    assert {key: server.pexpiretime(key) for key in keys} == dict.fromkeys(keys, -1)
    assert counts(tally) == {"restored": len(keys)}


@pytest.mark.parametrize("held_bytes", [1, 16 << 20])
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_has_expired_is_counted_and_not_written(
    server: redis.Redis,
    keeper: MemoryKeeper,
    keys: list[str],
    monkeypatch: pytest.MonkeyPatch,
    dry_run: bool,
    held_bytes: int,
) -> None:
    """Be they events that are read once more, or others."""
    monkeypatch.setattr(restoring, "HELD_BYTES", held_bytes)
    gone = keys[::2]
    for number, key in enumerate(keys):
        server.pexpireat(key, LATER + number % 2)
    source = source_of(keeper)
    set_back(source, LATER)

    tally = restore_from(keeper, source=source, dry_run=dry_run)

    assert names(server) == (set() if dry_run else set(keys) - set(gone))
    assert counts(tally) == {"restored": len(keys) - len(gone), "expired": len(gone)}
    assert sum(count.expired for count in tally.deals().values()) == len(gone)
    assert not tally.unfinished
    assert tally.needed
    assert tally.written == len(keys)


def test_what_exists_again_is_not_told_as_expired_again(
    server: redis.Redis, keeper: MemoryKeeper, keys: list[str]
) -> None:
    """It was archived with a time that is over, and whoever wrote it since gave it none."""
    server.pexpireat(keys[0], LATER)
    source = source_of(keeper)
    set_back(source, LATER)
    server.set(keys[0], "newer")

    restore_from(keeper, source=source)

    assert (server.get(keys[0]), server.pexpiretime(keys[0])) == (b"newer", -1)


@pytest.mark.parametrize("seconds", [0.0, 9e9])
def test_the_clock_is_that_of_the_server(
    server: redis.Redis, keeper: MemoryKeeper, keys: list[str], monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Whatever that of this machine shows."""
    monkeypatch.setattr(restoring, "time", lambda: seconds)
    for key in keys[1:]:
        server.pexpireat(key, LATER)
    server.pexpireat(keys[0], LATER + 1)
    source = source_of(keeper)
    set_back(source, LATER + 1)

    tally = restore_from(keeper, source=source)

    assert counts(tally) == {"restored": len(keys) - 1, "expired": 1}


def test_a_user_who_may_not_ask_for_the_time(
    redis_server: RedisServer,
    server: redis.Redis,
    keeper: MemoryKeeper,
    keys: list[str],
    cache_at: PointCacheAt,
) -> None:
    """The clock of this machine is as good as any."""
    server.pexpireat(keys[0], LATER)
    source = source_of(keeper)
    set_back(source, LATER, to=int(time.time() * 1000) - 1000)
    server.acl_setuser("blind", enabled=True, nopass=True, keys="*", commands=["+@all", "-time"])
    try:
        cache_at(redis_server.url.replace("redis://", "redis://blind:x@"))

        tally = restore_from(keeper, source=source)
    finally:
        server.acl_deluser("blind")

    assert counts(tally) == {"restored": len(keys) - 1, "expired": 1}


def test_what_expires_while_it_is_under_way(
    server: redis.Redis, keeper: MemoryKeeper, keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time goes on while a restore is at work: an hour in a moment, here."""
    hours = iter(range(10**6))
    monkeypatch.setattr(restoring, "monotonic", lambda: next(hours) * 3600.0)
    moment = now_of(server) + HOUR_MS // 2
    for key in keys:
        server.pexpireat(key, moment)
    purge_into(keeper)

    tally = restore_from(keeper)

    assert counts(tally) == {"expired": len(keys)}
    assert not server.dbsize()
