"""The address of Redis as it is configured, never with a password, and told without connecting."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings
from redis.cluster import ClusterNode, RedisCluster

from dealpurge.servers.address import address_of, configured
from tests.conftest import PointCacheAt

SECRET = "s3cr3t"
SENTINELS = [("s2.invalid", 26380), ("s1.invalid", 26379)]
SENTINEL: dict[str, Any] = {
    "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
    "SENTINELS": SENTINELS,
    "SENTINEL_KWARGS": {"password": SECRET},
    "PASSWORD": SECRET,
}


@pytest.mark.parametrize(
    ("url", "options", "address"),
    [
        (f"redis://ann:{SECRET}@redis.invalid:6380/3", {}, "redis.invalid:6380/3"),
        ("redis://redis.invalid", {"PASSWORD": SECRET}, "redis.invalid:6379/0"),
        ("redis://redis.invalid?db=2", {}, "redis.invalid:6379/2"),
        (f"rediss://:{SECRET}@redis.invalid:6380/0", {}, "redis.invalid:6380/0"),
        ("redis://[2001:db8::1]:6379/0", {}, "[2001:db8::1]:6379/0"),
        (f"unix://ann:{SECRET}@/run/redis.sock?db=4", {}, "/run/redis.sock db 4"),
        ("redis://main/5", SENTINEL, "main/5 (Sentinel s1.invalid:26379, s2.invalid:26380)"),
    ],
)
def test_it_is_told_without_a_connection(
    cache_at: PointCacheAt, url: str, options: dict[str, Any], address: str
) -> None:
    cache_at(url, **options)

    assert configured() == address


def test_the_order_of_the_sentinels_is_none_of_it(cache_at: PointCacheAt) -> None:
    cache_at("redis://main/0", **SENTINEL)
    before = configured()

    cache_at("redis://main/0", **SENTINEL | {"SENTINELS": SENTINELS[::-1]})

    assert configured() == before


@pytest.mark.parametrize("url", ["redis://ann:12/s3cr3t@redis.invalid:6379/0", "redis://:12#s3cr3t@redis.invalid/0"])
def test_a_password_that_nobody_encoded_is_in_none(settings: Settings, url: str) -> None:
    # Of these redis-py makes ann:12 and localhost:12.
    settings.CACHES["default"]["LOCATION"] = url

    assert configured() == ""


@pytest.mark.parametrize(
    "cache",
    [
        {"BACKEND": "no.such.Cache", "LOCATION": "redis://redis.invalid"},
        {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"redis://:a[{SECRET}]@redis.invalid"},
        {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    ],
)
def test_settings_of_which_no_client_is_made_lead_nowhere(settings: Settings, cache: dict[str, Any]) -> None:
    settings.CACHES = {"default": cache}

    assert configured() == ""


def test_a_callable_is_not_called(settings: Settings) -> None:
    called: list[None] = []
    settings.DEALPURGE_REDIS_CLIENT = lambda: called.append(None)

    assert (configured(), called) == ("", [])


def test_its_client_tells() -> None:
    client = redis.Redis(host="redis.invalid", port=6380, db=1, username="ann", password=SECRET)

    assert address_of(client) == "redis.invalid:6380/1"


def test_a_client_that_is_no_other_tells_nothing() -> None:
    assert address_of(object()) == ""


def test_a_cluster_is_known_by_the_nodes_that_were_named() -> None:
    client = RedisCluster.__new__(RedisCluster)
    node: Any = ClusterNode
    client.startup_nodes = [node("b.invalid", 7001), node("a.invalid", 7000)]

    assert address_of(client) == "cluster a.invalid:7000, b.invalid:7001"
