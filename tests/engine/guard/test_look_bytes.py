"""What a look at events keys costs: bytes in the server, keys that it evicts for them, and memory of ours."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pytest_django.fixtures import Settings
from redis._parsers import _RESP2Parser, _RESP3Parser

from dealpurge.engine.guard.activity_reader import ActivityReader
from dealpurge.engine.guard.look_sizes import LARGE, SINGLY_WARNING, UNREAD_WARNING
from dealpurge.engine.inventory import take_inventory
from dealpurge.engine.sweep.tally import Tally
from dealpurge.keys.families import Keyspace
from dealpurge.servers.connection import ServerConnection
from tests.conftest import PointCacheAt, start_server
from tests.support.purging import carry_out, purge
from tests.support.seeding import HOUR, event_id, existing, key_of, names, seed_deal
from tests.support.servers import RedisServer

MB = 10**6


@pytest.fixture
def server(server_kind: str, tmp_path: Path, cache_at: PointCacheAt, settings: Settings) -> Iterator[RedisServer]:
    """A server of this test's own, whose memory is measured."""
    server = start_server(server_kind, tmp_path / "server", **{"maxmemory-policy": "allkeys-lru"})
    cache_at(server.url)
    yield server
    server.stop()


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    with server.client() as client:
        yield client


def seed_large(
    client: redis.Redis, deals: int, size: int, *, age: float = 2 * HOUR, entries: int = 2, org_id: str = "acme"
) -> None:
    for number in range(deals):
        for _ in range(entries):
            client.xadd(key_of("events", org_id, f"large{number:03}"), {"kind": b"x" * size}, id=event_id(age))


def seed_strangers(client: redis.Redis, number: int = 20_000) -> None:
    """Small keys of others, which alone a volatile policy evicts."""
    with client.pipeline(transaction=False) as pipeline:
        for place in range(number):
            pipeline.set(f"session:{place}", "x" * 200, ex=10**6)
        pipeline.execute()


def leave_room(client: redis.Redis, share: float) -> None:
    client.config_set("maxmemory", int(client.info("memory")["used_memory"] * (1 + share)))


def evicted(client: redis.Redis) -> int:
    return int(client.info("stats")["evicted_keys"])


def test_a_preview_with_the_guard_off_evicts_nothing_either(client: redis.Redis) -> None:
    seed_large(client, 100, 200_000, age=60)
    seed_strangers(client)
    leave_room(client, 0.1)
    tally = Tally()

    carry_out(tally, dry_run=True, look=True)

    assert len(tally.active or ()) == 100
    assert evicted(client) == 0


@pytest.mark.parametrize("dry_run", [True, False])
def test_with_a_tenth_of_its_memory_free_a_server_evicts_nothing(client: redis.Redis, dry_run: bool) -> None:
    seed_large(client, 100, 200_000)
    seed_strangers(client)
    leave_room(client, 0.1)

    report = purge(exclude_active_within_secs=HOUR, dry_run=dry_run)

    assert (report.deals.purged, report.warnings) == (100, ())
    assert evicted(client) == 0


def test_at_its_limit_a_server_evicts_no_more_than_for_a_scan(server: RedisServer, client: redis.Redis) -> None:
    """The room that a connection takes, and the pages of SCAN."""
    seed_large(client, 50, 200_000)
    seed_strangers(client)
    client.config_set("maxmemory-policy", "volatile-lru")
    purge(exclude_active_within_secs=HOUR, dry_run=True)  # a server keeps 20 kB for each command from its first use on

    leave_room(client, 0)
    before = evicted(client)
    with server.client() as other:
        assert len(list(other.scan_iter(count=500))) > 10_000
    by_scan = evicted(client) - before

    leave_room(client, 0)
    before = evicted(client)
    report = purge(exclude_active_within_secs=HOUR, dry_run=True)

    assert report.deals.purged == 50
    assert evicted(client) - before <= by_scan + 150  # a buffer of 32 kB more or less


@pytest.mark.parametrize("size", [MB, 8 * MB])
@pytest.mark.parametrize("dry_run", [True, False])
def test_large_entries_are_held_by_nobody(server: RedisServer, client: redis.Redis, size: int, dry_run: bool) -> None:
    seed_large(client, 100 * MB // size, size)
    server.restart()  # what it took to write them is in its peak
    used = client.info("memory")["used_memory"]
    tracemalloc.start()

    report = purge(exclude_active_within_secs=HOUR, dry_run=dry_run)

    ours = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (report.deals.purged, report.warnings) == (100 * MB // size, ())
    assert ours < 8 * MB
    assert client.info("memory")["used_memory_peak"] < used * 1.05 + size  # one entry cannot be helped


def test_many_large_replies_are_not_held_together(client: redis.Redis) -> None:
    """Just small enough to be asked together with others."""
    seed_large(client, 60, LARGE // 4)
    tracemalloc.start()

    list(take_inventory(Keyspace.from_settings(), Tally(), lambda: True))

    assert tracemalloc.get_traced_memory()[1] < 12 * MB
    tracemalloc.stop()


def test_an_entry_of_many_fields_is_held_by_nobody(client: redis.Redis) -> None:
    client.xadd(key_of("events", "acme", "d"), {f"f{n}": "x" * 60 for n in range(20_000)}, id=event_id(2 * HOUR))
    tracemalloc.start()

    report = purge(exclude_active_within_secs=HOUR, dry_run=True)

    assert tracemalloc.get_traced_memory()[1] < 2 * MB
    tracemalloc.stop()
    assert report.deals.purged == 1


@pytest.mark.parametrize("members", [0, 20_000])
@pytest.mark.usefixtures("deal_settings")
def test_the_member_on_top_may_be_large(redis_client: redis.Redis, members: int) -> None:
    """Many small ones below it hide it from MEMORY USAGE."""
    old, new = time.time() - 2 * HOUR, time.time()
    kept = seed_deal(redis_client, "acme", "active")
    seed_deal(redis_client, "acme", "idle")
    for deal, moment in (("idle", old), ("active", new)):
        below = {f"member{n}": old - n - 1 for n in range(members)}
        redis_client.zadd(key_of("events", "acme", deal), {**below, b"x" * 20 * MB: moment})
    tracemalloc.start()

    report = purge(exclude_active_within_secs=HOUR)

    assert tracemalloc.get_traced_memory()[1] < 8 * MB
    tracemalloc.stop()
    assert names(redis_client) == {*kept, key_of("events", "acme", "active")}
    assert (report.deals.purged, report.deals.skipped_active, report.warnings) == (1, 1, ())


@pytest.mark.usefixtures("deal_settings")
def test_a_large_key_of_another_type_is_no_matter(redis_client: redis.Redis) -> None:
    redis_client.hset(key_of("events", "acme", "d"), "field", b"x" * 70 * MB)

    report = purge(exclude_active_within_secs=HOUR, dry_run=True)

    assert (report.deals.skipped_active, report.warnings) == (1, ())  # it was just written


@pytest.mark.usefixtures("deal_settings")
def test_large_events_are_judged_again_before_their_deals_go(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_large(redis_client, 3, 2 * MB)
    seed_deal(redis_client, "acme", "small", age=2 * HOUR)
    look, woken = ActivityReader.questions, list[bytes]()

    def wake(self: ActivityReader, keys: list[bytes], before: object) -> object:
        if not woken and b"large001" in keys[0]:
            woken.append(keys[0])
            redis_client.xadd(keys[0], {"kind": "edit"})
        return look(self, keys, before)  # type: ignore[arg-type]

    monkeypatch.setattr(ActivityReader, "questions", wake)
    report = purge(exclude_active_within_secs=HOUR)

    assert woken
    assert names(redis_client) == {key_of("events", "acme", "large001")}
    assert (report.deals.purged, report.deals.skipped_active) == (3, 1)


@pytest.mark.usefixtures("deal_settings")
def test_what_is_too_large_to_be_read_counts_as_active(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_large(redis_client, 1, 70 * MB, entries=1)
    seed_deal(redis_client, "acme", "small", age=2 * HOUR)

    report = purge(exclude_active_within_secs=HOUR)

    assert names(redis_client) == {key_of("events", "acme", "large000")}
    assert (report.deals.purged, report.deals.skipped_active) == (1, 1)
    assert report.warnings == (UNREAD_WARNING.format("acme large000"),)
    tally = Tally()
    (row,) = take_inventory(Keyspace.from_settings(), tally, lambda: True)
    assert (row.last_active_at, tally.warnings) == (None, {UNREAD_WARNING: {b"acme large000"}})


@pytest.mark.usefixtures("deal_settings")
def test_many_small_events_are_no_large_one(redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dealpurge.engine.guard.look_sizes.LARGEST", LARGE)
    with redis_client.pipeline(transaction=False) as pipeline:
        for _ in range(20_000):
            pipeline.xadd(key_of("events", "acme", "long"), {"kind": "x" * 60}, id=event_id(2 * HOUR))
        pipeline.execute()
    assert (redis_client.memory_usage(key_of("events", "acme", "long")) or 0) > LARGE

    report = purge(exclude_active_within_secs=HOUR)

    assert (report.deals.purged, report.warnings) == (1, ())


def test_what_does_not_fit_the_room_of_a_full_server_counts_as_active(client: redis.Redis) -> None:
    client.config_set("maxmemory-policy", "noeviction")
    seed_large(client, 1, 10 * MB, entries=1)
    leave_room(client, 0.1)

    report = purge(exclude_active_within_secs=HOUR)

    assert (report.deals.purged, report.deals.skipped_active) == (0, 1)
    assert report.warnings == (UNREAD_WARNING.format("acme large000"),)


@pytest.mark.parametrize("command", ["memory", "info"])
@pytest.mark.usefixtures("deal_settings")
def test_where_sizes_or_room_are_not_told(
    redis_server: RedisServer, redis_client: redis.Redis, cache_at: PointCacheAt, command: str
) -> None:
    seed_large(redis_client, 5, MB)
    gone = seed_deal(redis_client, "acme", "small", age=2 * HOUR)
    kept = seed_deal(redis_client, "acme", "active", age=1)
    redis_client.acl_setuser("little", enabled=True, passwords=["+pw"], keys="*", commands=["+@all", f"-{command}"])
    cache_at(f"redis://little:pw@127.0.0.1:{redis_server.port}/0")
    tracemalloc.start()
    try:
        report = purge(exclude_active_within_secs=HOUR)
        ours = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        redis_client.acl_deluser("little")

    assert ours < 4 * MB
    assert names(redis_client) == set(kept)
    assert existing(redis_client, gone) == 0
    assert (report.deals.purged, report.deals.skipped_active) == (6, 1)
    assert (SINGLY_WARNING in report.warnings) == (command == "memory")


@pytest.mark.parametrize(
    "options",
    [
        {"protocol": 3},
        {"protocol": 3, "parser_class": _RESP3Parser},
        {"protocol": 2, "parser_class": _RESP2Parser},
        {"decode_responses": True},
        {"health_check_interval": 1},
        {"socket_read_size": 16},
    ],
    ids=str,
)
@pytest.mark.usefixtures("deal_settings")
def test_however_the_connection_is_made(
    redis_server: RedisServer, redis_client: redis.Redis, cache_at: PointCacheAt, options: dict[str, object]
) -> None:
    """Large and small streams, sets and odd keys, idle and active, by each protocol and parser."""
    kept = set[str]()
    for age, deal in ((2 * HOUR, "idle"), (1, "active")):
        moment = time.time() - age
        seed_large(redis_client, 2, MB, age=age, org_id=deal)
        redis_client.zadd(key_of("events", deal, "set"), {b"\r\n$3\r\nx" * MB: moment})
        redis_client.zadd(key_of("events", deal, "small-set"), {"member": moment})
        seed_deal(redis_client, deal, "small", age=age)
        kept |= {str(name) for name in names(redis_client) if ":active:" in str(name)}
    redis_client.hset(key_of("events", "odd", "hash"), "field", b"x" * MB)
    cache_at(redis_server.url, CONNECTION_POOL_KWARGS=options)

    report = purge(exclude_active_within_secs=HOUR)

    assert names(redis_client) == kept | {key_of("events", "odd", "hash")}
    assert (report.deals.purged, report.deals.skipped_active, report.warnings) == (5, 6, ())


def test_questions_go_in_portions_that_the_server_has_room_for(client: redis.Redis) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for number in range(200):
            pipeline.xadd(f"canvas:events:acme:d{number:03}", {"kind": "edit"}, id=event_id(2 * HOUR))
        pipeline.execute()
    keys = [f"canvas:events:acme:d{number:03}".encode() for number in range(200)]
    connection = ServerConnection(client.connection_pool, lambda: True)
    connection.open()

    def portions() -> list[int]:
        activity = ActivityReader(connection, Tally())
        activity.open()
        activity.read(keys)
        look, steps = activity.read_steps(keys), list[int]()
        commands = next(look)
        while True:
            steps.append(len(commands))
            try:
                commands = look.send(connection.ask_keys(commands))
            except StopIteration:
                return steps

    assert len([number for number in portions() if number]) <= 5
    leave_room(client, 0)
    assert max(portions()[1:7]) <= 32
    connection.close()
