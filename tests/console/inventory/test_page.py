"""Which deals are in Redis, and what they hold."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from dealpurge.console.inventory import page as page_module
from dealpurge.engine.inventory import InventoryRow
from dealpurge.models import InventoryDeal, PurgeRun
from dealpurge.runs.inventory import KEPT, store
from tests.console.conftest import LIST, REPORT, ClientOf, MakePreview, latest, page_of
from tests.console.inventory.conftest import add
from tests.support.seeding import seed_deal

SCAN = f"{LIST}inventory/scan/"
HOME = "/admin/dealpurge/inventorydeal/"


def shown(browser: Client, run: PurgeRun, **query: str) -> list[str]:
    return [deal.deal_id for deal in table(browser, run, **query).rows]


def table(browser: Client, run: PurgeRun, **query: str) -> Any:
    return browser.get(page_of(run, "inventory"), query).context["page"].table


def test_one_scan_lists_what_every_deal_holds(browser: Client, deals: redis.Redis) -> None:
    moment = timezone.now().replace(microsecond=0) - timedelta(minutes=1)
    seed_deal(deals, "acme", "deal-1", at=moment, locks=0, image_crops=0, checkpoints=1)

    page = browser.post(SCAN, follow=True)

    run = latest()
    assert page.redirect_chain == [(HOME, 302)]
    assert page.context["run"] == run
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

    browser.get(HOME)
    browser.get(HOME, {"sort": "keys"})

    assert PurgeRun.objects.count() == 1


def test_before_the_first_scan_there_is_a_button(browser: Client) -> None:
    page = browser.get(HOME).content.decode()

    assert "Nobody has looked yet." in page
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
    assert shown(browser, inventory, deal="e") == ["new", "idle"]
    assert shown(browser, inventory, deal="acme:") == ["busy", "idle"]
    assert shown(browser, inventory, idle="86400") == ["idle"]
    assert shown(browser, inventory, idle=str(30 * 86400)) == []
    assert shown(browser, inventory, idle="never") == ["new"]
    assert shown(browser, inventory, family="locks") == ["busy", "new"]
    assert shown(browser, inventory, family="locks", org="acme") == ["busy"]
    assert shown(browser, inventory, idle="nonsense") == ["busy", "new", "idle"]


def test_a_row_tells_what_a_deal_holds(browser: Client, inventory: PurgeRun) -> None:
    page = browser.get(page_of(inventory, "inventory")).content.decode()

    assert f'<a class="dp-id" href="{LIST}deal/?org=acme&amp;deal=busy">busy</a>' in page
    assert '<td role="cell" class="dp-mostly">Canvas sessions 93\xa0%</td>' in page
    assert 'class="dp-fill" width="16.67%"' in page  # 5 keys of the largest's 30
    assert "none known" in page
    assert 'value="acme:busy" aria-label="Select acme busy"' in page


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

    for query in ({}, {"p": "200", "sort": "active"}, {"org": "o7"}, {"deal": "d7"}, {"p": "nonsense"}, {"p": "-1"}):
        with django_assert_max_num_queries(11):
            page = browser.get(page_of(inventory, "inventory"), query)
        assert 0 < len(page.context["page"].table.rows) <= 50


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


@pytest.mark.parametrize(
    ("minutes", "told"), [(18, ""), (59, ""), (61, "This is 1\xa0hour old."), (190, "This is 3\xa0hours old.")]
)
def test_an_old_scan_is_said_to_be_old(browser: Client, inventory: PurgeRun, minutes: int, told: str) -> None:
    moment = timezone.now() - timedelta(minutes=minutes)
    PurgeRun.objects.filter(pk=inventory.pk).update(started_at=moment, created_at=moment)

    page = browser.get(HOME).content.decode()

    assert "by purger" in page
    assert "took 0.8 s" in page
    assert told in page
    assert ("dp-age" in page) is bool(told)


def test_the_first_page_shows_the_newest_scan_that_came_to_its_end(
    browser: Client, inventory: PurgeRun, make_preview: MakePreview, purger: User
) -> None:
    failed = make_preview(purger, inventory=True, status="failed", report=None, error="Redis is away.")

    page = browser.get(HOME)

    assert page.context["run"] == inventory
    assert f'<a href="{page_of(failed, "inventory")}">Look at it.</a>' in page.content.decode()
    assert "Redis is away." in browser.get(page_of(failed, "inventory")).content.decode()


def test_the_first_page_shows_how_far_a_scan_is(
    browser: Client, inventory: PurgeRun, make_preview: MakePreview, purger: User
) -> None:
    running = make_preview(purger, inventory=True, status="running", report=None, heartbeat_at=timezone.now())

    page = browser.get(HOME)

    assert page.context["run"] == running
    assert f'data-dp-poll="{page_of(running, "progress")}"' in page.content.decode()
    assert "Stop this scan" in page.content.decode()


def test_a_scan_that_was_lost_does_not_hide_the_one_before(
    browser: Client, inventory: PurgeRun, make_preview: MakePreview, purger: User
) -> None:
    long_ago = timezone.now() - timedelta(minutes=5)
    PurgeRun.objects.filter(pk=inventory.pk).update(created_at=long_ago - timedelta(minutes=1))
    make_preview(
        purger,
        inventory=True,
        status="running",
        report=None,
        created_at=long_ago,
        started_at=long_ago,
        heartbeat_at=long_ago,
        finished_at=None,
    )

    page = browser.get(HOME)

    assert page.context["run"] == inventory
    assert "did not come to its end" in page.content.decode()


def test_what_each_organisation_has_is_added_up(browser: Client, inventory: PurgeRun) -> None:
    add(inventory, None, "lonely", checkpoints=3)

    answer = browser.get(HOME)

    page = answer.context["page"]
    assert '<th scope="row" role="rowheader">\u2013</th>' in answer.content.decode()

    rows = [(row.name, row.deals, row.keys, row.share) for row in page.organisations]
    assert rows == [("acme", 2, 35, "100.00"), ("birch", 1, 10, "28.57"), ("\u2013", 1, 3, "8.57")]
    assert page.totals[0].last_active_at == InventoryDeal.objects.get(deal_id="busy").last_active_at
    assert page.table.all == (4, 48)


def test_the_name_of_an_organisation_filters_the_deals(browser: Client, inventory: PurgeRun) -> None:
    page = browser.get(HOME, {"sort": "keys"})
    (query,) = [row.query for row in page.context["page"].organisations if row.name == "acme"]

    filtered = browser.get(f"{HOME}?{query}")

    assert f'<a class="dp-id" href="?{query.replace("&", "&amp;")}#deals">acme</a>' in page.content.decode()
    assert [row.deal_id for row in filtered.context["page"].table.rows] == ["idle", "busy"]
    assert "2 of 3 match" in filtered.content.decode()
    assert '<option value="acme" selected>acme</option>' in filtered.content.decode()


def test_six_organisations_are_shown_and_all_of_them_for_the_asking(browser: Client, inventory: PurgeRun) -> None:
    for number in range(7):
        add(inventory, f"org-{number}", "deal", locks=number + 1)

    page = browser.get(HOME, {"org": "org-6"})
    asked = browser.get(f"{HOME}?{page.context['page'].all_query}")

    assert len(list(page.context["page"].organisations)) == 6
    assert f'<a href="?{page.context["page"].all_query.replace("&", "&amp;")}#organisations">Show all 9</a>' in (
        page.content.decode()
    )
    assert len(list(asked.context["page"].organisations)) == 9
    assert "Show all" not in asked.content.decode()
    assert [row.org_id for row in asked.context["page"].table.rows] == ["org-6"]


def test_where_they_are_too_many_to_choose_from_an_organisation_is_typed(browser: Client, inventory: PurgeRun) -> None:
    for number in range(200):
        add(inventory, f"org-{number}", "deal", locks=1)

    page = browser.get(HOME, {"org": "org-6"}).content.decode()

    assert '<input type="search" name="org" id="dp-org" value="org-6"' in page
    assert '<select name="org"' not in page


@pytest.mark.parametrize(("sort", "heading", "direction"), [("", "Keys", "descending"), ("deal", "Deal", "ascending")])
def test_the_heading_tells_how_deals_are_sorted(
    browser: Client, inventory: PurgeRun, sort: str, heading: str, direction: str
) -> None:
    page = browser.get(HOME, {"sort": sort})

    sorted_by = [(one.label, one.direction) for one in page.context["page"].table.headings if one.direction]
    assert sorted_by == [(heading, direction)]
    assert f'aria-sort="{direction}"' in page.content.decode().partition('id="deals"')[2]


def test_another_click_on_a_heading_turns_the_order(browser: Client, inventory: PurgeRun) -> None:
    headings = {one.label: one for one in table(browser, inventory, org="acme", p="1").headings}

    assert headings["Keys"].query == "org=acme&sort=keys"
    assert headings["Last active"].query == "org=acme&sort=active"
    assert headings["Mostly"].query == ""
    for now, then in (("keys", "-keys"), ("active", "-active"), ("-active", "active")):
        heading = next(one for one in table(browser, inventory, sort=now).headings if one.direction)
        assert heading.query == f"sort={then}"


def test_fifty_deals_a_page(browser: Client, inventory: PurgeRun) -> None:
    for number in range(118):
        add(inventory, "acme", f"d{number:03}", locks=1)

    first = table(browser, inventory, org="acme")
    last = table(browser, inventory, org="acme", p="3")

    assert (len(first.rows), first.first, first.last) == (50, 1, 50)
    assert list(first.pages) == [("1", ""), ("2", "org=acme&p=2"), ("3", "org=acme&p=3")]
    assert (len(last.rows), last.first, last.last) == (20, 101, 120)
    pages = [row.deal_id for number in "123" for row in table(browser, inventory, org="acme", p=number).rows]
    assert len(set(pages)) == 120


@pytest.mark.parametrize("p", ["", "7", "0", "x"])
def test_of_a_page_that_is_none_the_nearest_is_shown(browser: Client, inventory: PurgeRun, p: str) -> None:
    assert shown(browser, inventory, p=p) == ["busy", "new", "idle"]


def test_idle_is_counted_from_the_scan_on(browser: Client, inventory: PurgeRun) -> None:
    day = 86400
    moment = timezone.now() - timedelta(days=1)
    PurgeRun.objects.filter(pk=inventory.pk).update(started_at=moment)
    add(inventory, "acme", "a week", moment - timedelta(days=7, minutes=1), locks=1)
    add(inventory, "acme", "nearly", moment - timedelta(days=7) + timedelta(minutes=1), locks=1)

    assert shown(browser, inventory, idle=str(7 * day), org="acme") == ["idle", "a week"]


def test_no_deal_that_matches_and_the_way_out(browser: Client, inventory: PurgeRun) -> None:
    page = browser.get(HOME, {"org": "cedar", "sort": "keys"}).content.decode()

    assert 'No deal matches. <a href="?sort=keys#deals">Clear filters</a>' in page
    assert "Select all" not in page


def test_an_empty_redis_has_nothing_to_purge(browser: Client, valkey_settings: Settings) -> None:
    browser.post(SCAN)

    page = browser.get(HOME).content.decode()

    assert "No deal is in Redis. Nothing to purge." in page
    assert "<table" not in page.split('id="content"')[1]


def test_other_keys_are_told_of(browser: Client, inventory: PurgeRun) -> None:
    assert "900 more keys belong to no deal. No purge takes them." in browser.get(HOME).content.decode()


def test_the_old_address_leads_to_the_first_page(browser: Client, inventory: PurgeRun) -> None:
    assert browser.get(f"{LIST}inventory/").headers["Location"] == HOME
    assert browser.get(f"{LIST}inventory/?org=acme").headers["Location"] == f"{HOME}?org=acme"


def test_who_may_only_look_sees_the_deals_and_no_button(client_of: ClientOf, staff: User, inventory: PurgeRun) -> None:
    staff.user_permissions.add(Permission.objects.get(codename="view_purgerun"))

    page = client_of(staff).get(HOME).content.decode().split('id="content"')[1]

    assert "busy" in page
    assert 'type="checkbox"' not in page
    assert 'method="post"' not in page
    assert "Purge deals by id" not in page


def test_all_deals_that_match_are_exported(browser: Client, inventory: PurgeRun) -> None:
    moment = InventoryDeal.objects.get(deal_id="idle").last_active_at
    for number in range(60):
        add(inventory, "acme", f"=cmd{number}", locks=1)

    answer: Any = browser.get(page_of(inventory, "inventory/export"), {"org": "acme", "sort": "-keys"})
    lines = b"".join(answer.streaming_content).decode().split("\r\n")

    assert answer.streaming
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert lines[0] == "run_id,org_id,deal_id,keys,last_active_at,canvas_sessions,locks"
    assert lines[1].startswith(f"{inventory.pk},acme,busy,30,")
    assert lines[2] == f"{inventory.pk},acme,idle,5,{moment:%Y-%m-%dT%H:%M:%S}Z,5,0"
    assert lines[3].split(",")[2].startswith("'=cmd")
    assert len(lines) == 1 + 62 + 1


def test_a_scan_without_an_end_is_not_exported(browser: Client, make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger, inventory=True, status="failed", report=None)

    assert browser.get(page_of(run, "inventory/export")).headers["Location"] == page_of(run, "inventory")


def test_the_first_page_is_where_the_name_of_the_app_leads(
    browser: Client, inventory: PurgeRun, make_preview: MakePreview, purger: User
) -> None:
    for page in (HOME, LIST, f"{LIST}purge/", page_of(make_preview(purger))):
        assert f'<a href="{HOME}">Deal purge</a>' in browser.get(page).content.decode()


def test_an_unfinished_report_is_no_error(browser: Client, make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger, inventory=True, report={**REPORT, "families": {}})
    add(run, "acme", "odd")

    assert table(browser, run).rows[0].mostly == ""


def test_so_many_organisations_that_a_page_cannot_hold_them_are_cut_short(
    browser: Client, inventory: PurgeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "MOST_SHOWN", 7)
    for number in range(8):
        add(inventory, f"org-{number}", "deal", locks=1)

    assert "Show the first 7<" in browser.get(HOME).content.decode()
    assert len(list(browser.get(HOME, {"orgs": "all"}).context["page"].organisations)) == 7


def test_a_scan_that_could_not_be_begun_leads_back_with_the_reason(browser: Client, settings: Settings) -> None:
    settings.DEALPURGE_KEY_FAMILIES = {"locks": ["nothing"]}

    page = browser.post(SCAN, follow=True)

    assert page.redirect_chain == [(HOME, 302)]
    assert len(list(page.context["messages"])) == 1


def test_keys_without_an_organisation_are_ticked_where_they_are_nobody_elses(
    browser: Client, inventory: PurgeRun
) -> None:
    """To name an id without one is to name the deals of all organisations that have it."""
    add(inventory, None, "lonely", checkpoints=3)
    add(inventory, None, "shared", checkpoints=3)
    add(inventory, "acme", "shared", locks=3)

    page = browser.get(page_of(inventory, "inventory")).content.decode()

    ticks = re.findall(r'name="deals" value="([^"]*)"', page)
    assert sorted(ticks) == ["acme:busy", "acme:idle", "acme:shared", "birch:new", "lonely"]
