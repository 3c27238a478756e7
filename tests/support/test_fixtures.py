"""The fixtures that other tests lean on."""

from __future__ import annotations

import fakeredis
import pytest
import redis
from django.core.cache import cache
from django_redis import get_redis_connection
from pytest_django.fixtures import Settings

from .servers import RedisServer


def test_a_test_that_asked_for_no_redis_has_none() -> None:
    with pytest.raises(redis.ConnectionError):
        get_redis_connection("default").ping()


def test_deal_settings_point_the_cache_at_the_server(deal_settings: Settings, redis_client: redis.Redis) -> None:
    cache.set("k", 1)

    assert redis_client.keys() == [b":1:k"]


def test_each_test_starts_empty(deal_settings: Settings, redis_client: redis.Redis) -> None:
    assert redis_client.dbsize() == 0


def test_fake_redis_talks_to_no_server(fake_redis: redis.Redis, fake_server: fakeredis.FakeServer) -> None:
    cache.set("k", 1)
    assert fake_redis.keys() == [b":1:k"]

    fake_server.connected = False
    with pytest.raises(redis.ConnectionError):
        fake_redis.ping()


def test_a_restarted_server_has_its_data_and_another_run_id(valkey_server: RedisServer) -> None:
    client = valkey_server.client()
    client.set("k", "v")
    before = client.info("server")["run_id"]

    valkey_server.restart()

    assert client.get("k") == b"v"
    assert client.info("server")["run_id"] != before


@pytest.mark.xdist_group("one worker")
def test_a_group_stays_on_one_worker(request: pytest.FixtureRequest) -> None:
    """What pytest-xdist sends by is the end of a test's name. It fails where the two do not fit together."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("there is one process only")

    assert request.node.nodeid.endswith("@one worker")
