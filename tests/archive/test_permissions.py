"""A Redis user who may read some keys and not delete them: these stay, and the others go."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from tests.conftest import PointCacheAt
from tests.support.archiving import MemoryKeeper, purge_into
from tests.support.purging import report_of
from tests.support.seeding import HOUR, key_of, seed_deal
from tests.support.servers import RedisServer

GUARD: dict[str, Any] = {"exclude_active_within_secs": HOUR}


@pytest.fixture
def _may_not_delete_crops(redis_server: RedisServer, server: redis.Redis, cache_at: PointCacheAt) -> Any:
    rules = ["on", ">secret", "+@all", "%R~canvas:image_crop:*"]
    rules += [f"~{head}*" for head in ("canvas:events", "canvas:lock", "canvas:session", "canvas:presence")]
    rules += [f"~{head}*" for head in ("digit", "intake", "doc", "deal", "brush", "write", "check", "thread")]
    execute: Any = server.execute_command
    execute("ACL", "SETUSER", "reader", "reset", *rules)
    host, port = redis_server.address
    cache_at(f"redis://reader:secret@{host}:{port}/0")
    yield
    server.acl_deluser("reader")


@pytest.mark.usefixtures("_may_not_delete_crops")
@pytest.mark.parametrize("guarded", [False, True])
def test_what_may_be_read_and_not_deleted_keeps_back_nothing_else(
    server: redis.Redis, keeper: MemoryKeeper, guarded: bool
) -> None:
    for number in range(10):
        seed_deal(server, "acme", f"{number}", age=2 * HOUR, image_crops=number == 5)
    before, crop = set(server.keys()), key_of("image_crops", "acme", "5").encode()
    assert crop in before

    tally = purge_into(keeper, **(GUARD if guarded else {}))

    there: Any = server.keys()
    left = set(there)
    assert crop in left
    assert {key.split(b":")[3] for key in left} == {b"5"}
    assert sorted(keeper.keys) == sorted(before - left)
    assert (tally.deleted, tally.not_removed) == (len(before - left), len(left))
    assert report_of(tally).status == "partial"
