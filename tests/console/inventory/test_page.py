"""Which deals are in Redis, and what they hold."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

import dealpurge
from dealpurge.console.inventory.page import COLOURS, InventoryPage
from dealpurge.engine.inventory import InventoryRow
from dealpurge.models import InventoryDeal, PurgeRun
from dealpurge.previews.preview import Preview
from dealpurge.runs.inventory import KEPT, store
from tests.console.conftest import LIST, ClientOf, MakePreview, latest, page_of
from tests.support.seeding import seed_deal

SCAN = f"{LIST}inventory/scan/"
STYLES = (Path(dealpurge.__file__).parent / "static" / "dealpurge" / "console.css").read_text()


@pytest.fixture
def browser(client_of: ClientOf, purger: User) -> Client:
    return client_of(purger)


@pytest.fixture
def inventory(make_preview: MakePreview, purger: User) -> PurgeRun:
    """Three deals: one of acme at work, one idle, and one of birch that nobody ever opened."""
    run = make_preview(purger, inventory=True)
    now = timezone.now()
    rows = [
        ("acme", "busy", {"locks": 2, "canvas_sessions": 28}, now),
        ("acme", "idle", {"canvas_sessions": 5}, now - timedelta(days=9)),
        ("birch", "new", {"locks": 10}, None),
    ]
    for org_id, deal_id, families, active in rows:
        InventoryDeal.objects.create(
            run=run,
            org_id=org_id,
            deal_id=deal_id,
            keys=sum(families.values()),
            families=families,
            last_active_at=active,
        )
    return run


def shown(browser: Client, run: PurgeRun, **query: str) -> list[str]:
    page = browser.get(page_of(run, "inventory"), query)
    return [deal.deal_id for deal in page.context["holdings"]]


def test_one_scan_lists_what_every_deal_holds(browser: Client, deals: redis.Redis) -> None:
    moment = timezone.now().replace(microsecond=0) - timedelta(minutes=1)
    seed_deal(deals, "acme", "deal-1", at=moment, locks=0, image_crops=0, checkpoints=1)

    page = browser.post(SCAN, follow=True)

    run = latest()
    assert page.redirect_chain[-1] == (page_of(run, "inventory"), 302)
    assert (run.inventory, run.dry_run, run.status) == (True, True, "completed")
    rows = {(row.org_id, row.deal_id): row for row in InventoryDeal.objects.filter(run=run)}
    assert sorted(rows) == [("acme", "deal-1"), ("acme", "deal-2"), ("birch", "deal-3")]
    busy = rows["acme", "deal-1"]
    assert busy.families == {"canvas_sessions": 1, "locks": 1, "events": 1, "checkpoints": 1}
    assert busy.keys == 4
    assert busy.last_active_at == moment
    assert deals.dbsize() == 9


def test_it_is_not_scanned_again_on_each_click(browser: Client, deals: redis.Redis) -> None:
    browser.post(SCAN)

    first = browser.get(f"{LIST}inventory/")
    browser.get(first.headers["Location"], {"sort": "keys"})

    assert PurgeRun.objects.count() == 1
    assert first.headers["Location"] == page_of(latest(), "inventory")


def test_before_the_first_scan_there_is_a_button(browser: Client) -> None:
    page = browser.get(f"{LIST}inventory/").content.decode()

    assert "Nobody has looked yet" in page
    assert f'action="{SCAN}"' in page
    assert not PurgeRun.objects.exists()


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", ["busy", "new", "idle"]),
        ("-keys", ["busy", "new", "idle"]),
        ("keys", ["idle", "new", "busy"]),
        ("active", ["new", "idle", "busy"]),
        ("-active", ["busy", "idle", "new"]),
        ("org", ["busy", "idle", "new"]),
        ("-org", ["new", "idle", "busy"]),
        ("deal", ["busy", "idle", "new"]),
        ("password", ["busy", "new", "idle"]),
    ],
)
def test_deals_are_sorted_as_asked(browser: Client, inventory: PurgeRun, sort: str, expected: list[str]) -> None:
    assert shown(browser, inventory, sort=sort) == expected


def test_deals_are_filtered_as_asked(browser: Client, inventory: PurgeRun) -> None:
    assert shown(browser, inventory, org=" acme ", sort="keys") == ["idle", "busy"]
    assert shown(browser, inventory, deal="new") == ["new"]
    assert shown(browser, inventory, org="acme", deal="new") == []
    assert shown(browser, inventory, org="a") == []


def test_a_row_tells_what_a_deal_holds(browser: Client, inventory: PurgeRun) -> None:
    page = browser.get(page_of(inventory, "inventory")).content.decode()

    assert f'<a href="{LIST}deal/?org=acme&amp;deal=busy">busy</a>' in page
    assert 'aria-label="Canvas sessions 28, Locks 2"' in page
    assert 'x="93.333%" width="6.667%"' in page
    assert "none known" in page
    assert 'value="acme:busy"' in page


def test_picked_deals_lead_into_the_form(browser: Client, inventory: PurgeRun) -> None:
    picked = {"prefill": "1", "mode": "by_deal", "deals": ["acme:idle", "birch:new"]}

    page = browser.post(f"{LIST}purge/", picked)

    assert page.context["form"].initial == {"mode": "by_deal", "deals": "acme:idle\nbirch:new"}


def test_an_inventory_is_no_preview(browser: Client, inventory: PurgeRun) -> None:
    browser.post(page_of(inventory, "apply"), {"typed": "purge 7"})

    assert not PurgeRun.objects.filter(dry_run=False).exists()


def test_the_run_list_leads_to_the_inventory(browser: Client, inventory: PurgeRun) -> None:
    assert browser.get(page_of(inventory)).headers["Location"] == page_of(inventory, "inventory")


def test_a_purge_is_no_inventory(browser: Client, make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger)

    assert browser.get(page_of(run, "inventory")).headers["Location"] == page_of(run)


@pytest.mark.parametrize("status", ["queued", "running", "failed", "cancelled"])
def test_a_scan_without_an_end_lists_nothing(
    browser: Client, make_preview: MakePreview, purger: User, status: str
) -> None:
    run = make_preview(purger, inventory=True, status=status, heartbeat_at=timezone.now(), report=None)

    page = browser.get(page_of(run, "inventory"))

    assert page.status_code == 200
    assert "<table" not in page.content.decode().split('id="content"')[1]


def test_redis_down_is_told(browser: Client) -> None:
    page = browser.post(SCAN, follow=True).content.decode()

    assert latest().error in page
    assert "Scan again" in page


def test_20_000_deals_take_few_queries(
    browser: Client, inventory: PurgeRun, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    many = (
        InventoryDeal(run=inventory, org_id=f"o{n % 50}", deal_id=f"d{n}", keys=n, families={"locks": n})
        for n in range(20_000)
    )
    InventoryDeal.objects.bulk_create(many, batch_size=2000)

    for query in ({}, {"p": "200", "sort": "active"}, {"org": "o7"}, {"p": "nonsense"}, {"p": "-1"}):
        with django_assert_max_num_queries(9):
            page = browser.get(page_of(inventory, "inventory"), query)
        assert 0 < len(page.context["holdings"]) <= 50


def test_only_the_newest_inventories_keep_their_deals(make_preview: MakePreview, purger: User) -> None:
    row = InventoryRow(org_id=None, deal_id="d", families=(1, 0), last_active_at=None)
    runs: list[Any] = []
    for age in range(KEPT + 2, 0, -1):
        run = make_preview(purger, inventory=True, created_at=timezone.now() - timedelta(hours=age))
        store(run, ("locks", "events"), [row])
        runs.append(run)

    kept = set(InventoryDeal.objects.values_list("run", flat=True))

    assert kept == {run.pk for run in runs[2:]}
    assert PurgeRun.objects.count() == len(runs)


def test_deals_that_are_no_longer_kept_are_said_to_be_so(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    page = browser.get(page_of(make_preview(purger, inventory=True), "inventory")).content.decode()

    assert "no longer kept" in page


def test_families_of_the_hosts_own_have_colours_of_their_own(inventory: PurgeRun, purger: User) -> None:
    page = InventoryPage(Preview.load(inventory.pk), purger)
    page.report = {"families": {f"family {number}": 1 for number in range(COLOURS)}}

    assert len(set(page.colours.values())) == COLOURS > 16


def test_every_colour_is_in_the_stylesheet_once() -> None:
    numbers, fills = zip(*re.findall(r"^\.dp-c(\d+) \{ fill: (#[0-9a-f]{6}); \}$", STYLES, re.MULTILINE), strict=True)

    assert list(map(int, numbers)) == list(range(COLOURS))
    assert len(set(fills)) == COLOURS
