"""How long it takes to write back 300,000 small keys, beside what a person would do with the same files."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable

import pytest
import redis

from tests.benchmarks.rivals import has_redis_cli
from tests.conftest import PointCacheAt
from tests.support.archiving import MemoryKeeper, purge_into
from tests.support.restoring import restore_from
from tests.support.samples import sample
from tests.support.seeding import key_of
from tests.support.servers import RedisServer, missing

pytestmark = [pytest.mark.slow, pytest.mark.bench]

KEYS, DEALS = 300_000, 5_000


@pytest.fixture
def archive(redis_client: redis.Redis, redis_server: RedisServer, cache_at: PointCacheAt) -> MemoryKeeper:
    """What a purge has taken; the server is empty by then."""
    cache_at(redis_server.url)
    pipe = redis_client.pipeline(transaction=False)
    for number in range(KEYS):
        pipe.set(key_of("image_crops", f"org-{number % 7}", f"deal-{number % DEALS}", number), "x" * 60)
        if number % 10_000 == 0:
            pipe.execute()
    pipe.execute()
    keeper = MemoryKeeper()
    purge_into(keeper)
    return keeper


def seconds(client: redis.Redis, work: Callable[[], object]) -> float:
    """On an empty server."""
    client.flushall()
    began = time.perf_counter()
    work()
    took = time.perf_counter() - began
    assert client.dbsize() == KEYS
    return took


def test_it_takes_no_more_than_three_times_as_long(
    archive: MemoryKeeper, redis_client: redis.Redis, redis_server: RedisServer
) -> None:
    # 2 to 2.5 is what quiet machines show, with every key told by deal and family.
    if not has_redis_cli():
        missing("redis-cli is not installed (apt-get install redis-tools)")
    host, port = redis_server.address
    pipe = ["redis-cli", "-h", host, "-p", str(port), "--pipe"]
    data = archive.data

    pairs = [
        (
            seconds(redis_client, lambda: subprocess.run(pipe, input=data, capture_output=True, check=True)),
            seconds(redis_client, lambda: restore_from(archive)),
        )
        for _ in range(sample(5, 7))
    ]

    assert statistics.median(ours / theirs for theirs, ours in pairs) <= 3
    assert min(ours for _, ours in pairs) <= 1.5
