"""Connections that end, servers that are restarted, and runs that are told to stop, in the middle of a restore."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.engine.restore import restoring, words, writer
from dealpurge.engine.restore.tally import RestoreTally
from dealpurge.engine.restore.writer import LOST_WARNING, Writer
from dealpurge.exceptions import RedisUnavailable
from tests.conftest import PointCacheAt, start_server
from tests.support.archiving import MemoryKeeper, snapshot
from tests.support.proxy import CuttingProxy
from tests.support.restoring import MemorySource, counts, restore_from
from tests.support.seeding import names
from tests.support.servers import RedisServer

pytestmark = pytest.mark.faults

Contents = dict[bytes, Any]
Strike = Callable[[Callable[[], object], int], None]


@pytest.fixture(autouse=True)
def _small_packets(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 5
    for module in (restoring, writer):
        monkeypatch.setattr(module, "PACKET_BYTES", 1024)


@pytest.fixture
def strike(monkeypatch: pytest.MonkeyPatch) -> Iterator[Strike]:
    """Have something happen once so many pieces were given to the writer, before the next one is."""
    struck: list[int] = []

    def at(fault: Callable[[], object], pieces: int) -> None:
        put, given = Writer.put, list[int]()

        def putting(self: Writer, commands: Any) -> None:
            given.append(len(commands))
            if len(given) == pieces:
                struck.append(pieces)
                fault()
            put(self, commands)

        monkeypatch.setattr(Writer, "put", putting)

    yield at
    assert struck, "the restore was over before the fault"


def assert_complete(tally: RestoreTally, server: redis.Redis, before: Contents) -> None:
    """All keys are there, each is counted once, and what may be wrong about the counts is said."""
    assert snapshot(server) == before
    found = counts(tally)
    assert found.keys() <= {"restored", "kept"}
    assert sum(found.values()) == tally.written == 600
    assert tally.complete
    assert (LOST_WARNING in tally.warnings) == ("kept" in found)


MOMENTS = [1, 2, 5, 20, 45, 60]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_connection_that_is_killed(
    server: redis.Redis, keeper: MemoryKeeper, before: Contents, source: MemorySource, strike: Strike, moment: int
) -> None:
    strike(lambda: server.client_kill_filter(_type="normal", skipme=True), moment)

    tally = restore_from(keeper, source=source)

    assert_complete(tally, server, before)
    assert not tally.unfinished


@pytest.mark.parametrize("size", [0, 30, 300, 1500])
def test_replies_that_are_lost_in_the_middle(
    redis_server: RedisServer,
    server: redis.Redis,
    keeper: MemoryKeeper,
    before: Contents,
    source: MemorySource,
    cache_at: PointCacheAt,
    strike: Strike,
    size: int,
) -> None:
    """What was written before counts as there already, which is said."""
    places: list[int] = []

    def cut(passed: int) -> bool:
        return bool(places) and passed >= places[0] and bool(places.pop())

    with CuttingProxy(redis_server.address, cut) as proxy:
        cache_at(proxy.url)
        strike(lambda: places.append(proxy.passed + size), 4)

        tally = restore_from(keeper, source=source)

        assert proxy.cuts == 1
    assert_complete(tally, server, before)
    assert "kept" in counts(tally)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_request_that_is_cut_before_or_after_it_arrived(
    redis_server: RedisServer,
    server: redis.Redis,
    keeper: MemoryKeeper,
    before: Contents,
    source: MemorySource,
    cache_at: PointCacheAt,
    moment: Any,
) -> None:
    cuts = iter([moment])

    def cut(request: bytes) -> Any:
        return next(cuts, None) if b"\r\nNX\r\n" in request else None

    with CuttingProxy(redis_server.address, cut_request=cut) as proxy:
        cache_at(proxy.url)

        tally = restore_from(keeper, source=source)

        assert proxy.cuts == 1
    assert_complete(tally, server, before)
    assert ("kept" in counts(tally)) == (moment == "after")


@pytest.fixture
def own_server(redis_server: RedisServer, tmp_path: Any, cache_at: PointCacheAt) -> Iterator[RedisServer]:
    """A server that the test may stop."""
    server = start_server(redis_server.kind, tmp_path / "own")
    yield server
    server.stop()


@pytest.mark.parametrize("moment", [2, 20, 45])
@pytest.mark.parametrize("saved", [True, False])
def test_a_server_that_is_restarted(
    keeper: MemoryKeeper,
    before: Contents,
    source: MemorySource,
    own_server: RedisServer,
    cache_at: PointCacheAt,
    strike: Strike,
    saved: bool,
    moment: int,
) -> None:
    """With what was written before, or without: then another restore completes it, and the first one says so, if it had
    written anything by then."""
    cache_at(own_server.url)
    archived = set(source.keys_of(*source.stored))

    def restart() -> None:
        if saved:
            own_server.restart()
        else:
            own_server.kill()
            own_server.start()

    strike(restart, moment)

    first = restore_from(keeper, source=source)

    begun = moment > 2
    assert (words.REPLACED_WARNING in first.warnings, first.unfinished) == (begun, begun)
    assert first.written == 600
    with own_server.client() as client:
        there = snapshot(client)
        assert there == {key: before[key] for key in there}
        assert (there.keys() == archived) == (saved or not begun)
        second = restore_from(keeper)
        assert snapshot(client) == {key: before[key] for key in archived}
    assert counts(second).get("kept", 0) == len(there)
    assert not second.unfinished


def test_a_server_that_does_not_come_back(
    keeper: MemoryKeeper,
    before: Contents,
    source: MemorySource,
    own_server: RedisServer,
    cache_at: PointCacheAt,
    strike: Strike,
    settings: Settings,
) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0.2
    cache_at(own_server.url)
    strike(own_server.stop, 20)

    with pytest.raises(RedisUnavailable):
        restore_from(keeper, source=source)

    own_server.start()
    tally = restore_from(keeper)
    with own_server.client() as client:
        assert snapshot(client) == {key: before[key] for key in source.keys_of(*source.stored)}
    assert not tally.unfinished


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_is_told_to_stop(
    server: redis.Redis, keeper: MemoryKeeper, before: Contents, source: MemorySource, strike: Strike, moment: int
) -> None:
    """What Redis has written by then is counted, and there; another run completes it."""
    strangers, told = names(server), list[bool]()
    strike(lambda: told.append(True), moment)

    first = restore_from(keeper, source=source, keep_going=lambda: not told)

    written = counts(first).get("restored", 0)
    assert (first.cancelled, first.complete) == (True, False)
    assert len(names(server) - strangers) == written < 600
    second = restore_from(keeper)
    assert counts(second) == ({"kept": written} if written else {}) | {"restored": 600 - written}
    assert snapshot(server) == before
    assert (second.cancelled, second.unfinished) == (False, False)


def test_a_run_that_is_told_to_stop_while_files_are_checked(
    server: redis.Redis, keeper: MemoryKeeper, source: MemorySource
) -> None:
    left = snapshot(server)

    tally = restore_from(keeper, source=source, keep_going=lambda: len(source.reads) < 3)

    assert tally.cancelled
    assert not tally.complete
    assert snapshot(server) == left
