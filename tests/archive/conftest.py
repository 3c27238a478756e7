from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from tests.conftest import PointCacheAt, start_server
from tests.support.archiving import MemoryKeeper
from tests.support.servers import RedisServer


@pytest.fixture
def keeper() -> MemoryKeeper:
    return MemoryKeeper()


@pytest.fixture
def server(redis_server: RedisServer, redis_client: redis.Redis, cache_at: PointCacheAt) -> redis.Redis:
    """The test's own client of an emptied server, at which Django's cache points too."""
    cache_at(redis_server.url)
    return redis_client


@pytest.fixture(scope="session")
def spare_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RedisServer]]:
    """Another server of a kind, for what was archived on the first."""
    running: dict[str, RedisServer] = {}

    def of(kind: str) -> RedisServer:
        if kind not in running:
            running[kind] = start_server(kind, tmp_path_factory.mktemp(f"spare-{kind}"))
        return running[kind]

    yield of
    for server in running.values():
        server.stop()


@pytest.fixture
def other(redis_server: RedisServer, spare_server: Callable[[str], RedisServer]) -> RedisServer:
    """An empty server of the same kind."""
    server = spare_server(redis_server.kind)
    with server.client() as client:
        client.flushall()
    return server
