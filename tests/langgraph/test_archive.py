"""Keys of modules, such as a saver's checkpoints in RedisJSON, are archived as any other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from tests.conftest import PointCacheAt, emptied
from tests.support.archiving import MemoryKeeper, load, purge_into
from tests.support.contents import LATER
from tests.support.seeding import HOUR, key_of
from tests.support.servers import RedisServer

pytestmark = pytest.mark.langgraph

DOCUMENTS: dict[bytes, Any] = {
    key_of("canvas_sessions", "acme", "1", number).encode(): {"number": number, "text": "ü" * number, "list": [1, None]}
    for number in range(40)
}


@pytest.fixture
def stack(server_of: Callable[[str], RedisServer], cache_at: PointCacheAt) -> RedisServer:
    server = server_of("stack")
    cache_at(server.url)
    return server


@pytest.fixture
def client(stack: RedisServer) -> Iterator[redis.Redis]:
    yield from emptied(stack)


def contents(client: redis.Redis) -> dict[bytes, tuple[Any, int]]:
    """Each document, and when it goes."""
    execute: Any = client.execute_command
    keys: Any = client.keys()
    return {key: (json.loads(execute("JSON.GET", key)), execute("PEXPIRETIME", key)) for key in keys}


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("indexed", [False, True])
def test_documents_come_back_as_they_were(
    stack: RedisServer, client: redis.Redis, guarded: bool, indexed: bool
) -> None:
    execute: Any = client.execute_command
    if indexed:
        execute("FT.CREATE", "index", "ON", "JSON", "PREFIX", 1, "canvas:", "SCHEMA", "$.number", "AS", "n", "NUMERIC")
    for number, (key, document) in enumerate(DOCUMENTS.items()):
        execute("JSON.SET", key, "$", json.dumps(document))
        if number % 2:
            execute("PEXPIREAT", key, LATER + number)
    before, keeper = contents(client), MemoryKeeper()

    tally = purge_into(keeper, exclude_active_within_secs=HOUR if guarded else None)

    assert (tally.deleted, tally.not_removed, client.dbsize()) == (len(DOCUMENTS), 0, 0)
    load(keeper.data, stack)
    assert contents(client) == before
    if indexed:
        execute("FT.DROPINDEX", "index")
