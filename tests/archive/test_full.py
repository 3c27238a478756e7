"""A Redis whose memory is full: up to 7.0 it takes no transaction, and nothing goes without unless a host says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.engine.archive import warnings
from tests.support.archiving import MemoryKeeper, load, purge_into, snapshot
from tests.support.seeding import HOUR, seed_scene
from tests.support.servers import RedisServer

pytestmark = pytest.mark.faults

#: The one that refuses transactions when it is full.
REFUSING = "redis"


@pytest.fixture
def full(server: redis.Redis) -> Iterator[dict[bytes, Any]]:
    """What a server holds that takes no more."""
    seed_scene(server, deals=50)
    before = snapshot(server)
    server.config_set("maxmemory", 1)
    yield before
    server.config_set("maxmemory", 0)


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("on_full", ["stop", "unchecked"])
def test_what_a_full_server_loses_is_archived(
    redis_server: RedisServer,
    server: redis.Redis,
    other: RedisServer,
    keeper: MemoryKeeper,
    full: dict[bytes, Any],
    settings: Settings,
    on_full: str,
    guarded: bool,
) -> None:
    settings.DEALPURGE_ARCHIVE_ON_FULL = on_full
    refuses = redis_server.kind == REFUSING
    stays = refuses and on_full == "stop"

    tally = purge_into(keeper, exclude_active_within_secs=HOUR if guarded else None)

    left = snapshot(server)
    load(keeper.data, other)
    with other.client() as loaded:
        assert snapshot(loaded) == {key: value for key, value in full.items() if key not in left}
    assert (tally.deleted, tally.not_removed) == ((0, 300) if stays else (300, 0))
    assert len(left) == len(full) - tally.deleted
    assert (warnings.FULL_WARNING in tally.warnings) == stays
    assert (warnings.UNCHECKED_WARNING in tally.warnings) == (refuses and not stays)
