from __future__ import annotations

from datetime import UTC, datetime

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.engine.inventory import InventoryRow, last_activity, take_inventory
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import RedisUnavailable
from dealpurge.keys.families import Keyspace
from dealpurge.scope import Deal
from dealpurge.servers.errors import Stopped
from tests.conftest import PointCacheAt
from tests.support.seeding import key_of, seed_deal

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


def asked(*deals: Deal, others: tuple[Deal, ...] = ()) -> dict[Deal, datetime | None]:
    return last_activity(Keyspace.from_settings(), deals, others, lambda: True)


def test_a_few_deals_can_be_asked_about(seeded: redis.Redis) -> None:
    seed_deal(seeded, "acme", "set", image_crops=0)
    seeded.zadd(key_of("events", "acme", "set"), {"somebody": MOMENT.timestamp()})

    told = asked(("acme", "d1"), ("acme", "both"), ("acme", "set"), ("acme", "nobody's"))

    assert told == {
        ("acme", "d1"): MOMENT,
        ("acme", "both"): None,
        ("acme", "set"): MOMENT,
        ("acme", "nobody's"): None,
    }


def test_that_tells_the_same_as_the_scan(seeded: redis.Redis) -> None:
    rows = inventory()
    others = tuple(deal for deal in rows if deal[0])

    assert asked(*rows, others=others) == {deal: row.last_active_at for deal, row in rows.items()}


def test_a_deal_of_no_organisation_was_active_when_any_of_its_id_was(seeded: redis.Redis) -> None:
    assert asked((None, "d1"), others=(("acme", "d1"), ("beta", "d1"))) == {(None, "d1"): MOMENT}
    assert asked((None, "d1")) == {(None, "d1"): None}


def test_of_what_cannot_be_judged_nothing_is_told(seeded: redis.Redis) -> None:
    seeded.xadd(key_of("events", "acme", "early"), {"field": "value"}, id="5-1")
    seeded.config_set("maxmemory-policy", "allkeys-lfu")
    try:
        assert asked(("acme", "early"), ("acme", "d1")) == {("acme", "d1"): MOMENT}
    finally:
        seeded.config_set("maxmemory-policy", "noeviction")


def test_without_an_events_family_nobody_is_asked(settings: Settings) -> None:
    settings.DEALPURGE_KEY_FAMILIES = {"events": []}

    assert asked(("acme", "d1")) == {}


def test_it_writes_nothing_and_leaves_no_connection(seeded: redis.Redis) -> None:
    before = (seeded.dbsize(), len(seeded.client_list()))
    writes = seeded.info("commandstats").keys()

    asked(("acme", "d1"))

    assert (seeded.dbsize(), len(seeded.client_list())) == before
    assert not {"cmdstat_unlink", "cmdstat_del"} & (seeded.info("commandstats").keys() - writes)


def test_a_server_that_is_away_is_told(cache_at: PointCacheAt, settings: Settings) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0.1
    cache_at("redis://127.0.0.1:1/0")

    with pytest.raises(RedisUnavailable):
        asked(("acme", "d1"))
    with pytest.raises(Stopped):
        last_activity(Keyspace.from_settings(), [("acme", "d1")], (), lambda: False)
