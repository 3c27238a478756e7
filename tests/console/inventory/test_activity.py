"""What has happened since the scan: asked of Redis while the page is made, which opens without an answer too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.models import InventoryDeal, PurgeRun
from dealpurge.scope import Deal
from tests.conftest import PointCacheAt
from tests.console.conftest import LIST, latest, page_of
from tests.console.inventory.conftest import add
from tests.support.scripted import ScriptedServer
from tests.support.seeding import key_of, seed_deal

HOME = "/admin/dealpurge/inventorydeal/"
SLOW = "Redis did not tell in time what has happened since the scan."


@pytest.fixture
def scanned(browser: Client, deals: redis.Redis) -> redis.Redis:
    """Two deals were idle for an hour, one of birch has no events."""
    for name in ("deal-1", "deal-2"):
        seed_deal(deals, "acme", name, age=3600, locks=0, image_crops=0)
    browser.post(f"{LIST}inventory/scan/")
    return deals


def changed(browser: Client) -> dict[str, Any]:
    rows = browser.get(HOME).context["page"].table.rows
    return {row.deal_id: row.last_active_at for row in rows if row.changed}


def test_nothing_has_changed(browser: Client, scanned: redis.Redis) -> None:
    page = browser.get(HOME)

    assert [row.deal_id for row in page.context["page"].table.rows if row.last_active_at] == ["deal-2", "deal-1"]
    assert "changed since scan" not in page.content.decode()
    assert SLOW not in page.content.decode()


def test_a_deal_with_newer_events_has_changed(browser: Client, scanned: redis.Redis) -> None:
    moment = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=12)
    seed_deal(scanned, "acme", "deal-2", at=moment, locks=0, image_crops=0)
    seed_deal(scanned, "birch", "deal-3", at=moment, locks=0, image_crops=0)

    assert changed(browser) == {"deal-2": moment, "deal-3": moment}
    page = browser.get(HOME).content.decode()
    assert page.count("changed since scan") == 2
    assert "12\xa0minutes ago" in page


def test_a_deal_whose_events_are_gone_has_changed(browser: Client, scanned: redis.Redis) -> None:
    then = InventoryDeal.objects.get(deal_id="deal-1").last_active_at
    scanned.delete(key_of("events", "acme", "deal-1"))

    assert changed(browser) == {"deal-1": then}


def test_only_the_deals_of_the_page_are_asked_for(
    browser: Client, scanned: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def ask(deals: list[Deal], others: list[Deal]) -> dict[Deal, None]:
        asked.append(list(deals))
        return {}

    monkeypatch.setattr(services, "last_activity", ask)

    browser.get(HOME, {"org": "birch"})
    browser.get(HOME, {"org": "nobody"})

    assert asked == [[("birch", "deal-3")]]


def test_the_page_opens_without_redis_and_says_so(
    browser: Client, scanned: redis.Redis, cache_at: PointCacheAt, settings: Settings
) -> None:
    PurgeRun.objects.update(redis_address="")
    settings.DEALPURGE_RETRY_SECONDS = 30
    cache_at("redis://127.0.0.1:1/0")
    began = monotonic()

    page = browser.get(HOME)

    assert monotonic() - began < 3
    assert SLOW in page.content.decode()
    assert len(page.context["page"].table.rows) == 3


@pytest.fixture
def silent(cache_at: PointCacheAt) -> Iterator[ScriptedServer]:
    """A server that takes every command and answers none."""
    with ScriptedServer([], deliver=lambda peer, words, answer: None) as server:
        cache_at(server.url)
        yield server


def test_the_page_does_not_wait_for_a_server_that_hangs(
    browser: Client, inventory: PurgeRun, silent: ScriptedServer
) -> None:
    began = monotonic()

    page = browser.get(HOME)

    assert monotonic() - began < 3
    assert SLOW in page.content.decode()
    assert silent.asked


def test_a_scan_of_another_redis_is_said_to_be_so_and_not_compared(
    browser: Client, scanned: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    PurgeRun.objects.update(redis_address="10.0.0.9:6379/0")
    monkeypatch.setattr(services, "last_activity", lambda deals, others: pytest.fail("it was asked"))

    page = browser.get(HOME).content.decode()

    assert "This scan is of another Redis than the one that is purged now." in page
    assert SLOW not in page


def test_a_deal_of_no_organisation_is_judged_by_all_that_have_its_id(
    browser: Client, scanned: redis.Redis, purger: User
) -> None:
    scan = latest()
    add(scan, "birch", "deal-1", locks=1)
    add(scan, None, "deal-1", checkpoints=1)
    seed_deal(scanned, "birch", "deal-1", age=60, locks=0, image_crops=0)

    rows = browser.get(page_of(scan, "inventory"), {"deal": "deal-1"}).context["page"].table.rows

    assert {row.org_id: row.changed for row in rows} == {"acme": False, "birch": True, None: True}
