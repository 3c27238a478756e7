"""What is true of a deal now: asked of Redis while the page is made, which opens without an answer too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client

from dealpurge import services
from dealpurge.models import PurgeRun
from tests.console.conftest import LIST, ClientOf, MakePreview, page_of
from tests.console.timeline.conftest import shown
from tests.support.seeding import key_of, seed_deal

pytestmark = pytest.mark.django_db
DEAL = {"org": "acme", "deal": "deal-7"}


def test_an_active_deal_would_be_skipped(browser: Client, deals: redis.Redis) -> None:
    seed_deal(deals, "acme", "deal-7", at=datetime.now(UTC) - timedelta(minutes=9, seconds=5))

    page = shown(browser, **DEAL)

    assert "It would be skipped now: active 9 minutes ago." in page
    assert "last active 9 minutes ago" in page


def test_an_idle_deal_would_not(browser: Client, deals: redis.Redis) -> None:
    seed_deal(deals, "acme", "deal-7", at=datetime.now(UTC) - timedelta(hours=3, seconds=5))

    assert "It would not be skipped now: last active 3 hours ago." in shown(browser, **DEAL)


def test_a_deal_without_events(browser: Client, deals: redis.Redis) -> None:
    deals.set(key_of("locks", "acme", "deal-7"), "x")

    page = shown(browser, **DEAL)

    assert "It would not be skipped now: it has no events." in page
    assert "last active none known" in page


def test_without_redis_the_page_opens_and_says_so(browser: Client) -> None:
    page = shown(browser, **DEAL)

    assert "last active Redis cannot be asked now" in page
    assert "Redis cannot be asked now. Deals active in the last hour are skipped." in page


def test_what_cannot_be_told_is_not_made_up(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "last_activity", lambda deals, others: {})

    page = shown(browser, **DEAL)

    assert "Redis cannot be asked" not in page
    assert "purge of this deal Deals active in the last hour are skipped." in page


def test_the_deals_of_an_id_are_asked_together(
    browser: Client, make_preview: MakePreview, purger: User, deals: redis.Redis
) -> None:
    """Keys without an organisation are judged by the events of all who have the id."""
    seed_deal(deals, "acme", "deal-7", at=datetime.now(UTC) - timedelta(minutes=9, seconds=5))
    scan = make_preview(purger, inventory=True, dry_run=True)
    scan.inventory_deals.create(org_id="acme", deal_id="deal-7", keys=1, families={})

    assert "It would be skipped now: active 9 minutes ago." in shown(browser, org="", deal="deal-7")


def test_of_an_id_that_nobody_has_looked_for_nothing_is_told(browser: Client, deals: redis.Redis) -> None:
    """Its organisation is not known, so its events are not either."""
    seed_deal(deals, "acme", "deal-7", at=datetime.now(UTC))

    page = shown(browser, org="", deal="deal-7")

    assert "it has no events" not in page
    assert "Deals active in the last hour are skipped." in page


def test_two_operators_see_each_others_purge(client_of: ClientOf, purger: User, make_preview: MakePreview) -> None:
    run = PurgeRun.objects.create(
        source="admin", actor_name="d.silva", mode="all", org_id="acme", dry_run=False, status="running", deals=[]
    )
    preview = make_preview(purger, mode="by_deal", deals=[["acme", "deal-7"]], deals_named=1)
    browser = client_of(purger)

    for address in (page_of(preview), f"{LIST}deal/?org=acme&deal=deal-7"):
        page = browser.get(address).content.decode()
        assert "A purge of this deal by d.silva is under way, 0 %." in page
        assert f'<a href="{page_of(run)}">Look at it.</a>' in page

    assert "d.silva" not in browser.get(f"{LIST}deal/?org=birch&deal=deal-7").content.decode()
