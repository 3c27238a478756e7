from __future__ import annotations

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.runs import record, retry, silence
from tests.support.seeding import seed_deal

from .trouble import KEYS


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """All of it in a second or two."""
    monkeypatch.setattr(silence, "SECONDS", 0.5)
    monkeypatch.setattr(silence, "SQLITE_SECONDS", 0.2)
    monkeypatch.setattr(retry, "RETRY_FOR_SECONDS", 1)
    monkeypatch.setattr(record, "HEARTBEAT_SECONDS", 0)
    settings.DEALPURGE_SCAN_COUNT = 20


@pytest.fixture
def deals(fake_redis: redis.Redis) -> redis.Redis:
    for number in range(KEYS // 10):
        seed_deal(fake_redis, "acme", f"deal-{number}", locks=0, image_crops=10)
    return fake_redis
