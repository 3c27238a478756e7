from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django_redis.pool import ConnectionFactory
from pytest_django.fixtures import Settings

from dealpurge.engine.guard import lookahead
from tests.conftest import PointCacheAt, start_server
from tests.support.leaks import nothing_left_behind, open_sockets, strangers
from tests.support.servers import RedisServer


@pytest.fixture(autouse=True)
def _nothing_is_left_behind(cache_at: PointCacheAt) -> Iterator[None]:
    """No connection of ours, no thread and no socket outlives the test, and the host's pool has all that it lent."""
    sockets = open_sockets()
    with nothing_left_behind() as made:
        yield
    for pool in ConnectionFactory._pools.values():
        assert not pool._in_use_connections
        assert not any(connection in made for connection in pool._available_connections)
        pool.disconnect()
    assert open_sockets() <= sockets


@pytest.fixture(autouse=True)
def _many_looks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """On one of the kinds of server a guarded purge looks ahead twice as often."""
    if "valkey" in request.node.name:
        monkeypatch.setattr(lookahead, "JUDGED_AT_ONCE", 100)


@pytest.fixture
def server(server_kind: str, tmp_path: Path, settings: Settings) -> Iterator[RedisServer]:
    """A server of this test's own, to be killed and filled; small pages, so that a run has a middle."""
    settings.DEALPURGE_SCAN_COUNT = 100
    server = start_server(server_kind, tmp_path / "server")
    yield server
    if server.process:
        assert strangers(server) == [], "a connection is left behind"
    server.stop()


@pytest.fixture
def client(server: RedisServer, cache_at: PointCacheAt) -> Iterator[redis.Redis]:
    """The test's own client of `server`, at which Django's cache points too."""
    cache_at(server.url)
    with server.client(client_name="test") as client:
        yield client
