"""Servers that take what another one has archived, and those that do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from redis.connection import ConnectionPool

from dealpurge.engine.restore import words
from dealpurge.engine.restore.probe import crc64, takes_format
from dealpurge.i18n import Number
from dealpurge.servers.connection import ServerConnection
from tests.conftest import PointCacheAt
from tests.support.archiving import MemoryKeeper, purge_into, snapshot
from tests.support.contents import LATER
from tests.support.restoring import counts, restore_from
from tests.support.seeding import names, seed_deal
from tests.support.servers import RedisServer

#: The kinds of server, and the version of the format that each writes.
VERSIONS = {"redis": 10, "redis8": 12, "valkey": 80}


def test_the_checksum_is_the_one_of_redis() -> None:
    """Its own test vector, ``src/crc64.c``."""
    assert crc64(b"123456789") == 0xE9C6D914C4B8D9CA


@pytest.fixture
def connection(redis_server: RedisServer, server: redis.Redis) -> Iterator[ServerConnection]:
    connection = ServerConnection(ConnectionPool.from_url(redis_server.url), lambda: True)
    connection.open()
    yield connection
    connection.close()


@pytest.fixture
def kind(redis_server: RedisServer) -> str:
    return redis_server.kind


@pytest.mark.parametrize("version", sorted({*VERSIONS.values(), 9, 11, 79, 81}))
def test_whether_a_server_takes_a_format_is_what_it_says_of_a_value(
    connection: ServerConnection, server: redis.Redis, version: int
) -> None:
    server.rpush("list", "x")
    data = bytes(server.dump("list") or b"")[:-10] + version.to_bytes(2, "little")
    taken = True
    try:
        server.restore("copy", 0, data + crc64(data).to_bytes(8, "little"))
    except redis.ResponseError:
        taken = False
    before = snapshot(server)

    assert takes_format(connection, version) == taken
    assert snapshot(server) == before


@pytest.mark.parametrize("of", VERSIONS)
def test_formats_of_other_servers(connection: ServerConnection, server: redis.Redis, kind: str, of: str) -> None:
    """Those of 7.0 are taken everywhere, and newer ones by their own kind."""
    assert takes_format(connection, VERSIONS[of]) == (of in ("redis", kind))
    assert not server.dbsize()


def test_a_full_server_is_not_taken_for_one_that_refuses(
    connection: ServerConnection, server: redis.Redis, kind: str
) -> None:
    server.set("k", "v")
    server.config_set("maxmemory", 1)
    try:
        assert takes_format(connection, VERSIONS[kind])
    finally:
        server.config_set("maxmemory", 0)


@pytest.fixture
def move(
    redis_server: RedisServer,
    server: redis.Redis,
    spare_server: Callable[[str], RedisServer],
    keeper: MemoryKeeper,
    cache_at: PointCacheAt,
) -> Iterator[Callable[[str], tuple[dict[bytes, Any], redis.Redis]]]:
    """Have two deals of all types archived here, and the settings point at a server of that kind, empty."""
    clients: list[redis.Redis] = []

    def to(kind: str) -> tuple[dict[bytes, Any], redis.Redis]:
        for deal_id in ("deal-1", "deal-2"):
            seed_deal(server, "acme", deal_id, age=60, canvas_sessions=3, brush_findings=1)
        server.pexpireat("canvas:lock:acme:deal-1", LATER)
        before = snapshot(server)
        purge_into(keeper)
        target = spare_server(kind)
        clients.append(target.client())
        clients[0].flushall()
        cache_at(target.url)
        return before, clients[0]

    yield to
    for client in clients:
        client.flushall()
        client.close()


def alike(contents: dict[bytes, Any]) -> dict[bytes, Any]:
    """Without what servers differ in: how they keep streams, and what they know of fields."""
    return {
        key: (state[0], state[1][b"length"], state[2]) if state[0] == b"stream" else state[:3]
        for key, state in contents.items()
    }


@pytest.mark.parametrize("target", ["valkey", "redis8"])
def test_an_archive_of_an_older_server_comes_back_on_a_newer_one(
    kind: str, keeper: MemoryKeeper, move: Callable[[str], tuple[dict[bytes, Any], redis.Redis]], target: str
) -> None:
    if kind not in ("redis", target):
        pytest.skip("neither older nor the same")
    before, there = move(target)

    tally = restore_from(keeper)

    assert alike(snapshot(there)) == alike(before)
    assert counts(tally) == {"restored": len(before)}
    assert not tally.unfinished


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("narrow", [False, True])
def test_of_an_archive_of_a_newer_server_strings_come_back_on_an_older_one(
    kind: str,
    keeper: MemoryKeeper,
    move: Callable[[str], tuple[dict[bytes, Any], redis.Redis]],
    dry_run: bool,
    narrow: bool,
) -> None:
    if kind == "redis":
        pytest.skip("the oldest")
    before, there = move("redis")
    options: dict[str, Any] = {"deals": (("acme", "deal-1"),)} if narrow else {}
    wanted = {key: state for key, state in before.items() if not narrow or b"deal-1" in key}
    strings = {key: state for key, state in wanted.items() if state[0] == b"string"}

    tally = restore_from(keeper, dry_run=dry_run, **options)

    assert snapshot(there) == ({} if dry_run else strings)
    assert counts(tally) == {"restored": len(strings), "refused": len(wanted) - len(strings)}
    said = words.FORMAT_WARNING.format(str(VERSIONS[kind]), Number(len(strings)), Number(len(wanted)))
    assert said in tally.warnings
    assert sum(count.missed for count in tally.deals().values()) == len(wanted) - len(strings)
    assert tally.written == tally.to_write == len(wanted)
    assert tally.unfinished


def test_strings_have_no_format_that_a_server_could_refuse(
    redis_server: RedisServer, server: redis.Redis, keeper: MemoryKeeper, cache_at: PointCacheAt
) -> None:
    """So that a user need not be allowed anything for others."""
    keys = set(seed_deal(server, "acme", "deal-3"))
    purge_into(keeper)
    server.acl_setuser("plain", enabled=True, nopass=True, keys="*", commands=["+@all", "-restore"])
    try:
        cache_at(redis_server.url.replace("redis://", "redis://plain:x@"))

        tally = restore_from(keeper)
    finally:
        server.acl_deluser("plain")

    assert names(server) == keys
    assert counts(tally) == {"restored": len(keys)}
