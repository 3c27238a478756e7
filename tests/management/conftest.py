from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.engine import purging
from dealpurge.engine.pass_warnings import UNVERIFIED_WARNING
from dealpurge.engine.sweep.tally import Tally
from dealpurge.keys.families import Keyspace
from dealpurge.models import PurgeRun
from dealpurge.runs.termination import request_cancel
from dealpurge.scope import PurgeScope
from tests.conftest import PointCacheAt
from tests.support.seeding import seed_deal
from tests.support.servers import free_port

LIVE_ALL = ("--mode", "all", "--no-dry-run", "--no-input", "--reason", "nightly")
CALLED = "purge_deals --mode all (nightly)"
LONG_AGO = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)

Engine = Callable[[Tally], object]
EngineDoes = Callable[[Engine], None]


@pytest.fixture
def deals(valkey_settings: Settings, valkey_client: redis.Redis) -> redis.Redis:
    """An old and a fresh deal."""
    seed_deal(valkey_client, "acme", "deal-1", at=LONG_AGO)
    seed_deal(valkey_client, "birch", "deal-2", at=datetime.now(UTC))
    return valkey_client


@pytest.fixture
def engine_does(monkeypatch: pytest.MonkeyPatch) -> EngineDoes:
    """Put something in place of the engine."""

    def put(engine: Engine) -> None:
        def engaged(scope: PurgeScope, keyspace: Keyspace, tally: Tally, *rest: Any) -> None:
            engine(tally)

        monkeypatch.setattr(purging, "purge", engaged)

    return put


@pytest.fixture
def redis_away(cache_at: PointCacheAt, settings: Settings) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0.1
    cache_at(f"redis://127.0.0.1:{free_port()}/0")


def leave_one(tally: Tally) -> None:
    tally.deleted, tally.not_removed = 5, 1


def warn(tally: Tally) -> None:
    tally.deleted = 5
    tally.warn(UNVERIFIED_WARNING)


def be_cancelled_by_ann(tally: Tally) -> None:
    request_cancel(PurgeRun.objects.get().pk, "ann")
    tally.deleted, tally.cancelled = 5, True


def latest() -> PurgeRun:
    return PurgeRun.objects.latest("created_at")
