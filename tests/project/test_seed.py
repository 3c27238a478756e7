from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import redis

from project.deals import seed
from project.deals.models import Deal

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DEALS = [("acme", f"deal-{number}") for number in range(100)]

TYPES = {
    "canvas:session": {b"hash"},
    "canvas:lock": {b"string"},
    "canvas:presence": {b"hash", b"zset"},
    "canvas:events": {b"stream"},
    "canvas:image_crop": {b"string"},
    "digitization:cache": {b"string", b"hash"},
    "intake:summary": {b"string"},
    "doc:readiness": {b"hash"},
    "deal_intel:cache": {b"string"},
    "brush:findings": {b"list", b"string"},
}
CHECKPOINTS = ["checkpoint", "checkpoint_latest", "checkpoint_write", "write_keys_zset", "checkpoint:{", "writes:{"]


@pytest.mark.parametrize(("prefix", "types"), TYPES.items())
def test_every_family_is_seeded_in_its_types(redis_client: redis.Redis, prefix: str, types: set[bytes]) -> None:
    seed.seed_redis(redis_client, DEALS, now=NOW)

    keys = redis_client.keys(f"{prefix}:acme:deal-*")

    assert {redis_client.type(key) for key in keys} == types


@pytest.mark.parametrize("prefix", [*CHECKPOINTS, "thread:{"])
def test_checkpoints_of_both_savers_are_seeded(valkey_client: redis.Redis, prefix: str) -> None:
    seed.seed_redis(valkey_client, DEALS, now=NOW)

    assert valkey_client.keys(f"{prefix}*deal-*")


def test_the_newest_event_is_the_last_activity(valkey_client: redis.Redis) -> None:
    seed.seed_redis(valkey_client, DEALS, now=NOW)

    for org_id, deal_id in DEALS:
        expected = seed.last_activity(org_id, deal_id, NOW)
        key = f"canvas:events:{org_id}:{deal_id}"
        if expected is None:
            assert not valkey_client.exists(key)
        else:
            newest = valkey_client.xinfo_stream(key)["last-generated-id"]
            assert newest == f"{int(expected.timestamp() * 1000)}-0".encode()


def test_some_deals_are_active_some_idle_some_without_events() -> None:
    moments = [seed.last_activity(*deal, NOW) for deal in DEALS]

    recent = [moment for moment in moments if moment and NOW - moment < timedelta(hours=1)]
    assert 0 < len(recent) < len(DEALS) / 2
    assert 0 < moments.count(None) < len(DEALS) / 2


def test_locks_expire(valkey_client: redis.Redis) -> None:
    seed.seed_redis(valkey_client, DEALS, now=NOW)

    assert all(0 < valkey_client.ttl(key) <= 1800 for key in valkey_client.keys("canvas:lock:*"))


def test_seeding_again_gives_the_same_keys(valkey_client: redis.Redis) -> None:
    counted = seed.seed_redis(valkey_client, DEALS, now=NOW)
    before = set(valkey_client.keys())

    assert seed.seed_redis(valkey_client, DEALS, now=NOW) == counted == len(before) - 1
    assert set(valkey_client.keys()) == before
    assert seed.foreign_keys(valkey_client) == []


def test_keys_that_were_not_seeded_are_foreign(valkey_client: redis.Redis) -> None:
    seed.seed_redis(valkey_client, DEALS, now=NOW)
    valkey_client.set("somebody:else", 1)

    assert seed.foreign_keys(valkey_client) == [b"somebody:else"]


def test_a_redis_that_was_never_seeded_is_all_foreign_but_an_empty_one_is_not(valkey_client: redis.Redis) -> None:
    assert seed.foreign_keys(valkey_client) == []
    valkey_client.set(seed.SEEDED, "not our set")

    assert seed.foreign_keys(valkey_client) == [seed.SEEDED.encode()]


@pytest.mark.django_db
def test_the_database_is_seeded_once() -> None:
    first = seed.seed_database(30)

    assert seed.seed_database(30) == first
    assert Deal.objects.count() == 30
    assert {deal.organization.slug for deal in first} == set(seed.ORGANIZATIONS)
