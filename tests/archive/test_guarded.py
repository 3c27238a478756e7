"""With a guard: what somebody works on stays whole and out of the archive, what goes is in it as it was last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from dealpurge.engine import transaction
from dealpurge.engine.archive.chunk import Chunk
from dealpurge.engine.guard import piecemeal
from dealpurge.engine.guard.archived import guard as archived_guard
from dealpurge.engine.sweep.tally import Tally
from dealpurge.engine.sweep.unlink import Removal
from dealpurge.servers.connection import ServerConnection
from tests.support.archiving import MemoryKeeper, load, purge_into, snapshot
from tests.support.purging import carry_out, report_of
from tests.support.seeding import HOUR, key_of, names, seed_deal, touch
from tests.support.servers import RedisServer

GUARD: dict[str, Any] = {"exclude_active_within_secs": HOUR}


class MeddledKeeper(MemoryKeeper):
    """Something happens between the save of a chunk and the first delete of it."""

    def __init__(self, happens: Callable[[], object], times: int = 1) -> None:
        super().__init__()
        self._happens, self._times = happens, times

    def commit(self, chunk: Chunk, name: str, instead_of: str = "") -> None:
        super().commit(chunk, name, instead_of)
        if self._times and not instead_of:
            self._times -= 1
            self._happens()


def seed(client: redis.Redis, deals: int = 30, **options: Any) -> None:
    for number in range(deals):
        seed_deal(client, "acme", str(number), age=2 * HOUR, **options)


def deals_left(client: redis.Redis) -> set[str]:
    return {name.split(":")[3] for name in names(client)}


def assert_exact(keeper: MemoryKeeper, before: dict[bytes, Any], client: redis.Redis, other: RedisServer) -> None:
    """Each key is where it was, or in the archive, once, as it was last."""
    there = set(client.keys())
    assert sorted(keeper.keys) == sorted(before.keys() - there)
    load(keeper.data, other)
    with other.client() as loaded:
        assert snapshot(loaded) == {key: value for key, value in before.items() if key not in there}


def test_idle_deals_go_and_active_ones_stay_whole(server: redis.Redis, other: RedisServer) -> None:
    seed(server)
    touch(server, "acme", "7", age=60)
    before, keeper = snapshot(server), MemoryKeeper()

    tally = purge_into(keeper, **GUARD)

    assert_exact(keeper, before, server, other)
    assert report_of(tally).deals.purged == 29
    assert deals_left(server) == {"7"}
    chunk = next(iter(keeper.committed.values()))
    assert (chunk.first, chunk.last) == (b"acme:0", b"acme:9")


def test_an_event_behind_the_save_spares_the_deal_and_takes_it_out(server: redis.Redis, other: RedisServer) -> None:
    seed(server)
    keeper = MeddledKeeper(lambda: touch(server, "acme", "7", age=1))

    tally = purge_into(keeper, **GUARD)

    assert deals_left(server) == {"7"}
    assert not any(key.split(b":")[3] == b"7" for key in keeper.keys)
    assert sorted(set(keeper.keys)) == sorted(keeper.keys)
    assert report_of(tally).deals.skipped_active == 1
    assert keeper.changes == 1


def test_a_deal_that_changed_since_the_save_goes_as_it_is_now(server: redis.Redis, other: RedisServer) -> None:
    seed(server)
    key = key_of("image_crops", "acme", "7")
    keeper = MeddledKeeper(lambda: (server.delete(key), server.hset(key, "somebody", "new")))
    before = snapshot(server)

    tally = purge_into(keeper, **GUARD)

    assert server.dbsize() == 0
    server.hset(key, "somebody", "new")
    before[key.encode()] = snapshot(server, [key.encode()])[key.encode()]
    server.flushall()
    assert_exact(keeper, before, server, other)
    assert tally.deleted == len(before)
    assert report_of(tally).status == "completed"


def test_a_time_to_live_that_changed_since_the_save_is_that_of_now(server: redis.Redis, other: RedisServer) -> None:
    seed(server)
    key = key_of("image_crops", "acme", "7")
    keeper = MeddledKeeper(lambda: server.pexpireat(key, 4_000_000_000_000))

    purge_into(keeper, **GUARD)
    load(keeper.data, other)

    with other.client() as loaded:
        assert loaded.pexpiretime(key) == 4_000_000_000_000


def test_a_deal_that_never_rests_stays(server: redis.Redis, other: RedisServer) -> None:
    seed(server)
    key, counter = key_of("image_crops", "acme", "7"), iter(range(1000))
    keeper = MeddledKeeper(lambda: server.set(key, next(counter)), times=1000)

    tally = purge_into(keeper, **GUARD)

    assert deals_left(server) == {"7"}
    assert key.encode() not in keeper.keys
    assert report_of(tally).deals.purged == 29


def test_a_deal_with_a_key_too_large_stays_whole(server: redis.Redis, other: RedisServer) -> None:
    seed(server)
    server.set(key_of("image_crops", "acme", "7", 99), "x" * ((16 << 20) + 1))
    before, keeper = snapshot(server), MemoryKeeper()

    tally = purge_into(keeper, **GUARD)

    assert_exact(keeper, before, server, other)
    assert deals_left(server) == {"7"}
    assert (tally.not_removed, report_of(tally).status) == (server.dbsize(), "partial")


@pytest.mark.parametrize("size", [10, 40_000])
def test_a_large_deal_goes_in_portions(server: redis.Redis, other: RedisServer, size: int) -> None:
    """By its keys, or by its bytes."""
    seed(server, 3)
    for number in range(700 if size == 10 else 400):
        server.set(key_of("image_crops", "acme", "1", number), f"{number}" * size)
    before, keeper = snapshot(server), MemoryKeeper()

    tally = purge_into(keeper, **GUARD)

    assert server.dbsize() == 0
    assert_exact(keeper, before, server, other)
    assert (tally.deleted, tally.not_removed) == (len(before), 0)


def test_a_key_of_a_large_deal_that_changed_is_there_once(server: redis.Redis, other: RedisServer) -> None:
    seed(server, 3)
    for number in range(700):
        server.set(key_of("image_crops", "acme", "1", number), f"{number}")
    key = key_of("image_crops", "acme", "1", 5)
    before, keeper = snapshot(server), MeddledKeeper(lambda: server.set(key, "new"))

    purge_into(keeper, **GUARD)

    server.set(key, "new")
    before[key.encode()] = snapshot(server, [key.encode()])[key.encode()]
    server.delete(key)
    assert server.dbsize() == 0
    assert_exact(keeper, before, server, other)


def test_events_that_are_judged_by_their_idle_time(
    server: redis.Redis, other: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our own reading is no use of them, where the server would take it for one, too."""
    monkeypatch.setattr(archived_guard, "READ_AT_ONCE", 5)
    idle, used = key_of("events", "acme", "1"), key_of("events", "acme", "2")
    for key in (idle, used):
        server.hset(key, "a", "b")
        payload = server.dump(key) or b""
        server.restore(key, 0, payload, replace=True, idletime=2 * HOUR if key == idle else 60)
        server.set(key.replace("events", "lock"), "me")
    keeper = MemoryKeeper()

    purge_into(keeper, **GUARD)

    assert sorted(keeper.keys) == sorted([idle.encode(), idle.replace("events", "lock").encode()])
    assert sorted(server.keys()) == sorted([used.encode(), used.replace("events", "lock").encode()])


def test_counts_are_those_of_a_purge_without(server: redis.Redis) -> None:
    seed(server)
    touch(server, "acme", "7", age=60)
    carry_out(plain := Tally(), **GUARD)
    server.flushall()
    seed(server)
    touch(server, "acme", "7", age=60)

    archived = purge_into(MemoryKeeper(), **GUARD)

    first, second = report_of(plain).as_dict(), report_of(archived).as_dict()
    for report in (first, second):
        for skipped in report["skipped"]:
            skipped.pop("last_active_at")
        report.pop("started_at")
    assert first == second


@pytest.mark.parametrize("moment", range(1, 40, 3))
@pytest.mark.parametrize("guarded", [False, True])
def test_a_connection_that_is_cut_costs_no_key(
    server: redis.Redis, other: RedisServer, guarded: bool, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(server, 40)
    before, keeper = snapshot(server), MemoryKeeper()
    asked = iter(range(1, 10_000))

    def keep_going() -> bool:
        if next(asked) == moment:
            for client in server.client_list(_type="normal"):
                if client["id"] != str(server.client_id()):
                    server.client_kill_filter(_id=client["id"])
        return True

    tally = purge_into(keeper, keep_going=keep_going, **(GUARD if guarded else {}))

    assert server.dbsize() == 0
    assert_exact(keeper, before, server, other)
    assert tally.deleted + tally.vanished == len(before)


def test_a_use_of_such_events_in_front_of_our_reading_is_seen(
    server: redis.Redis, other: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our reading hides from the second look that somebody wrote them behind the first one."""
    key = key_of("events", "acme", "1")
    server.hset(key, "a", "b")
    server.restore(key, 0, server.dump(key) or b"", replace=True, idletime=2 * HOUR)
    server.set(key.replace("events", "lock"), "me")
    read_some = archived_guard.ArchivedGuard._read_some

    def later(self: archived_guard.ArchivedGuard) -> None:
        if self._unread:
            server.hset(key, "a", "c")
        read_some(self)

    monkeypatch.setattr(archived_guard.ArchivedGuard, "_read_some", later)
    keeper = MemoryKeeper()

    tally = purge_into(keeper, **GUARD)

    assert server.dbsize() == 2
    assert keeper.keys == []
    assert report_of(tally).deals.skipped_active == 1


def test_a_use_of_the_events_of_a_large_deal_in_front_of_our_reading_is_seen(
    server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read last, long after the first look."""
    key = key_of("events", "acme", "1")
    server.hset(key, "a", "b")
    server.restore(key, 0, server.dump(key) or b"", replace=True, idletime=2 * HOUR)
    for number in range(700):
        server.set(key_of("image_crops", "acme", "1", number), f"{number}")
    portions, keeper = archived_guard.ArchivedGuard._portions, MemoryKeeper()

    def meddled(self: Any, unit: Any, pieces: Any) -> Any:
        def coming() -> Any:
            for piece in pieces:
                if key.encode() in piece.keys:
                    server.hset(key, "a", "c")
                yield piece

        return portions(self, unit, coming())

    monkeypatch.setattr(archived_guard.ArchivedGuard, "_portions", meddled)

    tally = purge_into(keeper, **GUARD)

    assert server.dbsize() == 701
    assert keeper.keys == []
    assert report_of(tally).deals.skipped_active == 1


def test_a_large_deal_that_becomes_active_is_archived_as_far_as_it_went(
    server: redis.Redis, other: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(server, 3)
    for number in range(700):
        server.set(key_of("image_crops", "acme", "1", number), f"{number}")
    before, keeper = snapshot(server), MemoryKeeper()
    commits = iter(range(3))

    def commit(connection: ServerConnection, keys: list[bytes]) -> Removal:
        if next(commits, None) is None:
            touch(server, "acme", "1")
        return transaction.commit(connection, keys)

    monkeypatch.setattr(piecemeal, "commit", commit)

    tally = purge_into(keeper, **GUARD)

    left = snapshot(server)
    del before[key_of("events", "acme", "1").encode()]
    assert sorted(keeper.keys) == sorted(before.keys() - left.keys())
    assert (deals_left(server), tally.deleted) == ({"1"}, len(keeper.keys))
    assert report_of(tally).deals.interrupted == 1
