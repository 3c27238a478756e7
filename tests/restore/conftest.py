from __future__ import annotations

from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.engine.archive import archived_sweep, archiver
from dealpurge.engine.guard.archived import guard
from dealpurge.keys.families import Keyspace
from tests.archive.conftest import keeper, other, server, spare_server
from tests.support.archiving import MemoryKeeper, purge_into, snapshot
from tests.support.restoring import MemorySource
from tests.support.seeding import seed_scene

__all__ = ["keeper", "other", "server", "spare_server"]

DEALS = 100


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """An archive of some deals has many files."""
    settings.DEALPURGE_SCAN_COUNT = 50
    for module in (archived_sweep, guard):
        monkeypatch.setattr(module, "READ_AT_ONCE", 20)
    monkeypatch.setattr(archiver, "CHUNK_BYTES", 2048)
    monkeypatch.setattr(archiver, "LEAST_CHUNK_BYTES", 2048)


@pytest.fixture
def before(server: redis.Redis, small_chunks: None) -> dict[bytes, Any]:
    """What all keys held before the purge: six of each deal, and two of others."""
    seed_scene(server, deals=DEALS)
    return snapshot(server)


@pytest.fixture
def source(before: dict[bytes, Any], keeper: MemoryKeeper) -> MemorySource:
    """The archive of a purge of all deals."""
    purge_into(keeper)
    return MemorySource(keeper, Keyspace.from_settings())
