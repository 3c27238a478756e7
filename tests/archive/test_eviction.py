"""A server that evicts when it is full evicts nothing for a purge, whose reads are small beside what is free."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.conftest import PointCacheAt, start_server
from tests.support.archiving import MemoryKeeper, purge_into
from tests.support.contents import large
from tests.support.seeding import HOUR, key_of

pytestmark = pytest.mark.faults

#: Bytes of a value, and how many there are.
SIZE, KEYS = 200_000, 100


@pytest.fixture
def crowded(server_kind: str, tmp_path: Path, cache_at: PointCacheAt) -> Iterator[redis.Redis]:
    """A server of this test's own with large values, a tenth of whose memory is free, and which evicts."""
    server = start_server(server_kind, tmp_path / "server", **{"maxmemory-policy": "allkeys-lru"})
    cache_at(server.url)
    with server.client() as client:
        fill(client)
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.1))
        yield client
    server.stop()


def fill(client: redis.Redis) -> None:
    """Strings, hashes of one large field and of many, lists."""
    for number in range(KEYS // 4):
        client.set(key_of("image_crops", "acme", "1", number), large(SIZE + number))
        client.hset(key_of("canvas_sessions", "acme", "1", number), "field", large(SIZE - number))
        client.rpush(key_of("brush_findings", "acme", "1", number), *(large(2000 + n) for n in range(100)))
        fields: dict[Any, Any] = {f"field-{n}": large(190 + n % 20) for n in range(1000)}
        client.hset(key_of("doc_readiness", "acme", "1", number), mapping=fields)


@pytest.mark.parametrize("guarded", [False, True])
def test_nothing_is_evicted_while_large_values_are_archived(crowded: redis.Redis, guarded: bool) -> None:
    keeper = MemoryKeeper()

    tally = purge_into(keeper, exclude_active_within_secs=HOUR if guarded else None)

    assert crowded.info("stats")["evicted_keys"] == 0
    assert (tally.deleted, tally.vanished, len(keeper.keys)) == (KEYS, 0, KEYS)


def test_it_is_a_server_that_evicts(crowded: redis.Redis) -> None:
    """Somebody who asks for ten of them at once makes it, so that the one above says something."""
    keys = [key_of("image_crops", "acme", "1", number) for number in range(KEYS // 4)]

    pipe = crowded.pipeline(transaction=False)
    for key in keys:
        pipe.get(key)
    pipe.execute()
    for number in range(20):
        crowded.set(f"other:{number}", large(SIZE))

    assert crowded.info("stats")["evicted_keys"] > 0
