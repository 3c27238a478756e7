from __future__ import annotations

import pytest
import redis

from dealpurge.engine.guard import lookahead
from tests.conftest import PointCacheAt
from tests.support.servers import RedisServer


@pytest.fixture
def server(
    redis_server: RedisServer, redis_client: redis.Redis, cache_at: PointCacheAt, monkeypatch: pytest.MonkeyPatch
) -> redis.Redis:
    """The test's own client of an emptied server, at which Django's cache points too."""
    cache_at(redis_server.url)
    if redis_server.kind == "valkey":  # a guarded purge looks ahead every few deals
        monkeypatch.setattr(lookahead, "JUDGED_AT_ONCE", 2)
    return redis_client
