"""Keys that are read over some connections while others are deleted over others: whatever comes between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count, pairwise

import pytest
import redis

from dealpurge.engine.archive import archiver
from dealpurge.engine.archive.archived_sweep import READ_AT_ONCE
from dealpurge.engine.archive.entries import Entries
from dealpurge.engine.archive.removal import WATCHED_KEYS, groups_of
from dealpurge.engine.pass_warnings import BROKEN_WARNING
from dealpurge.engine.sweep.selection import Selection
from dealpurge.engine.sweep.tally import Tally
from dealpurge.servers.errors import Stopped
from tests.support.archiving import MemoryKeeper, load, purge_into, snapshot
from tests.support.contents import large
from tests.support.seeding import key_of
from tests.support.servers import RedisServer

KEYS = [key_of("image_crops", "acme", str(number % 50), number).encode() for number in range(20 * READ_AT_ONCE)]
#: After how many questions whether to go on the answer is no.
STOPS = range(4, 44, 5)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that reading, saving and deleting overlap."""
    monkeypatch.setattr(archiver, "CHUNK_BYTES", 25_000)
    monkeypatch.setattr(archiver, "LEAST_CHUNK_BYTES", 25_000)


@pytest.fixture
def seeded(server: redis.Redis) -> redis.Redis:
    pipeline = server.pipeline(transaction=False)
    for number, key in enumerate(KEYS):
        if number % 7:
            pipeline.set(key, b"value %d" % number)
        else:
            pipeline.rpush(key, b"value %d" % number)
    pipeline.execute()
    return server


def until(number: int, what: Callable[[], object]) -> Callable[[], bool]:
    """Goes on so often, and then does ``what``."""
    asked = count(1)

    def keep_going() -> bool:
        if next(asked) <= number:
            return True
        what()
        return False

    return keep_going


def assert_exact(server: redis.Redis, before: dict[bytes, object], keeper: MemoryKeeper) -> None:
    """What is gone is in the archive, once, and nothing else."""
    assert sorted(keeper.keys) == sorted(before.keys() - set(server.keys()))


def purge_until_it_ends(keeper: MemoryKeeper, keep_going: Callable[[], bool]) -> Tally:
    tally = Tally()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.support.archiving.Tally", lambda: tally)
        with suppress(Stopped, KeyboardInterrupt):
            purge_into(keeper, keep_going=keep_going)
    return tally


@pytest.mark.parametrize("number", STOPS)
def test_a_stop_at_any_moment(seeded: redis.Redis, number: int) -> None:
    before, keeper = snapshot(seeded), MemoryKeeper()

    tally = purge_until_it_ends(keeper, until(number, lambda: None))

    assert_exact(seeded, before, keeper)
    assert tally.deleted == len(before) - seeded.dbsize()
    assert tally.vanished == 0
    assert str(BROKEN_WARNING) not in map(str, tally.warnings)


def test_these_stops_come_before_the_end(seeded: redis.Redis) -> None:
    asked = count()

    purge_into(MemoryKeeper(), keep_going=lambda: next(asked) >= 0)

    assert next(asked) > max(STOPS)


@pytest.mark.parametrize("number", STOPS)
def test_an_interruption_at_any_moment(seeded: redis.Redis, number: int) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    before, keeper = snapshot(seeded), MemoryKeeper()

    tally = purge_until_it_ends(keeper, until(number, interrupt))

    gone = before.keys() - set(seeded.keys())
    assert gone <= set(keeper.keys)
    assert len(keeper.keys) == len(set(keeper.keys))
    assert tally.deleted <= len(gone)


@pytest.mark.parametrize("every", [5, 11])
def test_connections_that_end_again_and_again(seeded: redis.Redis, other: RedisServer, every: int) -> None:
    """Whatever was asked over any of them, and not answered."""
    before, keeper, asked = snapshot(seeded), MemoryKeeper(), count(1)

    def keep_going() -> bool:
        number = next(asked)
        if number % every == 0 and number < 80:
            seeded.client_kill_filter(_type="normal", skipme=True)
        return True

    tally = purge_into(keeper, keep_going=keep_going)

    assert seeded.dbsize() == 0
    assert sorted(keeper.keys) == sorted(KEYS)
    assert tally.deleted + tally.vanished == tally.matched
    load(keeper.data, other)
    with other.client() as client:
        assert snapshot(client) == before


def test_everything_comes_back(seeded: redis.Redis, other: RedisServer) -> None:
    before, keeper = snapshot(seeded), MemoryKeeper()

    tally = purge_into(keeper)

    assert tally.deleted == len(KEYS)
    assert len(keeper.committed) > 5
    load(keeper.data, other)
    with other.client() as client:
        assert snapshot(client) == before


def test_what_scan_lists_twice_is_archived_once(seeded: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    before = list[bytes]()

    def again(selection: Selection, page: Sequence[bytes]) -> list[bytes]:
        both = [*before, *page]
        before[:] = page
        return both

    monkeypatch.setattr(Selection, "fresh", again)
    keeper = MemoryKeeper()

    tally = purge_into(keeper)

    assert sorted(keeper.keys) == sorted(KEYS)
    assert keeper.changes == 0
    assert tally.deleted == len(KEYS)
    assert tally.matched == tally.deleted + tally.vanished


def test_a_chunk_that_a_single_key_fills(server: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archiver, "CHUNK_BYTES", 1)
    monkeypatch.setattr(archiver, "LEAST_CHUNK_BYTES", 1)
    server.mset(dict.fromkeys(KEYS[:10], "x"))
    keeper = MemoryKeeper()

    tally = purge_into(keeper)

    assert (tally.deleted, sorted(keeper.keys)) == (10, sorted(KEYS[:10]))


def test_values_that_are_more_than_a_share_wait_for_each_other(server: redis.Redis, other: RedisServer) -> None:
    for number in range(60):
        server.set(key_of("image_crops", "acme", "1", number), large(300_000 + number) if number % 3 else "small")
        server.hset(key_of("canvas_sessions", "acme", "1", number), "field", large(280_000 + number))
    before, keeper = snapshot(server), MemoryKeeper()

    tally = purge_into(keeper)

    assert tally.deleted == len(before)
    load(keeper.data, other)
    with other.client() as client:
        assert snapshot(client) == before


def test_neighbours_of_a_scan_are_parted() -> None:
    keys = [b"%d" % number for number in range(1000)]
    entries = Entries.of([(key, 0, b"") for key in keys], keys, [0] * 1000, keys, are_strings=True)

    groups = list(groups_of(entries, 1 << 20, clustered=False))

    assert sorted(key for group in groups for key in group.keys) == sorted(keys)
    assert max(map(len, groups)) <= WATCHED_KEYS
    for group in groups:
        numbers = sorted(map(int, group.keys))
        assert min(after - before for before, after in pairwise(numbers)) > 1


def test_groups_are_of_few_bytes() -> None:
    keys = [b"%d" % number for number in range(50)]
    values = [b"x" * (400 if number % 5 else 3000) for number in range(50)]
    entries = Entries.of([(key, 0, b"") for key in keys], values, [0] * 50, keys, are_strings=True)

    groups = list(groups_of(entries, 1000, clustered=False))

    assert sorted(key for group in groups for key in group.keys) == sorted(keys)
    assert all(sum(group.sizes()) <= 1000 or len(group) == 1 for group in groups)
