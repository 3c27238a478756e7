"""The lists of a report hold 100 entries, the first of which matter most, and say if there are more."""

from __future__ import annotations

import pytest
import redis

from dealpurge.keys.families import FAMILIES
from tests.support.purging import purge
from tests.support.seeding import HOUR, seed_deal

pytestmark = pytest.mark.usefixtures("deal_settings")


@pytest.mark.parametrize(("active", "truncated"), [(100, False), (101, True)])
@pytest.mark.parametrize("dry_run", [True, False])
def test_of_the_deals_that_stay_those_with_the_latest_activity_are_listed(
    redis_client: redis.Redis, active: int, truncated: bool, dry_run: bool
) -> None:
    ages = {f"d{number:03}": 60 + number * 37 % active * 20 for number in range(active)}
    for deal_id, age in ages.items():
        seed_deal(redis_client, "acme", deal_id, age=age, image_crops=0)

    report = purge(exclude_active_within_secs=HOUR, dry_run=dry_run)

    latest_first = sorted(ages, key=lambda deal_id: ages[deal_id])
    assert [deal.deal_id for deal in report.skipped] == latest_first[:100]
    assert (report.deals.skipped_active, report.as_dict()["skipped_truncated"]) == (active, truncated)


def test_deals_whose_activity_nobody_knows_are_listed_last(redis_client: redis.Redis) -> None:
    seed_deal(redis_client, "acme", "a-known", age=60, image_crops=0)
    seed_deal(redis_client, "acme", "b-unknown", image_crops=0)
    redis_client.hset("canvas:events:acme:b-unknown", "of a type that", "tells no time")
    redis_client.config_set("maxmemory-policy", "allkeys-lfu")  # and no idle time either
    try:
        report = purge(exclude_active_within_secs=HOUR)
    finally:
        redis_client.config_set("maxmemory-policy", "noeviction")

    assert [deal.deal_id for deal in report.skipped] == ["a-known", "b-unknown"]
    assert report.skipped[1].last_active_at is None


@pytest.mark.parametrize("named", [2, 150])
def test_several_deals_are_named_in_the_order_in_which_they_were(redis_client: redis.Redis, named: int) -> None:
    deals = tuple(("acme", f"d{number * 71 % named:03}") for number in range(named))
    for _, deal_id in deals:
        seed_deal(redis_client, "acme", deal_id, image_crops=0)

    report = purge(mode="by_deal", deals=deals)

    body = report.as_dict()
    assert body["deals_named"] == [{"org_id": "acme", "deal_id": deal_id} for _, deal_id in deals[:100]]
    assert (body["deal_id"], body["org_id"]) == (None, "acme")
    assert (report.deals.purged, report.keys.deleted) == (named, named)


def test_of_the_keys_that_no_family_claims_a_sample_is_listed(redis_client: redis.Redis) -> None:
    assert "canvas:sketch" not in str(FAMILIES)
    for number in range(150):
        redis_client.set(f"canvas:sketch:acme:d1:{number:03}", "x")

    report = purge(mode="by_deal", deals=(("acme", "d1"),))

    assert report.keys.unclaimed == 150
    assert len(set(report.unclaimed_sample)) == 100
    assert all(key.startswith("canvas:sketch:acme:d1:") for key in report.unclaimed_sample)
    assert redis_client.dbsize() == 150
