"""What is archived is what was deleted, and comes back as it was, on a server that is given the files alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import oracle
from tests.support.archiving import MemoryKeeper, load, purge_case, purge_into, snapshot
from tests.support.cases import FIXTURES_STAY, IDLE, Case, cases
from tests.support.contents import Content, contents, large, write
from tests.support.samples import sample
from tests.support.seeding import key_of
from tests.support.servers import RedisServer

#: So many members that the table of a set grows, which takes as many more writes, or reads, to end.
GROWING = {"valkey": 60_000, "redis": 70_000, "redis8": 70_000}


def plain(case: Case) -> Case:
    """Without a guard."""
    return replace(case, request=replace(case.request, exclude_active_within_secs=None, leave_never_active=False))


@st.composite
def filled(draw: st.DrawFn) -> tuple[Case, dict[bytes, Content]]:
    """A case, and values of few kinds for its keys."""
    case = plain(draw(cases()))
    kinds = draw(st.lists(contents(), min_size=1, max_size=12))
    return case, {key: draw(st.sampled_from(kinds)) for key in case.keys if key}


def gone_of(case: Case, keys: dict[bytes, Content]) -> set[bytes]:
    case = replace(case, keys=dict.fromkeys(keys, IDLE[0]))
    return set(oracle.expect(case.request, dict.fromkeys(keys, 0.0), case.host.table, 0.0).gone)


def assert_kept(
    keeper: MemoryKeeper, before: dict[bytes, Any], gone: set[bytes], client: redis.Redis, other: RedisServer
) -> None:
    """Those keys, as they were, are what the archive gives back, and all others are where they were."""
    assert snapshot(client) == {key: value for key, value in before.items() if key not in gone}
    assert sorted(keeper.keys) == sorted(gone)
    assert keeper.saved.keys() == keeper.committed.keys()
    assert sum(chunk.keys for chunk in keeper.committed.values()) == len(gone)
    load(keeper.data, other)
    with other.client() as loaded:
        assert snapshot(loaded) == {key: before[key] for key in gone}


def check(client: redis.Redis, other: RedisServer, case: Case, keys: dict[bytes, Content]) -> None:
    keeper = MemoryKeeper()
    client.flushall()
    with other.client() as loaded:
        loaded.flushall()
    write(client, keys)
    before, gone = snapshot(client), gone_of(case, keys)

    tally = purge_case(case, keeper)

    assert_kept(keeper, before, gone, client, other)
    assert (tally.deleted, tally.vanished, tally.not_removed) == (len(gone), 0, 0)


@settings(max_examples=sample(40, 150), derandomize=True, suppress_health_check=FIXTURES_STAY)
@given(drawn=filled())
def test_what_goes_comes_back_as_it_was(
    server: redis.Redis, other: RedisServer, drawn: tuple[Case, dict[bytes, Content]]
) -> None:
    check(server, other, *drawn)


@pytest.mark.slow
@settings(max_examples=sample(100, 2500), report_multiple_bugs=False, suppress_health_check=FIXTURES_STAY)
@given(drawn=filled())
def test_what_goes_comes_back_as_it_was_at_length(
    server: redis.Redis, other: RedisServer, drawn: tuple[Case, dict[bytes, Content]]
) -> None:
    check(server, other, *drawn)


@contextmanager
def looked_at(server: RedisServer, key: str) -> Iterator[None]:
    """Somebody asks for its members without end."""
    begun, over = threading.Event(), threading.Event()

    def look() -> None:
        with server.client() as client:
            while not over.is_set():
                client.smismember(key, ["member-1"] * 10)
                begun.set()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        assert begun.wait(10)
        yield
    finally:
        over.set()
        thread.join()


def test_a_set_that_is_rearranged_while_it_is_only_read(
    redis_server: RedisServer, server: redis.Redis, other: RedisServer, keeper: MemoryKeeper
) -> None:
    """Its payload differs each time that it is read, and its members do not."""
    key, members = key_of("presence", "acme", "1"), GROWING[redis_server.kind]
    for start in range(0, members, 1000):
        server.sadd(key, *(f"member-{number}" for number in range(start, start + 1000)))
    before = snapshot(server)

    with looked_at(redis_server, key):
        tally = purge_into(keeper)

    assert keeper.changes, "it was as it had been saved"
    assert (tally.deleted, tally.not_removed, tally.warnings) == (1, 0, {})
    assert_kept(keeper, before, {key.encode()}, server, other)


def test_values_that_fill_many_chunks(server: redis.Redis, other: RedisServer, keeper: MemoryKeeper) -> None:
    for number in range(60):
        server.set(key_of("image_crops", "acme", "1", number), large(200_000 + number))
    for number in range(3000):
        server.hset(key_of("canvas_sessions", "acme", "1", number), "user", f"{number}")
    server.set("other:key", "x")
    before = snapshot(server)

    tally = purge_into(keeper)

    assert len(keeper.committed) > 2
    assert tally.deleted == 3060
    assert_kept(keeper, before, set(before) - {b"other:key"}, server, other)


def test_a_dry_run_archives_nothing(server: redis.Redis, keeper: MemoryKeeper) -> None:
    server.set(key_of("locks", "acme", "1"), "x")

    purge_into(keeper, dry_run=True)

    assert (server.dbsize(), keeper.saved) == (1, {})
