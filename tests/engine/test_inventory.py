from __future__ import annotations

from datetime import UTC, datetime

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.engine.inventory import InventoryRow, take_inventory
from dealpurge.engine.sweep.tally import Tally
from dealpurge.keys.families import Keyspace
from tests.support.seeding import seed_deal

MOMENT = datetime(2026, 11, 1, 12, tzinfo=UTC)


def inventory(tally: Tally | None = None) -> dict[tuple[str | None, str], InventoryRow]:
    rows = take_inventory(Keyspace.from_settings(), tally or Tally(), lambda: True)
    return {(row.org_id, row.deal_id): row for row in rows}


def counts(row: InventoryRow) -> dict[str, int]:
    return {name: count for name, count in zip(Keyspace.from_settings().names, row.families, strict=True) if count}


@pytest.fixture
def seeded(deal_settings: Settings, redis_client: redis.Redis) -> redis.Redis:
    seed_deal(redis_client, "acme", "d1", at=MOMENT, image_crops=2, checkpoints=1)
    for org_id in ("acme", "beta"):
        seed_deal(redis_client, org_id, "both", image_crops=0)
    redis_client.mset({"checkpoint:lonely:__empty__:1": 1, "checkpoint:both:x": 1, "other:d1": 1})
    return redis_client


def test_keys_are_counted_by_deal_and_family(seeded: redis.Redis) -> None:
    row = inventory()["acme", "d1"]

    assert counts(row) == {"locks": 1, "image_crops": 2, "events": 1, "checkpoints": 1}


def test_the_last_activity_is_that_of_the_events(seeded: redis.Redis) -> None:
    rows = inventory()

    assert rows["acme", "d1"].last_active_at == MOMENT
    assert rows["acme", "both"].last_active_at is None


def test_orgless_keys_stand_alone_unless_one_organisation_holds_the_id(seeded: redis.Redis) -> None:
    assert set(inventory()) == {("acme", "d1"), ("acme", "both"), ("beta", "both"), (None, "both"), (None, "lonely")}


def test_the_tally_counts_as_a_dry_run_with_checkpoints_would(seeded: redis.Redis) -> None:
    tally = Tally()

    inventory(tally)

    assert (tally.scanned, tally.matched, tally.deleted) == (10, 9, 0)
    assert sum(tally.families.values()) == 9
    assert seeded.dbsize() == 10


def test_a_stop_ends_it_without_rows_of_what_was_not_seen(seeded: redis.Redis) -> None:
    tally = Tally()

    rows = list(take_inventory(Keyspace.from_settings(), tally, lambda: False))

    assert rows == []
    assert tally.cancelled
